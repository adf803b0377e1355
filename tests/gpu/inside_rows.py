"""The rows that a part of `check_inside` answers with."""

from __future__ import annotations

# [what was checked, whether it holds (None: only told), what was found]
rows: list[tuple[str, bool | None, str]] = []


def check(what: str, holds: bool | None, found: object = "") -> None:
    rows.append((what, None if holds is None else bool(holds), str(found)))
    sign = {True: "ok  ", False: "FAIL", None: "    "}[rows[-1][1]]
    print(f"{sign}  {what:72} {found}", flush=True)

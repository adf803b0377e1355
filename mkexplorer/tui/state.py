"""What the app remembers between runs: the theme, the divider, the last tab and so on. Losing it loses nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

Option = bool | int | float | str


@dataclass(frozen=True, slots=True)
class UiState:
    """``ratio`` and ``stacked_ratio`` are the list's part of the width, or of the height where panes stack.

    ``options`` are switches inside tabs, by ``widget.attribute`` (`work_area.REMEMBERED`).
    """

    theme: str = "textual-dark"
    ratio: float = 0.44
    stacked_ratio: float = 0.4
    tab: str = "source"
    sort: str = ""
    follow: bool = True
    options: dict[str, Option] = field(default_factory=dict)


def state_path() -> Path:
    """Return where the state is kept; honours ``XDG_STATE_HOME``."""
    from platformdirs import user_state_path

    return user_state_path("mkexplorer", appauthor=False) / "state.json"


def load_state(path: Path) -> tuple[UiState, str]:
    """Read the state; what cannot be used is replaced by its default.

    Returns the state and, where something was wrong, a sentence that says what.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return UiState(), ""
    except (OSError, ValueError, RecursionError) as error:
        return UiState(), f"{path} cannot be read ({error}); the app starts as new and writes it afresh when it quits."
    return _checked(stored if isinstance(stored, dict) else {}), ""


def save_state(path: Path, state: UiState) -> None:
    """Write the state whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".state-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _checked(stored: dict[str, Any]) -> UiState:
    usable: dict[str, Any] = {}
    for known in fields(UiState):
        default = getattr(UiState(), known.name)
        value = stored.get(known.name)
        if type(value) is type(default):
            usable[known.name] = value
    for name in ("ratio", "stacked_ratio"):
        if not 0.1 <= usable.get(name, 0.5) <= 0.9:
            del usable[name]
    options = usable.get("options", {})
    usable["options"] = {name: value for name, value in options.items() if isinstance(value, Option)}
    return UiState(**usable)

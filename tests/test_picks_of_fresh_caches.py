"""The command line on a real cache: wrappers that the installed torch generates now, and tells where their picks are.

It needs no GPU, and compiles nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.command_line import Run
from tests.pick_places import fill_cache


def test_list_pin_and_list_again(run: Run, fresh_wrappers: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fill_cache(cache, fresh_wrappers)
    found = run("list", str(cache), "--json").json["multi_kernels"]
    assert found
    assert [(each["pick"]["state"], each["pick"]["obstacle"]) for each in found] == [("none", "")] * len(found)
    assert all(each["pick"]["place_reason"].startswith("as torch ") for each in found)

    first = found[0]
    assert run("pin", first["id"], "persistent", "--place", str(cache)).code == 0
    persistent = next(sub["index"] for sub in first["sub_kernels"] if sub["kind"] == "persistent")
    assert (cache / first["pick"]["path"]).read_text() == str(persistent)
    again = run("list", str(cache), "--json", "--no-python").json["multi_kernels"]
    assert [each["pick"]["state"] for each in again] == ["pinned", *["none"] * (len(found) - 1)]
    assert [sub["kind"] for sub in again[0]["sub_kernels"] if sub["picked"]] == ["persistent"]
    assert run("history", "--json", "--place", str(cache)).json["entries"][0]["torch"]

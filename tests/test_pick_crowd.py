"""Eight processes change the same picks while one writes as torch does: nothing is torn, lost or left behind.

``MKEXPLORER_CROWD_SECONDS=60`` makes it as long as a release should see it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Action, PickState
from tests.pick_crowd import PATHS

SECONDS = os.environ.get("MKEXPLORER_CROWD_SECONDS", "2")


def test_many_change_the_same_picks_at_once(tmp_path: Path) -> None:
    (tmp_path / "dk").mkdir()
    program = [sys.executable, "-m", "tests.pick_crowd", str(tmp_path)]
    crowd = [
        subprocess.Popen(
            [*program, str(seed), SECONDS, role], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
        )
        for seed, role in enumerate(["person"] * 8 + ["inductor"])
    ]
    told = [json.loads(each.communicate(timeout=float(SECONDS) + 60)[0]) for each in crowd]
    assert [wrong for each in told for wrong in each["wrong"]] == []
    not_made = {batch for each in told[:8] for batch in each["not_made"]}
    for path in PATHS:
        made = [batch for each in told[:8] for batch in each["made"][path]]
        assert made
        file = read_pick_file(FolderStore(str(tmp_path)), path, 2)
        assert file.pick.state not in (PickState.INVALID, PickState.UNKNOWN)
        assert file.history.problems == ()
        entered = [entry.batch for entry in file.history.entries if entry.happened]
        assert sorted(entered) == sorted(made)
        assert not not_made & set(entered)
        undone = [entry.undoes for entry in file.history.entries if entry.action is Action.UNDO]
        assert len(undone) == len(set(undone)), "a change was taken back twice"
    names = {name for path in PATHS for name in (Path(path).name, f"{Path(path).name}.json")}
    assert set(os.listdir(tmp_path / "dk")) <= names

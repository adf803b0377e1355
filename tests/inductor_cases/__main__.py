"""Runs the cases in one process: a program, because it replaces parts of torch.

Each case has a folder of its own. Prints a JSON object: for each case '' where it holds, else how it failed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection
from pathlib import Path

from tests import stand_in_gpu
from tests.inductor_cases import (
    choosing,
    cpp,
    failing,
    generating,
    installing,
    launching,
    measuring,
    pick_files,
    ranks,
    shapes,
    torch_ways,
)
from tests.stand_in_gpu import effects, names, set_times

# Installing comes first: a `patch` of torch's settings, as others use, leaves them as if a person had set them.
SUBJECTS = (installing, generating, choosing, launching, pick_files, measuring, failing, torch_ways, cpp, ranks, shapes)


def all_cases() -> dict[str, Callable[[Path], None]]:
    functions = (item for subject in SUBJECTS for item in vars(subject).items())
    return {name: function for name, function in functions if name.startswith("case_")}


def run(folder: Path, wanted: Collection[str]) -> dict[str, str]:
    cases = all_cases()
    stand_in_gpu.set_up()
    found = {}
    for name in wanted or cases:
        set_times()
        effects.clear()
        names()
        try:
            cases[name](Path(tempfile.mkdtemp(dir=folder)))
        except BaseException:
            found[name] = traceback.format_exc()
        else:
            found[name] = ""
    return found


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), sys.argv[2:])))

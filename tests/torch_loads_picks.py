"""Has the installed torch (2.3 to 2.13) load pick files: ``python tests/torch_loads_picks.py COUNT FILE…``.

Prints a JSON list: for each file the index that ``MultiKernelCall.load_cache`` picks among COUNT sub-kernels, None
where it sees no pick, or the name of the error that ends the program. Imports nothing of mkexplorer.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

from torch._inductor.codegen.multi_kernel import MultiKernelCall


def load(path: str, count: int) -> int | str | None:
    call: Any = object.__new__(MultiKernelCall)
    call.picked_kernel = None
    call._kernels = [None] * count
    call.cache_file_path = lambda: pathlib.Path(path)
    try:
        call.load_cache()
    except (ValueError, AssertionError, OSError) as error:
        return "ValueError" if isinstance(error, ValueError) else type(error).__name__
    picked: int | None = call.picked_kernel
    return picked


print(json.dumps([load(path, int(sys.argv[1])) for path in sys.argv[2:]]))

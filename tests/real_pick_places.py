"""Asks the installed torch itself where it keeps picks, by running wrappers as it runs them, without a GPU.

Run as a program, because it replaces parts of torch: ``python -m tests.real_pick_places FOLDER`` prints the path of the
pick file, relative to the cache, for each wrapper in FOLDER and each multi-kernel in it, as JSON. Needs no mkexplorer.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from .generate_wrappers import describe_gpu


def main(folder: Path) -> None:
    cache = tempfile.mkdtemp()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
    describe_gpu()
    import torch

    if not hasattr(torch._C, "_cuda_getCurrentRawStream"):
        torch._C._cuda_getCurrentRawStream = lambda device: 0
    from torch._inductor.codecache import PyCodeCache
    from torch._inductor.codegen.multi_kernel import MultiKernelCall
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    CachingAutotuner.precompile = lambda *_, **__: None
    import torch._inductor.runtime.triton_helpers as helpers

    helpers.set_driver_to_gpu = lambda *_: None
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.py")):
        module = PyCodeCache.load(path.read_text())
        calls = {name: value for name, value in vars(module).items() if isinstance(value, MultiKernelCall)}
        found[path.name] = {name: os.path.relpath(call.cache_file_path(), cache) for name, call in calls.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

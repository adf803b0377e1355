"""Asks the installed torch itself where it keeps picks, by running wrappers as it runs them, without a GPU.

Run as a program, because it replaces parts of torch: ``python -m tests.real_pick_places FOLDER`` prints as JSON, for
each wrapper in FOLDER, the paths of its multi-kernels' picks relative to the cache, in the order of their definitions.
It needs no mkexplorer.
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
    made: list[Any] = []
    construct = MultiKernelCall.__init__

    def note(self: Any, *arguments: Any, **keywords: Any) -> None:
        construct(self, *arguments, **keywords)
        made.append(self)

    MultiKernelCall.__init__ = note
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.py")):
        made.clear()
        PyCodeCache.load(path.read_text())
        found[path.name] = [os.path.relpath(call.cache_file_path(), cache) for call in made]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

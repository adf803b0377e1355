"""Sub-kernels as torch loads them, from their texts and in this process: nothing goes to Inductor's compile pool."""

from __future__ import annotations

import linecache
import os
import sys
from types import ModuleType
from typing import Any

from . import own_kernels


def load(folder: str, key: str, text: str) -> ModuleType:
    """Executes a kernel's file, which is written into ``folder``; torch takes an equal path for a module it knows."""
    from torch._inductor.codecache import PyCodeCache

    if own_kernels.PACKAGE in text:
        own_kernels.install()
    path = os.path.join(folder, f"{key}.py")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    module: ModuleType = PyCodeCache.load_by_key_path(key, path)
    return module


def kernel_of(module: ModuleType, name: str) -> Any:
    """The ``CachingAutotuner`` that the file defines."""
    if not hasattr(module, name):
        raise AttributeError(f"its file defines no {name}")
    return getattr(module, name)


def forget(modules: list[ModuleType]) -> None:
    """Torch and triton keep what they load for the life of the process; these kernels are not needed again."""
    from torch._inductor.codecache import PyCodeCache
    from triton.runtime import jit

    names = {module.__name__ for module in modules}
    for module in modules:
        sys.modules.pop(module.__name__, None)
        linecache.cache.pop(str(module.__file__), None)
    PyCodeCache.cache_clear()
    functions = getattr(jit, "_triton_jit_function_registry", {})  # triton 3.7 and later
    for function in [function for function in functions if function.partition(":")[0] in names]:
        del functions[function]

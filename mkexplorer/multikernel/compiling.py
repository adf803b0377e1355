"""What a generated wrapper defines its kernels with: they load in threads of their own, and nobody waits early."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from .call import MultiKernelCall
from .launching import Kernel
from .modules import cache_of, load_module, write_source

_THREADS = 4


class AsyncCompile:
    """``file`` is the wrapper's own; its cache gets the kernels' files too."""

    def __init__(self, file: str) -> None:
        self._cache = cache_of(file)
        self._wrapper = Path(file).stem
        self._sub_kernels: set[int] = set()

    def triton(self, name: str, source: str, device_str: str = "cuda") -> Future[Kernel]:
        return _threads().submit(self._load, name, source)

    def multi_kernel(self, name: str, kernels: Sequence[Future[Kernel]], source: str) -> MultiKernelCall:
        self._sub_kernels.update(id(kernel) for kernel in kernels)
        return MultiKernelCall(name, kernels, source, self._cache, wrapper=self._wrapper)

    def wait(self, scope: MutableMapping[str, Any]) -> None:
        """Puts the kernels into ``scope`` that are called directly. Those of a multi-kernel may take their time."""
        for name, value in list(scope.items()):
            if isinstance(value, Future) and id(value) not in self._sub_kernels:
                scope[name] = value.result()

    def _load(self, name: str, source: str) -> Kernel:
        path = write_source(source, self._cache)
        kernel: Kernel = getattr(load_module(path), name)
        kernel.best_config_file = path.with_suffix(".best_config")
        return kernel


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="mkexplorer-load")

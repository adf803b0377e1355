"""What the place of a multi-kernel's pick is made of: its sub-kernels are loaded as torch loads them."""

from __future__ import annotations

import os
import shutil
import tempfile
from types import ModuleType
from typing import Any

from . import loading, stand_ins

_WARP_SIZE = 32


def pick_parts(sub_kernels: list[dict[str, str]]) -> dict[str, Any]:
    stand_ins.install()
    # A folder for each multi-kernel: torch would take an equal path for a module that it knows.
    folder = tempfile.mkdtemp()
    modules: list[ModuleType] = []
    kernels = []
    parts = []
    try:
        for sub_kernel in sub_kernels:
            with _AutotuneNames() as names:
                module = loading.load(folder, sub_kernel["key"], sub_kernel["text"])
            modules.append(module)
            kernels.append(loading.kernel_of(module, sub_kernel["name"]))
            parts.append({**_part(kernels[-1]), "best_config": names.found})
        return {"parts": parts, "path": _path(kernels)}
    finally:
        loading.forget(modules)
        shutil.rmtree(folder, ignore_errors=True)


def _part(kernel: Any) -> dict[str, Any]:
    return {
        "cache_key": kernel.fn.cache_key,
        "size_hints": repr(kernel.size_hints),
        "triton_meta": repr(kernel.triton_meta),
        "written_backend": kernel.inductor_meta.get("backend_hash"),
        "own_backend": _own_backend(kernel.device_props),
    }


def _own_backend(device: Any) -> str | None:
    return stand_ins.own_backend(device.type, device.cc, getattr(device, "warp_size", None) or _WARP_SIZE)


def _path(kernels: list[Any]) -> str:
    """As torch's own class finds it; its constructor would read the file."""
    from torch._inductor.codegen.multi_kernel import MultiKernelCall
    from torch._inductor.runtime.runtime_utils import cache_dir

    call = MultiKernelCall.__new__(MultiKernelCall)
    call._kernels = kernels
    path: str = os.path.relpath(call.cache_file_path(), cache_dir())
    return path.replace(os.sep, "/")


class _AutotuneNames:
    """While it lasts, kernels with several configurations look into no cache, and the file they would read is noted."""

    found: str | None = None

    def __enter__(self) -> _AutotuneNames:
        try:
            from torch._inductor.runtime.autotune_cache import AutotuneCache
        except ImportError:
            self._cache: Any = None
            return self
        self._cache = AutotuneCache
        self._create = AutotuneCache.create
        AutotuneCache.create = staticmethod(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._cache:
            self._cache.create = staticmethod(self._create)

    def _note(self, inductor_meta: dict[str, Any], filename: str, configs_hash: str) -> None:
        local = {**inductor_meta, "autotune_local_cache": True, "autotune_remote_cache": False}
        local["bundled_autotune_remote_cache"] = False
        cache = self._create(local, filename, configs_hash)
        if cache is not None and cache.local_cache:
            self.found = os.path.basename(cache.local_cache[1])

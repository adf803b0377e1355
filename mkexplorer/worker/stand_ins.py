"""What torch and triton ask of a GPU while kernels are loaded, answered without one."""

from __future__ import annotations

import gc
from functools import lru_cache
from typing import Any

from . import kernel_lines

# Imported by the benchmark code at the end of a kernel's file; builds of torch for the CPU lack them.
_STREAM_GETTERS = ("_cuda_getCurrentRawStream", "_xpu_getCurrentRawStream")
_DEFAULT = ("cuda", 80, 32)


class Driver:
    """Stands where triton has the driver of the device in use, and tells which device that is."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def get_current_target(self) -> Any:
        return self.target

    def get_current_device(self) -> int:
        return 0


@lru_cache(maxsize=None)
def install() -> None:
    """For the whole process, once; nothing that needs a real device works afterwards."""
    import torch

    for name in _STREAM_GETTERS:
        if not hasattr(torch._C, name):
            setattr(torch._C, name, lambda device: 0)
    _use(*_DEFAULT)
    import torch._inductor.codegen.multi_kernel
    import torch._inductor.runtime.triton_heuristics
    from torch._inductor.runtime import triton_helpers

    if hasattr(triton_helpers, "set_driver_to_gpu"):
        # Every kernel's file calls it; it looks for a real one.
        triton_helpers.set_driver_to_gpu = lambda *_: None
    kernel_lines.install()
    # Triton hashes itself once, which takes as long as a hundred kernels; better now than with the first of them.
    own_backend(*_DEFAULT)
    # What torch made while it was imported stays; without this the collector goes through all of it again and again.
    gc.freeze()


@lru_cache(maxsize=None)
def own_backend(kind: str, architecture: Any, warp_size: int) -> str | None:
    """This interpreter's ``triton_hash_with_backend`` for a device; None where its triton has no backend for it."""
    from torch.utils import _triton

    try:
        _use(kind, architecture, warp_size)
        for function in (_triton.triton_backend, _triton.triton_hash_with_backend):
            function.cache_clear()
        return str(_triton.triton_hash_with_backend())
    except Exception:
        return None


def _use(kind: str, architecture: Any, warp_size: int) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    driver.set_active(Driver(GPUTarget(kind, architecture, warp_size)))

"""Who this interpreter is: versions, torch's hash of itself, GPUs, and the files on which all that rests."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Any

from . import PROTOCOL

_NVML = "libnvidia-ml.so.1"
_TEXT = 96


def hello(with_cuda: bool = False, with_keys: bool = True) -> dict[str, Any]:
    torch, torch_error = _torch()
    triton, triton_error = _triton()
    gpus, driver = _nvidia()
    return {
        "protocol": PROTOCOL,
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": torch,
        "torch_error": torch_error,
        "torch_key": _torch_key() if with_keys else None,
        "triton": triton,
        "triton_error": triton_error,
        "gpus": gpus,
        "driver": driver,
        "files": _files(),
        **({"cuda": _cuda()} if with_cuda else {}),
    }


def _torch() -> tuple[str | None, str]:
    try:
        import torch
    except BaseException as error:
        return None, _reason(error)
    return str(torch.__version__), ""


def _triton() -> tuple[str | None, str]:
    try:
        import triton
    except BaseException as error:
        return None, _reason(error)
    return str(triton.__version__), ""


def _cuda() -> bool | str:
    """Whether torch has a GPU that works; the reason where it has one that does not."""
    try:
        import torch

        if not torch.cuda.is_available():
            return False
        torch.zeros(1, device="cuda")
    except BaseException as error:
        return _reason(error)
    return True


def _torch_key() -> str | None:
    """None where this torch has none or lacks what computes keys; that is loaded here, so that its files are told."""
    from . import stand_ins

    try:
        stand_ins.install()
        from torch._inductor.codecache import torch_key
    except Exception:
        return None
    return str(torch_key().hex())


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _files() -> list[list[Any]]:
    """Every file of torch's Inductor and of triton that is loaded, and the folders in which others could come first."""
    paths = {path for path in sys.path if path}
    for name, module in list(sys.modules.items()):
        if name.startswith(("torch._inductor", "torch.version", "triton")):
            paths.add(getattr(module, "__file__", None) or "")
    paths.add(sys.executable)
    return [[path, *_stat(path)] for path in sorted(paths) if path]


def _stat(path: str) -> tuple[int | None, int | None]:
    try:
        found = os.stat(path)
    except OSError:
        return None, None
    return found.st_size, found.st_mtime_ns


def _nvidia() -> tuple[list[str], str | None]:
    """NVML needs no CUDA context and does not care which devices are visible."""
    try:
        nvml = ctypes.CDLL(_NVML)
    except OSError:
        return [], None
    if nvml.nvmlInit_v2() != 0:
        return [], None
    text = ctypes.create_string_buffer(_TEXT)
    driver = text.value.decode() if nvml.nvmlSystemGetDriverVersion(text, _TEXT) == 0 else None
    count = ctypes.c_uint(0)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    names = []
    for index in range(count.value):
        device = ctypes.c_void_p()
        is_found = nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) == 0
        if is_found and nvml.nvmlDeviceGetName(device, text, _TEXT) == 0:
            names.append(text.value.decode())
    nvml.nvmlShutdown()
    return names, driver

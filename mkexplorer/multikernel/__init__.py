"""Multi-kernels for anybody's Triton kernels: define equivalent kernels, generate, choose one by measuring, remember.

Importing this imports neither torch nor triton; each name below is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "Argument": "kernel",
    "ArgumentKind": "kernel",
    "AsyncCompile": "compiling",
    "Call": "codegen",
    "Config": "environment",
    "DefinitionError": "errors",
    "GeneratedModule": "codegen",
    "Kernel": "launching",
    "MissingChoice": "errors",
    "MultiKernel": "kernel",
    "MultiKernelCall": "call",
    "MultiKernelError": "errors",
    "MultiKernelFunction": "frontdoor",
    "MultiKernelState": "state",
    "Range": "kernel",
    "RangeKind": "kernel",
    "SettingError": "environment",
    "SubKernelSpec": "kernel",
    "Tensor": "codegen",
    "Workspace": "kernel",
    "config": "environment",
    "freeze": "freezing",
    "multi_kernel": "frontdoor",
    "power_of_two": "shapes",
    "sub_kernel": "parts",
    "wrapper_text": "codegen",
    "write_module": "modules",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])

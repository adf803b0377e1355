"""Multi-kernels for anybody's Triton kernels: define equivalent kernels, generate, choose one by measuring, remember.

Importing this imports neither torch nor triton; each name below is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .call import MultiKernelCall as MultiKernelCall
    from .codegen import Call as Call
    from .codegen import GeneratedModule as GeneratedModule
    from .codegen import Tensor as Tensor
    from .codegen import wrapper_text as wrapper_text
    from .compiling import AsyncCompile as AsyncCompile
    from .environment import Config as Config
    from .environment import SettingError as SettingError
    from .environment import config as config
    from .errors import DefinitionError as DefinitionError
    from .errors import MissingChoice as MissingChoice
    from .errors import MultiKernelError as MultiKernelError
    from .freezing import freeze as freeze
    from .frontdoor import MultiKernelFunction as MultiKernelFunction
    from .frontdoor import multi_kernel as multi_kernel
    from .kernel import Argument as Argument
    from .kernel import ArgumentKind as ArgumentKind
    from .kernel import MultiKernel as MultiKernel
    from .kernel import Range as Range
    from .kernel import RangeKind as RangeKind
    from .kernel import SubKernelSpec as SubKernelSpec
    from .kernel import Workspace as Workspace
    from .launching import Kernel as Kernel
    from .modules import write_module as write_module
    from .parts import sub_kernel as sub_kernel
    from .shapes import power_of_two as power_of_two
    from .state import MultiKernelState as MultiKernelState

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

"""What torch generates with multi-kernels, where that would not run, or would run something else.

Without multi-kernels, which are torch's default, all of these programs are right; so they have to be with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch._inductor.config as config
from torch._inductor.virtualized import V

from .switch import turned_off

# From here on torch 2.12 and later finds no configuration of a persistent reduction that is tiled in two dimensions.
_MOST_PERSISTENT = 4096
_names: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def named_apart(define_kernel: Callable[..., str]) -> Callable[..., str]:
    """For ``MultiKernelState.define_kernel``, which numbers from 0 in each partition and subgraph of one module.

    Each of them defines its multi-kernels for the whole module, so that of those with one name the last would be run.
    """

    @wraps(define_kernel)
    def define(state: Any, kernels: Any, *arguments: Any, **keywords: Any) -> str:
        names = state.subkernel_to_kernel_name
        module = _module_of(V.graph.wrapper_code)
        for number in range(len(names), _names.get(module, 0)):
            names["defined elsewhere in this module", number] = ""  # torch counts them, and looks for tuples of names
        name = define_kernel(state, kernels, *arguments, **keywords)
        _names[module] = max(_names.get(module, 0), len(names))
        return name

    return define


def declined(create_kernel_choices: Callable[..., Any]) -> Callable[..., Any]:
    """For ``TritonScheduling.create_kernel_choices``: no multi-kernel where torch writes code that cannot run it."""

    @wraps(create_kernel_choices)
    def create(scheduling: Any, features: Any, arguments: Any, *others: Any, **keywords: Any) -> Any:
        if _can_be_written() and not _lacks_configurations(features, arguments):
            return create_kernel_choices(scheduling, features, arguments, *others, **keywords)
        with turned_off(config):
            return create_kernel_choices(scheduling, features, arguments, *others, **keywords)

    return create


def _module_of(wrapper: Any) -> Any:
    """What writes the whole module, of what writes a part of it."""
    while (parent := getattr(wrapper, "parent_wrapper", None)) is not None:
        wrapper = parent
    return wrapper


def _can_be_written() -> bool:
    """Neither a graph of FX has them, nor a Python wrapper whose kernels are tuned when it is compiled.

    There torch defines them only for the tuning (`_write_multi_kernel_defs`); `standalone_compile` asks for such ones.
    """
    if getattr(V.graph, "fx_wrapper", False):
        return False
    return bool(V.graph.cpp_wrapper or not config.triton.autotune_at_compile_time)


def _lacks_configurations(features: Any, arguments: Any) -> bool:
    tiling = arguments[0] if arguments else {}
    if "y" not in tiling or not features.is_reduction():
        return False
    return not V.graph.sizevars.statically_known_leq(features.reduction_numel, _MOST_PERSISTENT)

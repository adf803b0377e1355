"""What torch generates with multi-kernels, where that would not run, or would run something else.

Without multi-kernels, which are torch's default, all of these programs are right; so they have to be with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch._inductor.config as config
from torch._inductor.virtualized import V

from .session import tell_once
from .switch import OPTION, turned_off

LAZY = (
    "torch 2.12 and later writes C++ wrappers before any kernel has run, and has no way to choose sub-kernels then; "
    "set torch._inductor.config.triton.autotune_at_compile_time = True, or do without: TORCHINDUCTOR_MULTI_KERNEL=0"
)
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


def declined(create_kernel_choices: Callable[..., Any], is_for_cpp: bool) -> Callable[..., Any]:
    """For ``TritonScheduling.create_kernel_choices``: no multi-kernel where torch writes code that cannot run it.

    ``is_for_cpp`` is the `Adapter`'s. Who asked for multi-kernels is told why there are none.
    """

    @wraps(create_kernel_choices)
    def create(scheduling: Any, features: Any, arguments: Any, *others: Any, **keywords: Any) -> Any:
        obstacle = _obstacle(is_for_cpp) or _obstacle_of(features, arguments)
        if not obstacle:
            return create_kernel_choices(scheduling, features, arguments, *others, **keywords)
        if config.triton.multi_kernel and not config._is_default(OPTION):
            tell_once(f"no multi-kernels here: {obstacle}", logging.INFO)
        with turned_off(config):
            return create_kernel_choices(scheduling, features, arguments, *others, **keywords)

    return create


def _module_of(wrapper: Any) -> Any:
    """What writes the whole module, of what writes a part of it."""
    while (parent := getattr(wrapper, "parent_wrapper", None)) is not None:
        wrapper = parent
    return wrapper


def _obstacle(is_for_cpp: bool) -> str:
    """Why the graph that is compiled can have no multi-kernels; '' where it can."""
    graph, is_tuned_now = V.graph, config.triton.autotune_at_compile_time
    if getattr(graph, "fx_wrapper", False):
        return "torch does not know them in wrappers that are graphs of FX"
    if is_tuned_now and not graph.cpp_wrapper:  # as `standalone_compile` has it
        return "torch defines them for the tuning at compile time alone (_write_multi_kernel_defs)"
    if is_tuned_now or not graph.record_multi_kernel_choice:
        return ""
    # Of a C++ wrapper either pass: both have to decline alike.
    if not is_for_cpp:
        return LAZY
    if getattr(graph, "parent", None) is not None:
        return "the second pass of a C++ wrapper looks for the choices of a subgraph where the first has not left them"
    return ""


def _obstacle_of(features: Any, arguments: Any) -> str:
    """The same of a reduction."""
    tiling = arguments[0] if arguments else {}
    if "y" not in tiling or not features.is_reduction():
        return ""
    is_short = V.graph.sizevars.statically_known_leq(features.reduction_numel, _MOST_PERSISTENT)
    return "" if is_short else "torch has no configurations of persistent reductions that are long and tiled twice"

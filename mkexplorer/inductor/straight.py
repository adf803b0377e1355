"""Calls that go straight to a sub-kernel's launcher, or rather do what it does, so that they cost what it costs.

``CachingAutotuner.run`` does more than to launch, and what of it can matter to a call after the first one is kept:

- It tunes, and tunes on; so a kernel is bound only after it has run, with one launcher left that is final.
- It tells a profiler of the call, and a mode that listens to what torch does (``DebugMode``): a bound call asks whether
  there is any, and if so takes the long way.
- It keeps the binary for C++ wrappers (``store_cubin``), dumps what it launches, measures bandwidth
  (``DebugAutotuner``), runs in Triton's interpreter, or somebody has replaced it: such a kernel is never bound.
- It sets Triton's allocator, which only a kernel with scratch memory asks: such a kernel is never bound.

The grid is computed, and Triton's launch hooks are called, by the launcher itself. From torch 2.12 on ``run`` keeps a
launcher for later calls, under these same conditions, which is then the one that is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .inlining import body_of

Launch = Callable[..., Any]
Shape = tuple[tuple[int, ...], ...]

# The names that begin so are ours; the others are the launcher's.
_OWN = "mkexplorer_"
_STRAIGHT = """\
def run({parameters}, stream):
    if mkexplorer_profiler._is_profiler_enabled{modes}:
        return mkexplorer_long_way({taken}, stream=stream)
{body}
"""
_LONG_WAY = """\
def run({parameters}, stream):
    return mkexplorer_long_way({taken}, stream=stream)
"""
_BY_SHAPE = """\
def run({parameters}, stream):
    found = launches.get(({shapes},))
    if found is None:
        return long_way({parameters}, stream=stream)
    call._picked = found[0]
    return found[1]({parameters}, stream=stream)
"""


def bound(kernel: Any, takes: Sequence[int], count: int, keywords: Mapping[str, object]) -> Launch | None:
    """``run(*arguments, stream)`` for ``count`` arguments, of which the kernel takes those at the positions ``takes``.

    None where the call was made with other keywords than ``stream``, which are the kernel's own affair.
    """
    if set(keywords) != {"stream"} or not takes:
        return None
    launcher = launcher_of(kernel)
    if launcher is None and list(takes) == list(range(count)):
        run: Launch = kernel.run
        return run
    if launcher is None:
        names = _names(range(count), [f"argument{position}" for position in range(count)], count)
        text = _LONG_WAY.format(parameters=", ".join(names), taken=_taken(names, takes))
        return defined(text, {f"{_OWN}long_way": kernel.run})
    from torch.autograd import profiler

    names, body, scope = _launching(kernel, launcher, takes, count)
    scope |= {f"{_OWN}profiler": profiler, f"{_OWN}long_way": kernel.run}
    modes = _listening_modes(scope)
    taken = _taken(names, takes)
    return defined(_STRAIGHT.format(parameters=", ".join(names), modes=modes, taken=taken, body=body), scope)


def _launching(kernel: Any, launcher: Any, takes: Sequence[int], count: int) -> tuple[list[str], str, dict[str, Any]]:
    """The names of the arguments, the lines that launch, and what these know: the launcher's own, or a call of it."""
    written = body_of(kernel, launcher)
    if written is not None and len(written.parameters) == len(takes) == len(set(takes)):
        names = _names(takes, written.parameters, count)
        return names, "\n".join(written.lines), dict(launcher.__globals__)
    names = _names(range(count), [f"argument{position}" for position in range(count)], count)
    body = f"    return {_OWN}launcher({_taken(names, takes)}, stream=stream)"
    return names, body, {f"{_OWN}launcher": launcher}


def _names(positions: Sequence[int], names: Sequence[str], count: int) -> list[str]:
    """``names`` at their ``positions``; those that nobody takes have one of ours."""
    known = dict(zip(positions, names, strict=True))
    return [known.get(position, f"{_OWN}unused{position}") for position in range(count)]


def _taken(names: Sequence[str], takes: Sequence[int]) -> str:
    return ", ".join(names[position] for position in takes)


def _listening_modes(scope: dict[str, Any]) -> str:
    """How to ask whether a ``DebugMode`` wants to hear of kernels; torch 2.9 has none that does."""
    from torch._inductor.runtime import triton_heuristics

    if not hasattr(triton_heuristics, "get_active_debug_mode"):
        return ""
    from torch.utils import _debug_mode

    if hasattr(_debug_mode, "_ACTIVE_DEBUG_MODE_COUNT"):
        scope[f"{_OWN}modes"] = _debug_mode
        return f" or {_OWN}modes._ACTIVE_DEBUG_MODE_COUNT"
    scope[f"{_OWN}find_mode"] = _debug_mode.get_active_debug_mode
    return f" or {_OWN}find_mode()"


class BoundByShape:
    """The bound calls of ``call``, which has chosen a sub-kernel for each shape.

    To bind one takes many times as long as a launch, and a program may have ever new shapes: they share what is bound.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._launches: dict[Shape, tuple[int, Launch]] = {}
        self._bound: dict[tuple[int, int], tuple[int, Launch]] = {}
        self._runs: dict[tuple[bool, ...], Launch] = {}

    def bound(
        self, shape: Shape, index: int, takes: Sequence[int], arguments: Sequence[Any], keywords: Mapping[str, object]
    ) -> Launch | None:
        """``run(*arguments, stream)`` for all shapes so far and for ``shape``, which the sub-kernel ``index`` runs.

        A shape that is not known goes the way of the call's class. None where there is no `bound` call of the kernel.
        """
        key = index, len(arguments)
        if key not in self._bound:
            launch = bound(self._call.kernels[index], takes, len(arguments), keywords)
            if launch is None:
                return None
            self._bound[key] = index, launch
        self._launches[shape] = self._bound[key]
        return self._run(arguments)

    def forget(self, shape: Shape) -> None:
        self._launches.pop(shape, None)

    def _run(self, arguments: Sequence[Any]) -> Launch:
        have_shapes = tuple(hasattr(value, "shape") for value in arguments)
        if have_shapes not in self._runs:
            names = [f"argument{number}" for number in range(len(arguments))]
            shapes = [f"{name}.shape" for name, has_shape in zip(names, have_shapes, strict=True) if has_shape]
            text = _BY_SHAPE.format(parameters=", ".join(names), shapes=", ".join(shapes))
            long_way = type(self._call).run.__get__(self._call)
            scope = {"launches": self._launches, "call": self._call, "long_way": long_way}
            self._runs[have_shapes] = defined(text, scope)
        return self._runs[have_shapes]


def launcher_of(kernel: Any) -> Launch | None:
    """The launcher that may be called in place of ``kernel.run``; None where ``run`` does more that matters."""
    from torch._inductor.runtime import triton_heuristics

    if type(kernel) is not triton_heuristics.CachingAutotuner or "run" in vars(kernel):
        return None
    code = getattr(type(kernel).run, "__code__", None)
    if code is None or code.co_filename != triton_heuristics.__file__:
        return None
    if any(getattr(kernel, name, False) for name in ("triton_interpret", "dump_launch_params", "dump_launch_tensors")):
        return None
    if len(kernel.launchers) != 1 or getattr(kernel, "_plugins", None):
        return None
    launcher: Launch = getattr(kernel, "_cached_launcher", None) or kernel.launchers[0]
    config = kernel.launchers[0].config
    is_tuned = getattr(config, "found_by_coordesc", False)
    if kernel.inductor_meta.get("coordinate_descent_tuning", False) and not is_tuned:
        return None
    if getattr(launcher, "store_cubin", False) or _needs_scratch(kernel, config):
        return None
    return launcher


def defined(text: str, scope: dict[str, Any]) -> Launch:
    """The function ``run`` that ``text``, made of names alone, defines where ``scope`` is known."""
    exec(compile(text, "<call of a multi-kernel>", "exec"), scope)
    run: Launch = scope["run"]
    return run


def _needs_scratch(kernel: Any, config: Any) -> bool:
    compiled = [result.kernel for result in kernel.compile_results if result.config is config]
    for each in compiled:
        metadata = getattr(each, "metadata", None)
        if any(getattr(metadata, name, 0) for name in ("global_scratch_size", "profile_scratch_size")):
            return True
    return False

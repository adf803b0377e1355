"""From a Triton function to a `SubKernelSpec`: its source with all that it uses, and what each parameter is."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mkexplorer.catalog.model import Kind

from .access import Accesses, find_accesses
from .borrowed import borrow, python_function, scope_of
from .errors import DefinitionError
from .grids import compile_grid
from .kernel import LAUNCH_OPTIONS, Argument, ArgumentKind, Range, RangeKind, SubKernelSpec, Workspace
from .meta import Constant
from .parts import config_of, default_of, is_constexpr

_KINDS = {"loop": Kind.LOOPED, "persist": Kind.PERSISTENT, "coop": Kind.COOPERATIVE}
_Config = tuple[tuple[str, int], ...]


def sub_kernel(
    kernel: Any,
    *,
    kind: Kind | str | None = None,
    dtypes: Mapping[str, str] | None = None,
    outputs: Collection[str] = (),
    in_outs: Collection[str] = (),
    numels: Sequence[str] = (),
    reduces: Collection[str] = (),
    values: Mapping[str, str] | None = None,
    constants: Mapping[str, Constant] | None = None,
    configs: Sequence[Any] = (),
    size_hints: Mapping[str, int] | None = None,
    grid: Sequence[str] = (),
    reduction_hint: str = "",
    device: Mapping[str, str | int] | None = None,
    workspaces: Sequence[Workspace] = (),
    removed_buffers: Collection[str] = (),
    inplace_updates: Mapping[str, str] | None = None,
) -> SubKernelSpec:
    """One way to do an operation, ready to be written down.

    ``kernel`` is what ``@triton.jit`` makes, or ``@triton.autotune`` of that, whose configurations then count as
    ``configs`` (else `triton.Config` or mappings such as ``{"BLOCK": 64, "num_warps": 4}``).

    What it does with a tensor is read from its source, unless ``outputs`` (written only) or ``in_outs`` name it.
    ``dtypes`` gives Triton types by parameter ('*fp32', 'i32'); without them, what is loaded or stored is a tensor
    and anything else a number. ``numels`` are the sizes of the ranges that the *operation* iterates over, ``reduces``
    those among them that it reduces; one that the kernel has no parameter for is not passed to it. ``values`` says
    what a parameter is called by all sub-kernels, where that is not its own name. ``kind`` follows from the
    function's name where that tells it.

    Raises `DefinitionError`, which names the parameter, configuration or name in the source that is wrong.
    """
    tuned = _unwrap(kernel)
    borrowed = borrow(tuned.function)
    name = borrowed.function.name
    given = _configs(name, configs or tuned.configs)
    parameters = _Parameters(name, inspect.signature(python_function(tuned.function)), dict(constants or {}), given)
    parameters.check()
    passed = parameters.passed
    in_outs = {*in_outs, *tuned.restored}
    _check_names(name, passed, [*outputs, *in_outs, *(values or {}), *(dtypes or {})], parameters.constants)
    known = _Known(dtypes or {}, values or {}, frozenset(outputs), frozenset(in_outs), frozenset(numels))
    scratch = frozenset(each.name for each in workspaces)
    candidates = _pointer_candidates(passed, known)
    scope = scope_of(python_function(tuned.function))
    accesses = find_accesses(borrowed.function, candidates, scope, candidates & known.dtypes.keys())
    if grid:
        compile_grid(grid)
    arguments = tuple(known.argument(parameter, accesses, scratch) for parameter in passed)
    return SubKernelSpec(
        name=name,
        source=borrowed.source,
        arguments=arguments,
        ranges=tuple(_ranges(arguments, numels, reduces, size_hints or {})),
        kind=Kind(kind) if kind else _kind_of(name),
        imports=borrowed.imports,
        helpers=borrowed.helpers,
        constants=tuple(parameters.constants.items()),
        configs=given,
        grid=tuple(grid),
        reduction_hint=reduction_hint,
        device=tuple((device or {}).items()),
        removed_buffers=frozenset(removed_buffers),
        inplace_updates=frozenset((inplace_updates or {}).items()),
        workspaces=tuple(workspaces),
    )


@dataclass(frozen=True)
class _Tuned:
    """A ``triton.jit`` function and what a decorator above it said; ``restored`` tensors change while it is tuned."""

    function: Any
    configs: tuple[Any, ...] = ()
    restored: tuple[str, ...] = ()


def _unwrap(kernel: Any) -> _Tuned:
    if type(kernel).__name__ == "Heuristics":
        names = ", ".join(kernel.values)
        raise DefinitionError(
            f"{python_function(kernel).__name__} has @triton.heuristics, which computes {names} at each call",
            f"Give the function below it, and {names} among the constants.",
        )
    if type(kernel).__name__ == "Autotuner":
        below = _unwrap(kernel.fn)
        restored = (*kernel.restore_value, *kernel.reset_to_zero)
        return _Tuned(below.function, tuple(kernel.configs), restored)
    return _Tuned(kernel)


@dataclass(frozen=True)
class _Parameters:
    """The kernel's parameters, and where those come from that a call does not pass."""

    kernel: str
    signature: inspect.Signature
    given: Mapping[str, Constant]
    configs: tuple[_Config, ...]

    @property
    def constants(self) -> dict[str, Constant]:
        """Those given, then constexprs with a default that no configuration sets."""
        tuned = self._tuned
        defaults = {
            each.name: default_of(each)
            for each in self.signature.parameters.values()
            if is_constexpr(each) and each.default is not each.empty and each.name not in tuned
        }
        return {**defaults, **self.given}

    @property
    def passed(self) -> tuple[str, ...]:
        elsewhere = {*self.constants, *self._tuned}
        return tuple(name for name in self.signature.parameters if name not in elsewhere)

    def check(self) -> None:
        parameters = self.signature.parameters
        for name in self.given:
            if name not in parameters:
                raise DefinitionError(f"{self.kernel} has no parameter {name}, which the constants set")
            if name in self._tuned:
                raise DefinitionError(f"{name} of {self.kernel} is set by the constants and by the configurations")
        for config in self.configs:
            for name, _ in config:
                if name not in parameters and name not in LAUNCH_OPTIONS:
                    raise DefinitionError(f"{self.kernel} has no parameter {name}, which a configuration sets")
            if missing := self._tuned - dict(config).keys():
                raise DefinitionError(f"a configuration of {self.kernel} sets no {min(missing)}, another one does")
        for name in self.passed:
            if is_constexpr(parameters[name]):
                raise DefinitionError(
                    f"{self.kernel} has the constexpr {name}, which neither the constants nor the configurations set",
                    "Add it to the constants, or to every configuration.",
                )

    @property
    def _tuned(self) -> set[str]:
        return {name for config in self.configs for name, _ in config if name not in LAUNCH_OPTIONS}


@dataclass(frozen=True)
class _Known:
    """What the caller said of the parameters."""

    dtypes: Mapping[str, str]
    values: Mapping[str, str]
    outputs: frozenset[str]
    in_outs: frozenset[str]
    numels: frozenset[str]

    def argument(self, name: str, accesses: Accesses, workspaces: Collection[str]) -> Argument:
        value = self.values.get(name, "")
        return Argument(name, self._kind(name, value or name, accesses, workspaces), self.dtypes.get(name, ""), value)

    def _kind(self, name: str, value: str, accesses: Accesses, workspaces: Collection[str]) -> ArgumentKind:
        if value in workspaces:
            return ArgumentKind.WORKSPACE
        if value in self.numels:
            return ArgumentKind.NUMEL
        if name in self.outputs:
            return ArgumentKind.OUT
        is_read, is_written = name in accesses.read, name in accesses.written
        is_tensor = self.dtypes[name].startswith("*") if name in self.dtypes else is_read or is_written
        if name in self.in_outs or (is_tensor and name in accesses.handed_on):
            return ArgumentKind.IN_OUT
        if not is_tensor:
            return ArgumentKind.NUMBER
        if is_written:
            return ArgumentKind.IN_OUT if is_read else ArgumentKind.OUT
        return ArgumentKind.IN


def _pointer_candidates(passed: Sequence[str], known: _Known) -> set[str]:
    """Parameters that may be tensors; what is known to be a number is no part of an address that could be its base."""
    return {
        name
        for name in passed
        if known.dtypes.get(name, "*").startswith("*") and known.values.get(name, name) not in known.numels
    }


def _ranges(
    arguments: Sequence[Argument], numels: Sequence[str], reduces: Collection[str], hints: Mapping[str, int]
) -> Iterator[Range]:
    taken = {argument.passed for argument in arguments if argument.kind is ArgumentKind.NUMEL}
    for numel in numels:
        kind = RangeKind.REDUCED if numel in reduces else RangeKind.ITERATED
        yield Range(numel, kind if numel in taken else RangeKind.NOT_REDUCED, hints.get(numel))


def _configs(name: str, configs: Sequence[Any]) -> tuple[_Config, ...]:
    return tuple(tuple(_config(name, config).items()) for config in configs)


def _config(name: str, config: Any) -> Mapping[str, int]:
    if isinstance(config, Mapping):
        return config
    for hook in ("pre_hook", "ir_override"):
        if getattr(config, hook, None) is not None:
            raise DefinitionError(
                f"a configuration of {name} has the {hook} {getattr(config, hook)!r}, which cannot be written down",
                "Use a configuration without it.",
            )
    return config_of(config)


def _kind_of(name: str) -> Kind:
    return next((kind for word, kind in _KINDS.items() if word in name), Kind.OTHER)


def _check_names(name: str, passed: Collection[str], said: Sequence[str], constants: Collection[str]) -> None:
    for each in said:
        if each not in passed and each not in constants:
            raise DefinitionError(
                f"{name} has no parameter {each}", f"What a call passes to it: {', '.join(passed) or 'nothing'}."
            )

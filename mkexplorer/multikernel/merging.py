"""The one signature of several sub-kernels: what a call of their multi-kernel takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .clones import tensors_in
from .errors import DefinitionError
from .parts import EACH_ITS_OWN, Part, default_of, is_constexpr

_EMPTY = inspect.Parameter.empty


def merged_signature(parts: Sequence[Part], operation: Callable[..., Any] | None = None) -> inspect.Signature:
    """That of the sub-kernel with the most parameters, then constexprs that only others have, by keyword.

    A constexpr that all who take it have a default for may be left out of a call: then each uses its own. With an
    ``operation`` it is that function's own. Raises `DefinitionError` naming the sub-kernel that takes more, or those
    whose defaults of an argument differ.
    """
    if len(parts) < 2:
        given = f"only {parts[0].name}" if parts else "none"
        raise DefinitionError(
            f"a multi-kernel chooses among at least two sub-kernels, and {given} was given",
            "Give all of them: multi_kernel(looped, persistent, …).",
        )
    if operation is not None:
        signature = inspect.Signature([_plain(each) for each in inspect.signature(operation).parameters.values()])
        _check_names(parts, signature.parameters, operation.__name__)
        _check_defaults(parts, {*signature.parameters, *dict(_constexprs(parts))})
        return signature
    longest = max(parts, key=lambda part: len(_passed_on(part)))
    merged = {name: _plain(each) for name, each in longest.parameters.items()}
    for name, each in _constexprs(parts):
        known = merged.setdefault(name, _plain(each).replace(kind=inspect.Parameter.KEYWORD_ONLY))
        merged[name] = known.replace(default=_common_default(known.default, default_of(each)))
    _check_names(parts, merged, longest.name)
    _check_defaults(parts, {*dict(_constexprs(parts))})
    return inspect.Signature(list(_with_usable_defaults(merged.values())))


def with_own_defaults(part: Part, signature: inspect.Signature) -> Part:
    """The sub-kernel with its own defaults as constants of what a call with ``signature`` has no argument for.

    Raises `DefinitionError` for a constant that a kernel can overwrite: only arguments are copied to measure.
    """
    left = {name: each for name, each in part.parameters.items() if name not in signature.parameters}
    constants = {**part.constants, **{name: default_of(each) for name, each in left.items()}}
    for name, value in (item for given in (constants, *part.configs) for item in given.items()):
        if _holds_memory(value):
            raise DefinitionError(
                f"{part.name} gets {name} as a constant, which is or holds a tensor, and measuring would change that",
                f"Pass {name} with each call. The sub-kernel with the most parameters has to take it too, used or not.",
            )
    return replace(part, constants=constants)


def check_names(names: Sequence[str], signature: inspect.Signature, what: str) -> None:
    for name in names:
        if name not in signature.parameters:
            raise DefinitionError(
                f"{what} names {name}, which is no argument", f"There are {', '.join(signature.parameters)}."
            )


def _check_names(parts: Sequence[Part], known: Mapping[str, object], whose: str) -> None:
    for part in parts:
        for name, parameter in part.parameters.items():
            if name not in known and default_of(parameter) is _EMPTY:
                raise DefinitionError(
                    f"{part.name} takes {name}, which {whose} does not: {', '.join(known)}",
                    "Every sub-kernel's arguments must be among those of one of them. If it is a number, it can be a "
                    f"constant: sub_kernel({part.name}, {name}=…). If it is a tensor, let {whose} take it too, which "
                    "need not use it.",
                )


def _check_defaults(parts: Sequence[Part], settled: Collection[str]) -> None:
    """Sub-kernels that do the same have the same defaults, but for arguments of which that is ``settled``."""
    first: dict[str, tuple[Part, object]] = {}
    for part in parts:
        for name, parameter in part.parameters.items():
            default = default_of(parameter)
            if name in settled or default is _EMPTY:
                continue
            other, its = first.setdefault(name, (part, default))
            if not _is_same(default, its) and not _is_same_number(default, its):
                raise DefinitionError(
                    f"{name} is {its!r} by default in {other.name} and {default!r} in {part.name}",
                    f"Give them the same one, or constants: sub_kernel({part.name}, {name}=…).",
                )


def _holds_memory(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_holds_memory, value))
    return hasattr(value, "data_ptr") or any(True for _ in tensors_in(value))


def _constexprs(parts: Sequence[Part]) -> Iterator[tuple[str, inspect.Parameter]]:
    """What whoever takes it takes as a constexpr, once for each of them."""
    passed = {name for part in parts for name in _passed_on(part)}
    for part in parts:
        yield from ((name, each) for name, each in part.parameters.items() if name not in passed)


def _common_default(one: object, other: object) -> object:
    if one is _EMPTY or other is _EMPTY:
        return _EMPTY
    return one if _is_same(one, other) else EACH_ITS_OWN


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _is_same_number(one: object, other: object) -> bool:
    """As 1 and 1.0 are; as a constexpr either makes a kernel of its own."""
    return type(one) in (int, float) and type(other) in (int, float) and one == other


def _passed_on(part: Part) -> list[str]:
    return [name for name, each in part.parameters.items() if not is_constexpr(each)]


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=_EMPTY, default=default_of(parameter))


def _with_usable_defaults(parameters: Iterator[inspect.Parameter] | Any) -> Iterator[inspect.Parameter]:
    """What stands behind a parameter with a default and has none is given by keyword: by position it could not be."""
    has_default = False
    late = []
    for parameter in parameters:
        has_default = has_default or parameter.default is not _EMPTY
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY or (has_default and parameter.default is _EMPTY):
            late.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        else:
            yield parameter
    yield from late

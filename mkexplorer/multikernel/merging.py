"""The one signature of several sub-kernels: what a call of their multi-kernel takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .errors import DefinitionError
from .parts import Part, is_constexpr

_EMPTY = inspect.Parameter.empty


def merged_signature(parts: Sequence[Part], operation: Callable[..., Any] | None = None) -> inspect.Signature:
    """That of the sub-kernel with the most parameters, then constexprs that only others have, by keyword.

    With an ``operation`` it is that function's own. Raises `DefinitionError` naming the sub-kernel that takes more.
    """
    if len(parts) < 2:
        given = f"only {parts[0].name}" if parts else "none"
        raise DefinitionError(
            f"a multi-kernel chooses among at least two sub-kernels, and {given} was given",
            "Give all of them: multi_kernel(looped, persistent, …).",
        )
    if operation is not None:
        parameters = inspect.signature(operation).parameters
        _check(parts, parameters, operation.__name__)
        return inspect.Signature([_plain(each) for each in parameters.values()])
    longest = max(parts, key=lambda part: len(_passed_on(part)))
    merged = {name: _plain(each) for name, each in longest.parameters.items()}
    for part in parts:
        for name, parameter in part.parameters.items():
            if is_constexpr(parameter) and name not in merged:
                merged[name] = _plain(parameter).replace(kind=inspect.Parameter.KEYWORD_ONLY)
    _check(parts, merged, longest.name)
    return inspect.Signature(list(_with_usable_defaults(merged.values())))


def check_names(names: Sequence[str], signature: inspect.Signature, what: str) -> None:
    for name in names:
        if name not in signature.parameters:
            raise DefinitionError(
                f"{what} names {name}, which is no argument", f"There are {', '.join(signature.parameters)}."
            )


def _check(parts: Sequence[Part], known: Mapping[str, object], whose: str) -> None:
    for part in parts:
        for name in part.parameters:
            if name not in known:
                raise DefinitionError(
                    f"{part.name} takes {name}, which {whose} does not: {', '.join(known)}",
                    "Every sub-kernel's arguments must be among those of one of them; give it the others as "
                    f"constants: sub_kernel({part.name}, {name}=…).",
                )


def _passed_on(part: Part) -> list[str]:
    return [name for name, each in part.parameters.items() if not is_constexpr(each)]


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    default = getattr(parameter.default, "value", parameter.default)  # of a constexpr
    return parameter.replace(annotation=_EMPTY, default=default)


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

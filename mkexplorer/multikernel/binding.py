"""Functions that pass some of their arguments on, written out so that a call costs one Python function and no loop."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Launch = Callable[..., Any]
# Names that the functions below use themselves.
_OWN = frozenset({"launch", "own_grid", "grid", "stream", "run"})


@dataclass(frozen=True)
class Passed:
    """What a call passes: ``parameters``. ``taken`` are a kernel's own of them, with their positions among those."""

    parameters: Sequence[str]
    taken: Mapping[str, int]


def part_of(launch: Launch, parameters: Sequence[str], takes: Sequence[int]) -> Launch:
    """``run(*parameters, grid=None, stream=None)`` that gives ``launch`` those at the positions in ``takes``.

    That is ``launch`` itself where it takes all of them in order.
    """
    if takes_all(parameters, takes):
        return launch
    names = _usable(parameters)
    taken = "".join(f"{names[position]}, " for position in takes)
    return _defined(f"{_run(names)}\n    return launch({taken}grid=grid, stream=stream)\n", {"launch": launch})


def takes_all(parameters: Sequence[str], takes: Sequence[int]) -> bool:
    """Whether a call of the kernel is a call with all ``parameters``, in order."""
    return list(takes) == list(range(len(parameters)))


def triton_launcher(
    launch: Launch, parameters: Sequence[str], passed: Passed, given: Mapping[str, object], own_grid: object
) -> Launch:
    """``run(*passed.parameters, grid=None, stream=None)`` that launches a kernel of Triton by its ``run``, ``launch``.

    ``parameters`` are the kernel's, in order: those that are ``passed.taken`` from the call, and those that ``given``
    holds, which is passed by name, with options such as num_warps. Triton launches on the current stream whatever
    ``stream`` says, and with ``own_grid`` if there is one.
    """
    names = _usable(passed.parameters)
    arguments, is_positional = [], True
    for parameter in parameters:
        is_positional = is_positional and parameter in passed.taken
        if parameter in passed.taken:
            name = names[passed.taken[parameter]]
            arguments.append(name if is_positional else f"{parameter}={name}")
    values = {f"given{number}": value for number, value in enumerate(given.values())}
    arguments += [f"{key}={name}" for key, name in zip(given, values, strict=True)]
    grid = "grid" if own_grid is None else "own_grid"
    body = ", ".join([*arguments, f"grid={grid}", "warmup=False"])
    scope = {"launch": launch, "own_grid": own_grid, **values}
    return _defined(f"{_run(names)}\n    return launch({body})\n", scope)


def caller(name: str, signature: inspect.Signature, meet: Launch) -> Launch:
    """``name(grid, …)`` with ``signature``, which gives ``meet`` the grid and all values as a tuple.

    Of too many values it tells how many it takes without the grid, of which a user of the brackets does not know. This
    costs a little, so the functions that launch the later calls leave the counting to Python.
    """
    head, scope = _head(signature, "*_mk_more")
    text = (
        f"def {name}({head}):\n"
        f"    if _mk_more:\n"
        f"        _mk_refuse(_mk_more)\n"
        f"    return _mk_meet(_mk_grid, ({_all(signature)}))\n"
    )

    def refuse(more: Sequence[object]) -> None:
        most = sum(each.kind is not each.KEYWORD_ONLY for each in signature.parameters.values())
        raise TypeError(f"{name}{signature} takes {most} arguments by position, and {most + len(more)} were given")

    return _defined(text, {**scope, "_mk_meet": meet, "_mk_refuse": refuse}, name)


def dispatcher(
    name: str,
    signature: inspect.Signature,
    arguments: Sequence[str],
    keys: tuple[Sequence[str], Sequence[str]],
    scope: Mapping[str, object],
) -> Launch:
    """As `adaptor`, to what ``_mk_known`` in ``scope`` finds for the key; as `caller` to ``_mk_meet`` if that is None.

    ``keys`` are the parts of a tuple, expressions over the parameters and ``scope``, in two ways: a quick one, and one
    for arguments without the attributes that it reads.
    """
    head, defaults = _head(signature)
    quick, sure = ("".join(f"{each}, " for each in key) for key in keys)
    text = (
        f"def {name}({head}):\n"
        f"    try:\n"
        f"        _mk_run = _mk_known(({quick}))\n"
        f"    except AttributeError:\n"
        f"        _mk_run = _mk_known(({sure}))\n"
        f"    if _mk_run is None:\n"
        f"        return _mk_meet(_mk_grid, ({_all(signature)}))\n"
        f"    return _mk_run({''.join(f'{each}, ' for each in arguments)}grid=_mk_grid)\n"
    )
    return _defined(text, {**defaults, **scope}, name)


def adaptor(name: str, signature: inspect.Signature, run: Launch, arguments: Sequence[str]) -> Launch:
    """``name(grid, …)`` with ``signature``, which gives ``run`` the ``arguments`` and the grid."""
    head, scope = _head(signature)
    passed = "".join(f"{each}, " for each in arguments)
    return _defined(
        f"def {name}({head}):\n    return _mk_run({passed}grid=_mk_grid)\n", {**scope, "_mk_run": run}, name
    )


def _run(names: Sequence[str]) -> str:
    return f"def run({', '.join([*names, 'grid=None', 'stream=None'])}):"


def _head(signature: inspect.Signature, star: str = "") -> tuple[str, dict[str, object]]:
    """The parameters as text, behind the grid, and the defaults that it speaks of.

    ``star`` stands between those by position and those by name; '' is a bare one where it is needed.
    """
    parts, defaults = ["_mk_grid"], {}
    by_name = [each.name for each in signature.parameters.values() if each.kind is each.KEYWORD_ONLY]
    for number, parameter in enumerate(signature.parameters.values()):
        if by_name and parameter.name == by_name[0]:
            parts.append(star or "*")
        if parameter.default is parameter.empty:
            parts.append(parameter.name)
        else:
            defaults[f"_mk_default{number}"] = parameter.default
            parts.append(f"{parameter.name}=_mk_default{number}")
    if star and not by_name:
        parts.append(star)
    return ", ".join(parts), defaults


def _all(signature: inspect.Signature) -> str:
    return "".join(f"{name}, " for name in signature.parameters)


def _usable(parameters: Sequence[str]) -> list[str]:
    """The parameters' own names, for messages; another where one is no name for a parameter of ours."""
    names: list[str] = []
    for number, name in enumerate(parameters):
        is_fine = name.isidentifier() and not keyword.iskeyword(name) and name not in _OWN and name not in names
        names.append(name if is_fine and not name.startswith("given") else f"given_argument{number}")
    return names


def _defined(text: str, scope: dict[str, Any], name: str = "run") -> Launch:
    """The function that ``text``, made of names alone, defines where ``scope`` is known."""
    exec(compile(text, "<call of a multi-kernel>", "exec"), scope)
    function: Launch = scope[name]
    return function

"""Functions that pass some of their arguments on, written out so that a call costs one Python function and no loop."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Launch = Callable[..., Any]
# Names that the functions below use themselves.
_OWN = frozenset({"launch", "own_grid", "grid", "stream", "run"})


def part_of(launch: Launch, parameters: Sequence[str], takes: Sequence[int]) -> Launch:
    """``run(*parameters, grid=None, stream=None)`` that gives ``launch`` those at the positions in ``takes``.

    That is ``launch`` itself where it takes all of them in order.
    """
    if list(takes) == list(range(len(parameters))):
        return launch
    names = _usable(parameters)
    taken = "".join(f"{names[position]}, " for position in takes)
    head = ", ".join([*names, "grid=None", "stream=None"])
    return _defined(f"def run({head}):\n    return launch({taken}grid=grid, stream=stream)\n", {"launch": launch})


def triton_launcher(launch: Launch, parameters: Sequence[str], given: Mapping[str, object], own_grid: object) -> Launch:
    """``run(*arguments, grid=None, stream=None)`` that launches a kernel of Triton by its own ``run``, ``launch``.

    ``parameters`` are the kernel's; those that ``given`` holds are passed with it, as are options such as num_warps,
    the others are the arguments. Triton launches on the current stream whatever ``stream`` says. ``own_grid`` is for
    calls without a grid.
    """
    names = _usable(parameters)
    arguments = [name for name, parameter in zip(names, parameters, strict=True) if parameter not in given]
    passed, positional = [], True
    for name, parameter in zip(names, parameters, strict=True):
        positional = positional and parameter not in given
        if parameter not in given:
            passed.append(name if positional else f"{parameter}={name}")
    values = {f"given{number}": value for number, value in enumerate(given.values())}
    passed += [f"{key}={name}" for key, name in zip(given, values, strict=True)]
    grid = "grid" if own_grid is None else "own_grid if grid is None else grid"
    head = ", ".join([*arguments, "grid=None", "stream=None"])
    body = ", ".join([*passed, f"grid={grid}", "warmup=False"])
    scope = {"launch": launch, "own_grid": own_grid, **values}
    return _defined(f"def run({head}):\n    return launch({body})\n", scope)


def _usable(parameters: Sequence[str]) -> list[str]:
    """The parameters' own names, for messages; another where one is no name for a parameter of ours."""
    names: list[str] = []
    for number, name in enumerate(parameters):
        is_fine = name.isidentifier() and not keyword.iskeyword(name) and name not in _OWN and name not in names
        names.append(name if is_fine and not name.startswith("given") else f"given_argument{number}")
    return names


def _defined(text: str, scope: dict[str, Any]) -> Launch:
    """The function ``run`` that ``text``, made of names alone, defines where ``scope`` is known."""
    exec(compile(text, "<call of a multi-kernel>", "exec"), scope)
    run: Launch = scope["run"]
    return run

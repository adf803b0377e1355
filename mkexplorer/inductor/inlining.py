"""What a launcher does, as text, so that a bound call can do it without calling the launcher.

Torch writes its launchers as text and keeps none of it. Here a launcher is written once more, up to the point where
torch would compile it, and taken only if it compiles to the very code that the launcher has.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

log = logging.getLogger("mkexplorer.inductor")


@dataclass(frozen=True)
class Body:
    """``lines`` use the launcher's ``parameters``, ``stream``, and the names of its globals."""

    parameters: tuple[str, ...]
    lines: tuple[str, ...]


class _Written(Exception):
    """The launcher's arguments are known, and no second one is wanted."""


def body_of(kernel: Any, launcher: Any) -> Body | None:
    """None where torch writes it otherwise than it is known to."""
    try:
        body = _written_again(kernel, launcher)
        text = "\n".join([f"def launcher({', '.join([*body.parameters, 'stream'])}):", *body.lines])
        scope: dict[str, Any] = {}
        exec(compile(text, "<launcher of a sub-kernel>", "exec"), scope)
        return body if _is_same(scope["launcher"].__code__, launcher.__code__) else None
    except Exception as error:
        log.debug("a launcher cannot be written again: %s: %s", type(error).__name__, error)
        return None


def _written_again(kernel: Any, launcher: Any) -> Body:
    from torch._inductor.runtime.triton_heuristics import GridExpr

    result = next(each for each in kernel.compile_results if each.config is launcher.config)
    arguments: list[Sequence[str]] = []

    def catch(scope: object, def_args: Sequence[str], runner_args: Sequence[str]) -> None:
        arguments.extend((def_args, runner_args))
        raise _Written

    again = _twin(result)
    again._gen_launcher_code = catch
    if hasattr(result.kernel, "cubin_path"):
        again.kernel = _twin(result.kernel)
        again.kernel.cubin_path = "in memory"  # or torch would look for the file, to load it again
    with contextlib.suppress(_Written):
        again.make_launcher()
    def_args, runner_args = arguments
    grid = GridExpr.from_meta(result.inductor_meta, result.config)
    sizes = (f"grid_{number} = {size}" for number, size in enumerate((grid.x_grid, grid.y_grid, grid.z_grid)))
    lines = [*grid.prefix, *sizes, f"runner({', '.join(runner_args)})"]
    return Body(tuple(def_args), tuple(f"    {line}" for line in lines))


def _twin(original: Any) -> Any:
    """Another object with the same attributes; copying would go through what pickling drops."""
    twin = object.__new__(type(original))
    twin.__dict__.update(original.__dict__)
    return twin


def _is_same(one: CodeType, other: CodeType) -> bool:
    names = ("co_code", "co_consts", "co_names", "co_varnames", "co_argcount", "co_flags")
    return all(getattr(one, name) == getattr(other, name) for name in names)

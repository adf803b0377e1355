"""What a kernel that `mkexplorer.multikernel` generated has to be told of the call that is measured.

Triton compiles it for that call at run time: which numbers and addresses are divisible by 16 is no part of the file,
and neither need the grid be.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence

from mkexplorer.catalog.layouts import item_size
from mkexplorer.catalog.model import Argument, TensorArgument

_DIVISOR = 16


def with_call(text: str, grid: str | None, taken: Sequence[Argument]) -> str:
    """The kernel's file with a last line, a comment, that tells what the worker needs; ``taken`` in its own order."""
    divisible = [position for position, argument in enumerate(taken) if _is_divisible(argument)]
    told = {"grid": _expressions(grid), "divisible_by_16": divisible}
    return f"{text.rstrip()}\n# call: {json.dumps(told)}\n"


def _is_divisible(argument: Argument) -> bool:
    if isinstance(argument, TensorArgument):
        return isinstance(argument.offset, int) and argument.offset * (item_size(argument.dtype) or 1) % _DIVISOR == 0
    return isinstance(argument.value, int) and argument.value % _DIVISOR == 0


def _expressions(grid: str | None) -> list[str] | None:
    """Those in ``grid('cdiv(n, BLOCK)')``; None where each sub-kernel has a grid of its own."""
    listed = (grid or "").partition("grid(")[2].rpartition(")")[0]
    try:
        found = ast.literal_eval(f"[{listed}]")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return found if found and all(isinstance(each, str) for each in found) else None

"""Finds where a kernel ends as `inspect` does, but fast: Triton hashes those lines, and mostly waits for them."""

from __future__ import annotations

import inspect
from typing import Any

_DECORATOR = "@triton_heuristics."
_JIT = "@triton.jit\n"
_INDENT = "    "
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
# With any of these, lines alone do not tell where a statement ends.
_INTRICATE = ("'''", '"""', "\\\n", "lambda", "class", "\t", "\f", ";")

_inspect: Any = inspect
_getblock = _inspect.getblock


def install() -> None:
    """For the whole process: `inspect.getsourcelines` calls it."""
    _inspect.getblock = getblock


def getblock(lines: list[str]) -> list[str]:
    """The lines of the function that ``lines`` begin with. Leaves all but the form of torch's kernels to `inspect`."""
    end = _end_of_kernel(lines)
    found: list[str] = lines[:end] if end else _getblock(lines)
    return found


def _end_of_kernel(lines: list[str]) -> int:
    """How many lines a kernel has: decorators, a head of one line, and a plain indented body. 0 if it is none such."""
    if not lines[0].startswith(_DECORATOR) or _JIT not in lines:
        return 0
    head = lines.index(_JIT) + 1
    if head == len(lines) or not (lines[head].startswith("def ") and lines[head].endswith(":\n")):
        return 0
    end, following = head + 1, ""
    for number in range(end, len(lines)):
        if lines[number].startswith(_INDENT):
            if lines[number].strip():
                end = number + 1
        elif lines[number].strip():
            following = lines[number]
            break
    text = "".join(lines[:end])
    is_plain = not any(mark in text for mark in _INTRICATE) and all(
        text.count(a) == text.count(b) for a, b in _BRACKETS
    )
    ends_plainly = (
        end > head + 1 and not lines[end - 1].lstrip().startswith("#") and following[:1] not in (" ", "\t", "#")
    )
    return end if is_plain and ends_plainly else 0

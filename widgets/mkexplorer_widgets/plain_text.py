"""Text from anywhere, made fit to be shown: nothing in it can move a cursor, hide, or reorder what a reader sees.

`visible` is for whole texts and single lines alike, and needs no toolkit, so that a command line can print
with it. `split_lines` counts lines as editors do. `offsets` tells where each character of a line went, for whoever
searches the original and marks the shown text.

    >>> visible("red \\x1b[31m\\tx")
    'red ␛[31m   x'
"""

from __future__ import annotations

import re

TAB_SIZE = 4

# What a terminal obeys, drops or reorders: C0 and C1 controls, invisible and bidirectional format characters,
# line and paragraph separators, variation selectors, tags, and halves of surrogate pairs (not encodable at all).
_UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSAFE_CHARACTER = re.compile(f"[{_UNSAFE}]")
_UNSAFE_OR_TAB = re.compile(f"[{_UNSAFE}\t]")


def visible(text: str, tab_size: int = TAB_SIZE) -> str:
    """The text with line feeds kept, tabs expanded, and every other control written out (``␛``, ``<U+202E>``).

    A carriage return before a line feed is part of the line's end and goes away.
    """
    if _UNSAFE_OR_TAB.search(text) is None:
        return text
    return _UNSAFE_CHARACTER.sub(_written_out, text.replace("\r\n", "\n")).expandtabs(tab_size)


def split_lines(text: str) -> list[str]:
    """The lines of a text, without their ends. Only a line feed ends one, so that numbers agree with editors'."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def offsets(line: str, tab_size: int = TAB_SIZE) -> list[int]:
    """For each character of one line (and its end) the index in ``visible(line)`` at which it is shown."""
    shown = 0
    starts = [0]
    for character in line:
        if character == "\t":
            shown += tab_size - shown % tab_size
        else:
            shown += len(_UNSAFE_CHARACTER.sub(_written_out, character))
        starts.append(shown)
    return starts


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"

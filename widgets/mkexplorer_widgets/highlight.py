"""Syntax colours for pieces of a text, as plain data that any widget can paint.

    for line_spans in iter_spans(lines, "python"):
        for start, end, style in line_spans: ...          # columns of the line, a name out of `STYLES`

The columns are those of the lines given: give them as they are shown (`plain_text.visible`). A long text is coloured
in blocks of `BLOCK` lines, so that a screenful costs what a screenful costs; `block_start` tells where to begin, since
a block may start in the middle of a string. Whoever iterates stops between two lines whenever they like.

Python, C++, LLVM IR and JSON are lexed by Pygments, which `prepare` imports (some 50 ms, fit for a thread); PTX, MLIR
and SASS, which Pygments knows little or nothing of, each by one regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol

Span = tuple[int, int, str]

BLOCK = 64
# Columns after this one stay plain: nobody reads lines that long, and lexing one must stay a matter of moments.
MAX_COLUMNS = 2_000
# How far a block reaches back to the start of the string or comment that it begins in.
MAX_REACH = 512

# Names of styles, with the theme's colours in Textual's notation.
STYLES = {
    "comment": "$text 55%",
    "string": "$text-success",
    "number": "$text-warning",
    "constant": "$text-warning",
    "keyword": "$text-accent bold",
    "type": "$text-secondary",
    "function": "$text-primary bold",
    "decorator": "$text-primary",
    "builtin": "$text-accent",
    "variable": "$text-primary",
    "label": "$text-error",
}

_PYGMENTS_NAMES = {"python": "python", "llir": "llvm", "cpp": "cuda", "json": "json"}

_PYGMENTS_STYLES = {
    "Comment": "comment",
    "Literal.String": "string",
    "Literal.String.Affix": "keyword",
    "Literal.Number": "number",
    "Keyword": "keyword",
    "Keyword.Constant": "constant",
    "Keyword.Type": "type",
    "Operator.Word": "keyword",
    "Name.Tag": "variable",  # a key in JSON
    "Name.Builtin": "builtin",
    "Name.Class": "function",
    "Name.Decorator": "decorator",
    "Name.Function": "function",
    "Name.Label": "label",
    "Name.Variable": "variable",
    "Name.Variable.Global": "function",
}

_MLIR = re.compile(
    r"""
      (?P<comment> //.* | ^\#loc\d*\b.* | \bloc\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\) )
    | (?P<string> "(?:[^"\\]|\\.)*" )
    | (?P<variable> %[\w$.-]+(?:[:\#]\d+)? )
    | (?P<function> @[\w$.-]+ )
    | (?P<decorator> \#[\w$.-]+ )
    | (?P<label> \^\w+ )
    | (?P<number> (?:[\d?]+x)+(?=[A-Za-z!]) | 0x[\da-fA-F]+\b | -?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b )
    | (?P<type> !\w[\w.$]* | (?:tensor|vector|memref|index|none|bf16|tf32|f8\w+|[fiu]i?\d+)\b )
    | (?P<constant> \b(?:true|false|dense|unit|unknown)\b )
    | (?P<keyword> \b[a-z_]\w*(?:\.\w+)+ | \b(?:module|attributes|else|iter_args|step|to|do)\b )
    | \w+
    """,
    re.VERBOSE,
)

_SASS = re.compile(
    r"""
      (?P<comment> /\*.*?\*/ | //.* )
    | (?P<label> \.L_\w+ | \.text\.\S+ )
    | (?P<decorator> @!?U?P[T\d]+ | \.\w+ | ^\s*(?:Function|code\ for)\b )
    | (?P<string> "[^"]*" )
    | (?P<variable> \b(?:U?R(?:\d+|Z)|U?P(?:\d+|T)|SB?\d+|B\d+|SR_\w+)\b(?:\.\w+)* )
    | (?P<number> \b0x[\da-f]+\b | \b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b )
    | (?P<keyword> \b[A-Z][A-Z\d_]+(?:\.\w+)* )
    | \w+
    """,
    re.VERBOSE,
)

_PTX = re.compile(
    r"""
      (?P<comment> //.* | /\*.*?\*/ )
    | (?P<string> "[^"]*" )
    | (?P<decorator> ^\s*\.\w+ | @!?%\w+ )
    | (?P<label> ^\s*[\w$]+: | \$L\w+ )
    | (?P<variable> %[\w.]+ )
    | (?P<type> \.[a-z]\w* )
    | (?P<number> (?<![\w$])(?:0[fFdD][\da-fA-F]+|0[xX][\da-fA-F]+U?|\d+(?:\.\d+)?) )
    | (?P<keyword> (?:^\s*|(?<=\ ))[a-z][a-z\d]*(?=[.\s;]) )
    | [\w$]+
    """,
    re.VERBOSE,
)

_EXPRESSIONS = {"ttir": _MLIR, "ttgir": _MLIR, "ptx": _PTX, "sass": _SASS}

_MULTI_LINE = {
    "python": (re.compile(r"\"\"\"|'''"), {'"""': '"""', "'''": "'''"}),
    "cpp": (re.compile(r"/\*|\*/"), {"/*": "*/"}),
}

# A wrapper quotes its kernels' sources: async_compile.triton('name', '''<source>''', device_str='cuda'). Those quotes
# are hidden from the lexer, so that the source is coloured as the code it is and not as one long string.
_KERNEL_QUOTES = re.compile(r"(?<=[ ,(])'''$|^'''(?=,)|^ {0,4}'''$")


def spans(lines: Sequence[str], language: str) -> list[list[Span]]:
    """The coloured columns ``(start, end, style)`` of each line, in order; columns in no span are plain."""
    return list(iter_spans(lines, language))


def prepare(language: str) -> None:
    """Import and set up what the language's colours need, ahead of the first use. Safe to call in a thread."""
    if language in _PYGMENTS_NAMES:
        _lexer(language)


def block_start(lines: Sequence[str], block: int, language: str) -> int:
    """The line to start lexing at for the colours of a block: its first, or the one where a string around it begins.

    Only `MAX_REACH` lines before the block are looked at, so that the end of a long text costs what its start costs.
    """
    first = block * BLOCK
    if language not in _MULTI_LINE:
        return first
    delimiter, ends = _MULTI_LINE[language]
    marks = {*ends, *ends.values()}
    opened = first
    awaited: str | None = None
    for number in range(max(0, first - MAX_REACH), first):
        if not any(mark in lines[number] for mark in marks):  # all but a few lines: no need for the expression
            continue
        for match in delimiter.finditer(_without_kernel_quotes(lines[number])):
            if awaited is None and match.group() in ends:
                opened, awaited = number, ends[match.group()]
            elif match.group() == awaited:
                awaited = None
    return first if awaited is None else opened


def iter_spans(lines: Sequence[str], language: str) -> Iterator[list[Span]]:
    """`spans`, one line at a time."""
    short = [line[:MAX_COLUMNS] for line in lines]
    if not lines:
        return iter(())
    if language in _EXPRESSIONS:
        return _by_expression(short, _EXPRESSIONS[language])
    if language in _PYGMENTS_NAMES:
        return _by_pygments(short, language)
    return iter([[] for _ in lines])


def _by_expression(lines: list[str], expression: re.Pattern[str]) -> Iterator[list[Span]]:
    for line in lines:
        yield [(*match.span(), match.lastgroup) for match in expression.finditer(line) if match.lastgroup]


def _by_pygments(lines: list[str], language: str) -> Iterator[list[Span]]:
    if language == "python":
        lines = [_without_kernel_quotes(line) for line in lines]
    number = line_start = 0
    line_end = len(lines[0])
    found: list[Span] = []
    for start, kind, value in _lexer(language).get_tokens_unprocessed("\n".join(lines) + "\n"):
        style = _style_of(str(kind))
        end = start + len(value)
        while end > line_end:
            if style and start < line_end:
                _append(found, start - line_start, line_end - line_start, style)
            yield found
            found = []
            number += 1
            if number == len(lines):
                return
            start = line_start = line_end + 1
            line_end += 1 + len(lines[number])
        if style and start < end:
            _append(found, start - line_start, end - line_start, style)


def _append(found: list[Span], start: int, end: int, style: str) -> None:
    """Add a span, as one with the last where both have the same style: fewer pieces are faster to paint."""
    if found and found[-1][1] == start and found[-1][2] == style:
        start = found.pop()[0]
    found.append((start, end, style))


def _without_kernel_quotes(line: str) -> str:
    return _KERNEL_QUOTES.sub("   ", line) if "'''" in line else line


class _Lexer(Protocol):
    """Of Pygments, which brings no types."""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, object, str]]: ...


@cache
def _lexer(language: str) -> _Lexer:
    lexer: _Lexer = import_module("pygments.lexers").get_lexer_by_name(_PYGMENTS_NAMES[language])
    list(lexer.get_tokens_unprocessed("\n"))
    return lexer


@cache
def _style_of(kind: str) -> str | None:
    """The style of Pygments' 'Token.Name.Builtin.Pseudo': that of the longest name we know it by."""
    name = kind.removeprefix("Token.")
    while name not in _PYGMENTS_STYLES and "." in name:
        name = name.rpartition(".")[0]
    return _PYGMENTS_STYLES.get(name)

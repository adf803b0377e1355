"""Make two generated texts comparable: temporaries get matching names, and debug positions go.

Compilers number what they make, so one instruction more renames all that follow. ``even_out_pair`` finds the lines
that are the same but for such names and gives the right text the left one's names there; what still differs then
differs in what it computes. The left text keeps its names: ``tmp12`` stays the ``tmp12`` of its source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mkexplorer.analysis.alignment import never
from mkexplorer.analysis.diff import diff_lines


@dataclass(frozen=True, slots=True)
class Evened:
    """``lines`` without debug positions; ``numbers`` says which line of the text each one was, from 0."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language writes names that carry no meaning, and where it writes positions.

    ``name`` matches such a name, its group 'family' the part before the number. A line that is nothing but
    ``noise`` goes, ``position`` goes from within a line, and all goes from the line on that ``ends`` matches.
    """

    name: re.Pattern[str]
    position: re.Pattern[str] | None = None
    noise: re.Pattern[str] | None = None
    ends: re.Pattern[str] | None = None


_KERNEL = r"\b(?P<kernel>triton_\w{1,40}?_fused_\w{1,160}?_)\d+(?=\b|_param_)"

_PYTHON = _Language(name=re.compile(rf"\b(?P<family>_?tmp)\d+|{_KERNEL}"))
_MLIR = _Language(
    # %tmp12_5 is the fifth value made of the source's tmp12. The kernel's own parameters keep their names.
    name=re.compile(
        r"(?P<family>%_?tmp)\d+(?:_\d+)?\b"
        r"|(?P<named>%(?!(?:in|out|in_out)_ptr\d|\w*numel)[A-Za-z_.$][\w.$]*?)(?:_\d+)?(?![\w.$])"
        rf"|(?P<plain>%|\^bb)\d+\b|(?P<layout>\#[a-z_]+?)\d*(?![\w.])|{_KERNEL}"
    ),
    position=re.compile(r"\s*\bloc\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\)"),
    noise=re.compile(r"\s*#loc\d*(?: =.*)?"),
)
_LLVM = _Language(
    name=re.compile(rf"(?P<family>%|\#)\d+\b|^(?P<label>)\d+(?=:)|(?P<local>%[A-Za-z_.]+?)\d+\b|{_KERNEL}"),
    position=re.compile(r",? !dbg !\d+"),
    noise=re.compile(r"![\w.]+ = .*"),
)
_PTX = _Language(
    name=re.compile(rf"(?P<family>%[a-z]+)\d+\b|(?P<label>\$L__[A-Za-z_]+(?:\d+_)?)\d+\b|{_KERNEL}"),
    noise=re.compile(r"\s*\.(?:loc|file)\b.*|\$L__(?:tmp|func_begin|func_end)\d+:"),
    ends=re.compile(r"\s*\.section\s+\.debug_"),
)
_SASS = _Language(
    name=re.compile(rf"\b(?P<family>U?[RP]|B|SB)\d+\b|(?P<label>\.L_x_|\.L_)\d+\b|{_KERNEL}"),
    position=re.compile(r"(?<=^ {4}) *\t*/\*[0-9a-f]{4,}\*/\s*|\s*/\* 0x[0-9a-f]{16} \*/"),
    noise=re.compile(r"\s*/\* 0x[0-9a-f]{16} \*/\s*"),
)
# How much a pair of names counts in a line that is equal but for names, and in a pair of lines that are alike.
_WEIGHT = {"equal": 2, "replace": 1}

_LANGUAGES = {"python": _PYTHON, "ttir": _MLIR, "ttgir": _MLIR, "llir": _LLVM, "ptx": _PTX, "sass": _SASS}


def even_out_pair(
    left: Sequence[str], right: Sequence[str], language: str, cancelled: Callable[[], bool] = never
) -> tuple[Evened, Evened]:
    """Both texts without debug positions, the right one in the left one's names wherever their lines match."""
    known = _LANGUAGES.get(language)
    if known is None:
        return _whole(left), _whole(right)
    bare_left, bare_right = _without_positions(left, known), _without_positions(right, known)
    renamed = _renamed(bare_left.lines, bare_right.lines, known.name, cancelled)
    return bare_left, Evened(renamed, bare_right.numbers)


def _whole(lines: Sequence[str]) -> Evened:
    return Evened(tuple(lines), tuple(range(len(lines))))


def _without_positions(lines: Sequence[str], language: _Language) -> Evened:
    kept: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines):
        if language.ends and language.ends.match(line):
            break
        if language.noise and language.noise.fullmatch(line):
            continue
        kept.append(language.position.sub("", line).rstrip() if language.position else line)
        numbers.append(number)
    return Evened(tuple(kept), tuple(numbers))


def _renamed(
    left: Sequence[str], right: Sequence[str], name: re.Pattern[str], cancelled: Callable[[], bool]
) -> tuple[str, ...]:
    shape_left = [name.sub(_family, line) for line in left]
    shape_right = [name.sub(_family, line) for line in right]
    votes: Counter[tuple[str, str]] = Counter()
    for change in diff_lines(shape_left, shape_right, cancelled):
        if change.op in _WEIGHT:
            for i, j in zip(change.left, change.right, strict=True):
                for pair in _votes(name, left[i], right[j]):
                    votes[pair] += _WEIGHT[change.op]
    new_names = _matching(votes)
    taken = {found[0] for line in left for found in name.finditer(line)}
    free: dict[str, int] = {}  # the next number that may be free, by family

    def rename(match: re.Match[str]) -> str:
        old, family = match[0], _family(match)
        if old not in new_names:
            new = old
            while new in taken:
                new = _numbered(match, free.setdefault(family, 0))
                free[family] += 1
            taken.add(new)
            new_names[old] = new
        return new_names[old]

    return tuple(name.sub(rename, line) for line in right)


def _votes(name: re.Pattern[str], left: str, right: str) -> Iterator[tuple[str, str]]:
    """The names that stand at the same place in both lines, where the lines use as many."""
    ones, others = list(name.finditer(left)), list(name.finditer(right))
    if len(ones) != len(others):
        return
    for one, other in zip(ones, others, strict=True):
        if _family(one) == _family(other):
            yield one[0], other[0]


def _matching(votes: Counter[tuple[str, str]]) -> dict[str, str]:
    """Right name to left name, one to one; the pairs that most lines speak for come first."""
    new_names: dict[str, str] = {}
    taken: set[str] = set()
    for (name, other), _ in votes.most_common():
        if other not in new_names and name not in taken:
            new_names[other] = name
            taken.add(name)
    return new_names


def _numbered(match: re.Match[str], number: int) -> str:
    """Another name of the same family."""
    between = "_" if match.lastgroup == "named" else ""
    return f"{_family(match)}{between}{number}"


def _family(match: re.Match[str]) -> str:
    assert match.lastgroup is not None
    return match[match.lastgroup]

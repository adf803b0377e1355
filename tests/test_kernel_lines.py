"""Where a kernel ends, told fast: always as `inspect` tells it."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mkexplorer.catalog.definitions import find_kernels, literal_source
from mkexplorer.worker.kernel_lines import _end_of_kernel, getblock

from .conftest import recorded_wrappers


def kernels() -> list[list[str]]:
    """The recorded kernels, as `inspect` gets them: from the decorator to the end of the file."""
    found = []
    for path in recorded_wrappers():
        text = path.read_text()
        for kernel in find_kernels(text)[0].values():
            lines = literal_source(text[kernel.source_start : kernel.source_end]).splitlines(keepends=True)
            first = next(number for number, line in enumerate(lines) if line.startswith("@triton_heuristics"))
            found.append(lines[first:])
    return found


KERNELS = kernels()
EDITS = [
    "\n",
    "   \n",
    "# comment\n",
    "  # comment\n",
    "    # comment\n",
    "        # comment\n",
    "    x = 1  # comment\n",
    "    x = 1; y = (2,\n",
    "    x = (1,\n",
    "2)\n",
    "    2)\n",
    "    x = '#('\n",
    "    x = 1 + \\\n",
    "    if True:\n",
    "        y = 2\n",
    "    y = lambda: 0\n",
    "\ty = 2\n",
    "    '''\n",
    '"""\n',
    "x = 1\n",
    "@decorator\n",
    "def other():\n",
    "class Other:\n",
    "    pass\n",
    "    pass",
]


def test_every_recorded_kernel_is_told_fast() -> None:
    assert len(KERNELS) >= 48
    assert all(_end_of_kernel(lines) for lines in KERNELS)


@pytest.mark.parametrize("number", range(len(KERNELS)))
def test_every_recorded_kernel_ends_where_inspect_says(number: int) -> None:
    assert getblock(KERNELS[number]) == inspect.getblock(KERNELS[number])


@given(
    st.sampled_from(KERNELS[:4] + KERNELS[-4:]),
    st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(EDITS)), max_size=5),
)
def test_an_edited_kernel_ends_where_inspect_says(kernel: list[str], edits: list[tuple[int, str]]) -> None:
    lines = list(kernel)
    for position, line in edits:
        # The end is where it matters.
        lines.insert(max(1, len(lines) - position % 12), line)
    text = "".join(lines)
    try:
        compile(text, "kernel", "exec")
    except SyntaxError:
        assume(False)
    lines = text.splitlines(keepends=True)
    assert getblock(lines) == inspect.getblock(lines)


def test_whatever_is_no_kernel_is_left_to_inspect() -> None:
    lines = ["def helper(x):\n", "    return x\n", "\n", "y = 1\n"]
    assert getblock(lines) == lines[:2]

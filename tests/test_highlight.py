"""Every language gets its colours line by line, from anywhere in a text, and hostile text costs nothing but colours."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer_widgets.highlight import BLOCK, MAX_COLUMNS, STYLES, Span, block_start, iter_spans, spans
from mkexplorer_widgets.lexers import LANGUAGES, language_of


def styled(line: str, language: str) -> dict[str, str]:
    """The styled pieces of one line and their styles."""
    return {line[start:end].strip(): style for start, end, style in spans([line], language)[0]}


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("22/c22d7uvf.py", "python"),
        ("triton_red_fused_0.ttir", "ttir"),
        ("triton_red_fused_0.TTGIR", "ttgir"),
        ("triton_red_fused_0.source", "ttir"),
        ("llir", "llir"),
        ("a.b.ptx", "ptx"),
        ("sass", "sass"),
        ("kernel.cu", "cpp"),
        ("__grp__x.json", "json"),
        ("notes", "text"),
        ("", "text"),
    ],
)
def test_a_language_is_told_by_ending_or_stage(name: str, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("language", "line", "expected"),
    [
        ("python", "def f(x): return 'a'", {"def": "keyword", "f": "function", "return": "keyword", "'a'": "string"}),
        ("python", "@triton.jit  # why", {"@triton": "decorator", "# why": "comment"}),
        ("ptx", "\tmov.b32 \t%r28, 0fFF800000;", {"mov": "keyword", ".b32": "type", "0fFF800000": "number"}),
        ("ptx", "$L__tmp2: // here", {"$L__tmp2:": "label", "// here": "comment"}),
        ("ptx", "\t@%p1 bra \t$L__BB0_2;", {"@%p1": "decorator", "bra": "keyword", "$L__BB0_2": "label"}),
        ("ttgir", "%0 = tt.load %p : tensor<2x256xbf16>", {"tt.load": "keyword", "2x256x": "number", "bf16": "type"}),
        ("ttir", '#loc1 = loc("/a/c.py":18:0)', {'#loc1 = loc("/a/c.py":18:0)': "comment"}),
        ("llir", "%9 = shl nuw i32 %8, 3", {"%9": "variable", "i32": "type", "3": "number"}),
        ("sass", "/*0000*/ @!P0 LDC.64 R1, c[0x0][0x28] ;", {"LDC.64": "keyword", "R1": "variable", "0x28": "number"}),
        ("cpp", "int x = 1; // c", {"int": "type", "1": "number", "// c": "comment"}),
        ("json", '{"num_warps": 4}', {'"num_warps"': "variable", "4": "number"}),
    ],
)
def test_a_line_is_coloured_by_what_its_parts_are(language: str, line: str, expected: dict[str, str]) -> None:
    found = styled(line, language)

    assert {text: found.get(text) for text in expected} == expected


@given(st.lists(st.text(st.characters(blacklist_characters="\n")), max_size=8), st.sampled_from(LANGUAGES))
def test_any_text_has_ordered_spans_for_each_of_its_lines(lines: list[str], language: str) -> None:
    found = spans(lines, language)

    assert len(found) == len(lines)
    for line, line_spans in zip(lines, found, strict=True):
        position = 0
        for start, end, style in line_spans:
            assert position <= start < end <= len(line)
            assert style in STYLES
            position = end


def test_a_quoted_kernel_is_coloured_as_code_and_so_is_what_follows() -> None:
    wrapper = [
        "triton_red_fused_0 = async_compile.triton('triton_red_fused_0', '''",
        "import triton",
        "''', device_str='cuda')",
        "import torch",
    ]

    assert [found[0][2] for found in (spans(wrapper, "python")[1], spans(wrapper, "python")[3])] == ["keyword"] * 2


def test_a_block_that_starts_in_a_docstring_is_lexed_from_where_that_begins() -> None:
    lines = ["x = 1"] * (BLOCK - 2) + ['"""Doc'] + ["import in a docstring"] * 10 + ['"""', "import real"]
    start = block_start(lines, 1, "python")

    found = list(iter_spans(lines[start:], "python"))

    assert start == BLOCK - 2
    assert found[BLOCK - start] == [(0, len("import in a docstring"), "string")]
    assert found[-1][0][2] == "keyword"


def test_a_block_outside_of_strings_starts_at_its_own_line() -> None:
    lines = ['"""One."""', "'''", "two", "'''"] * BLOCK

    assert block_start(lines, 1, "python") == BLOCK
    assert block_start(lines, 1, "ptx") == BLOCK


def test_a_line_stays_plain_beyond_the_columns_that_anybody_reads() -> None:
    found: list[Span] = spans(["x = 1; " * 2_000], "python")[0]

    assert found
    assert found[-1][1] <= MAX_COLUMNS


def test_pygments_is_imported_with_the_first_colours_and_not_before() -> None:
    check = "import sys, mkexplorer_widgets.code_view; sys.exit('pygments' in sys.modules)"

    subprocess.run([sys.executable, "-c", check], check=True, env={"PYTHONPATH": ":".join(sys.path)})

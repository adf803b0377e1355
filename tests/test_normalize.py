"""Two texts made comparable: names that carry no meaning match, debug positions go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.analysis.normalize import even_out_pair

LANGUAGES = ["python", "ttir", "ttgir", "llir", "ptx", "sass", "json"]
TEXTS = st.lists(
    st.sampled_from(
        [
            "tmp12",
            "_tmp3",
            "tmp1_mean",
            "%tmp4_7",
            "%cst_0",
            "%12",
            "%r7",
            "%rd1",
            "$L__BB0_2",
            "R12",
            "P0",
            "#loc3",
            " = ",
            "\n",
            ", ",
            "loc(#loc4)",
            "triton_red_fused_sum_3",
            ".loc 1 2 3",
            "%c8_i32",
            "!dbg !7",
            "^bb0",
        ]
    ),
    max_size=40,
).map("".join)


@given(TEXTS, st.sampled_from(LANGUAGES))
def test_a_text_evened_with_itself_is_equal(text: str, language: str) -> None:
    left, right = even_out_pair(text.split("\n"), text.split("\n"), language)
    assert left == right


@given(TEXTS, TEXTS, st.sampled_from(LANGUAGES))
def test_distinct_names_of_a_text_stay_distinct(one: str, other: str, language: str) -> None:
    right = other.split("\n")
    evened = even_out_pair(one.split("\n"), right, language)[1]
    # Renaming is one to one, so doing it the other way round finds as many different lines.
    kept = [right[number] for number in evened.numbers]
    bare = even_out_pair(right, right, language)[0].lines
    assert len(kept) == len(bare) == len(evened.lines)
    assert len(set(bare)) == len(set(evened.lines))


def evened_right(left: str, right: str, language: str) -> list[str]:
    return list(even_out_pair(left.split("\n"), right.split("\n"), language)[1].lines)


def test_the_right_text_takes_the_left_ones_names_where_lines_match() -> None:
    left = "tmp3 = tl.load(in_ptr0)\ntmp4 = tmp3 * 2.0\ntl.store(out_ptr0, tmp4)"
    right = "tmp8 = tl.load(in_ptr0)\ntmp9 = tmp8 * 2.0\ntl.store(out_ptr0, tmp9)"
    assert evened_right(left, right, "python") == left.split("\n")


def test_an_extra_instruction_does_not_rename_those_after_it() -> None:
    left = "mov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 2;\nadd.s32 %r3, %r2, %r1;"
    right = "mov.u32 %r1, %tid.x;\nclz.b32 %r2, %r1;\nshl.b32 %r3, %r1, 2;\nadd.s32 %r4, %r3, %r1;"
    assert evened_right(left, right, "ptx") == [
        "mov.u32 %r1, %tid.x;",
        "clz.b32 %r0, %r1;",
        "shl.b32 %r2, %r1, 2;",
        "add.s32 %r3, %r2, %r1;",
    ]


def test_an_operand_that_really_differs_still_differs() -> None:
    left = "ld.global.b32 %r1, [%rd1];\nld.global.b32 %r2, [%rd2];\nadd.s32 %r3, %r1, %r2;"
    right = left.replace("add.s32 %r3, %r1, %r2", "add.s32 %r3, %r1, %r1")
    assert evened_right(left, right, "ptx")[2] == "add.s32 %r3, %r1, %r1;"


def test_the_number_of_registers_is_no_name() -> None:
    assert evened_right("\t.reg .b32 \t%r<7>;", "\t.reg .b32 \t%r<430>;", "ptx") == ["\t.reg .b32 \t%r<430>;"]


def test_a_kernel_of_another_wrapper_gets_the_same_name() -> None:
    left, right = "def triton_red_fused_sum_view_0(in_ptr0):", "def triton_red_fused_sum_view_14(in_ptr0):"
    assert evened_right(left, right, "python") == [left]


@pytest.mark.parametrize(
    ("language", "lines", "kept"),
    [
        (
            "ttgir",
            ['#loc = loc("a.py":18:0)', "  %0 = tt.load %1 loc(#loc5)", "} loc(#loc)"],
            ["  %0 = tt.load %1", "}"],
        ),
        ("ttir", ["%a = f(%b) loc(callsite(#loc1 at #loc48))", '#loc48 = loc("tmp3"(#loc22))'], ["%a = f(%b)"]),
        ("llir", ["  %7 = add i32 %1, %2, !dbg !12", "!12 = !DILocation(line: 3)"], ["  %7 = add i32 %1, %2"]),
        (
            "ptx",
            ["\t.loc\t1 18 0  // a.py:18:0", "$L__tmp0:", "\tret;", "\t.section\t.debug_str", "\t.b8 1"],
            ["\tret;"],
        ),
        (
            "sass",
            ["        /*0050*/   MOV R1, c[0x0][0x28] ;  /* 0x00000a00ff017b82 */"],
            ["    MOV R1, c[0x0][0x28] ;"],
        ),
    ],
)
def test_debug_positions_go_and_line_numbers_stay_true(language: str, lines: list[str], kept: list[str]) -> None:
    left, right = even_out_pair(lines, lines, language)
    assert (list(left.lines), left) == (kept, right)
    for line, number in zip(left.lines, left.numbers, strict=True):
        assert line.split()[0] in lines[number]

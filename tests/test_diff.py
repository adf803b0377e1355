"""Changes between two texts, the rows that show them, the words that differ."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mkexplorer.analysis.diff import (
    Change,
    DiffCancelled,
    Row,
    Totals,
    diff_lines,
    split_rows,
    totals,
    unified_rows,
    unified_text,
    word_marks,
)
from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import MultiKernel

# Few different lines, so that texts repeat themselves and share much.
LINES = st.lists(
    st.sampled_from(
        ["", "}", "    )", "x0 = xindex", "    x0 = xindex", "tmp0 = tl.load(a)", "tmp1 = tl.load(b)", "é"]
    ),
    max_size=30,
)
CODE = st.text(alphabet="ab_1 (),.\t界", max_size=40)


def applied(changes: Sequence[Change], left: Sequence[str], right: Sequence[str]) -> list[str]:
    """Left, with only what the changes add taken from right."""
    result: list[str] = []
    for change in changes:
        kept = change.op == "equal"
        result += [left[i] for i in change.left] if kept else [right[j] for j in change.right]
    return result


class TestDiffLines:
    @given(LINES, LINES)
    def test_changes_applied_to_left_give_right(self, left: list[str], right: list[str]) -> None:
        assert applied(diff_lines(left, right), left, right) == right

    @given(LINES, LINES)
    def test_changes_cover_every_line_once_and_in_order(self, left: list[str], right: list[str]) -> None:
        changes = diff_lines(left, right)
        assert [i for change in changes for i in change.left] == list(range(len(left)))
        assert [j for change in changes for j in change.right] == list(range(len(right)))

    @given(LINES, LINES)
    def test_a_replace_has_as_many_lines_on_both_sides(self, left: list[str], right: list[str]) -> None:
        for change in diff_lines(left, right):
            if change.op == "replace":
                assert len(change.left) == len(change.right) > 0

    @given(LINES)
    def test_a_text_equals_itself(self, lines: list[str]) -> None:
        assert all(change.op == "equal" for change in diff_lines(lines, lines))

    def test_lines_that_are_alike_are_paired_not_those_at_the_same_height(self) -> None:
        left = ["xmask = xindex < xnumel", "tmp0 = tl.load(in_ptr0 + (x0), xmask)"]
        right = ["tmp0 = tl.load(in_ptr0 + (x0), xmask, other=0.0)", "tl.debug_barrier()"]
        assert diff_lines(left, right) == (
            Change("delete", range(0, 1), range(0, 0)),
            Change("replace", range(1, 2), range(0, 1)),
            Change("insert", range(2, 2), range(1, 2)),
        )

    def test_a_statement_that_moved_out_of_a_loop_is_paired_with_itself(self) -> None:
        left = ["for r0_offset in tl.range(0, r0_numel, R0_BLOCK):", "    roffset = r0_offset"]
        right = ["roffset = r0_offset"]
        assert diff_lines(left, right)[-1] == Change("replace", range(1, 2), range(0, 1))

    def test_blank_lines_and_closing_brackets_never_tie_what_has_nothing_in_common(self) -> None:
        left = ["alpha = beta", "", ")", "gamma = delta"]
        right = ["one two three", "", ")", "four five six"]
        assert [change.op for change in diff_lines(left, right)] == ["delete", "insert"]

    def test_a_blank_line_goes_along_with_its_neighbour(self) -> None:
        left = ["import triton", "", "old = 1.0000"]
        right = ["import triton", "", "something(else_)"]
        assert diff_lines(left, right)[0] == Change("equal", range(0, 2), range(0, 2))

    def test_long_texts_without_a_common_line_are_still_compared(self) -> None:
        left = [f"left {'abcdefghij'[i % 10]} {i}" for i in range(3_000)]
        right = [f"mov.b32 {'klmnopqrst'[i % 10]} {i}" for i in range(3_000)]
        assert applied(diff_lines(left, right), left, right) == right

    def test_long_texts_of_few_different_lines_are_still_compared(self) -> None:
        left = [f"add.f32 {i * i % 7}" for i in range(20_000)]
        right = [f"add.f32 {i * i % 11}" for i in range(20_000)]
        assert applied(diff_lines(left, right), left, right) == right

    def test_an_instruction_on_other_registers_is_paired_in_long_texts(self) -> None:
        left = [f"op{chr(97 + i % 26)}.{chr(97 + i // 26 % 26)}{chr(97 + i // 676)} %r{i};" for i in range(3_000)]
        right = ["extra.instruction;", *(line.replace("%r", "%r9") for line in left)]
        changes = diff_lines(left, right)
        assert [(change.op, len(change.right)) for change in changes] == [("insert", 1), ("replace", 3_000)]

    def test_it_stops_when_told(self) -> None:
        with pytest.raises(DiffCancelled):
            diff_lines(["alpha"], ["beta"], cancelled=lambda: True)


def lines_shown(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """The lines that rows show or hide, on either side."""
    left: list[int] = []
    right: list[int] = []
    for row in rows:
        count = row.hidden if row.kind == "fold" else 1
        if row.left is not None:
            left += range(row.left, row.left + count)
        if row.right is not None:
            right += range(row.right, row.right + count)
    return left, right


class TestRows:
    @given(LINES, LINES, st.none() | st.integers(0, 5), st.sampled_from([split_rows, unified_rows]))
    def test_rows_cover_every_line_once(
        self, left: list[str], right: list[str], context: int | None, rows_of: type
    ) -> None:
        rows = rows_of(diff_lines(left, right), context)
        assert lines_shown(rows) == (list(range(len(left))), list(range(len(right))))

    def test_a_long_equal_run_folds_but_for_the_lines_beside_changes(self) -> None:
        common = [f"line number {i}" for i in range(20)]
        rows = split_rows(diff_lines(["first", *common], ["other thing", *common]), context=3)
        assert [row.kind for row in rows] == ["beside", "equal", "equal", "equal", "fold"]
        assert rows[-1] == Row("fold", 4, 4, hidden=17)

    def test_three_lines_are_not_worth_a_fold(self) -> None:
        common = [f"line number {i}" for i in range(9)]
        left, right = ["first", *common, "last"], ["other thing", *common, "final words"]
        assert "fold" not in {row.kind for row in split_rows(diff_lines(left, right), context=3)}

    def test_no_context_folds_nothing(self) -> None:
        same = [f"line number {i}" for i in range(50)]
        assert {row.kind for row in split_rows(diff_lines(same, same), context=None)} == {"equal"}

    def test_deleted_and_inserted_lines_share_rows_without_being_pairs(self) -> None:
        rows = split_rows(diff_lines(["alpha beta gamma"], ["one two three", "four five six"]), context=3)
        assert rows == [Row("beside", 0, 0), Row("insert", None, 1)]

    def test_unified_rows_show_what_went_before_what_came_and_know_the_partner(self) -> None:
        left = ["tmp0 = tl.load(in_ptr0)", "tmp1 = tl.load(in_ptr1)"]
        right = ["tmp0 = tl.load(in_ptr0, xmask)", "tmp1 = tl.load(in_ptr1, xmask)"]
        assert unified_rows(diff_lines(left, right), context=3) == [
            Row("delete", 0, None, partner=0),
            Row("delete", 1, None, partner=1),
            Row("insert", None, 0, partner=0),
            Row("insert", None, 1, partner=1),
        ]


def test_totals_count_lines_on_either_side_and_stretches_of_changes() -> None:
    common = [f"line number {i}" for i in range(5)]
    left = ["alpha beta gamma", *common, "tmp0 = tl.load(in_ptr0)"]
    right = [*common, "tmp0 = tl.load(in_ptr0, xmask)", "one two three"]
    assert totals(diff_lines(left, right)) == Totals(removed=2, added=2, hunks=2)


class TestWordMarks:
    @given(CODE, CODE)
    def test_what_is_not_marked_is_the_same_on_both_sides(self, left: str, right: str) -> None:
        marks_left, marks_right = word_marks(left, right)
        if marks_left or marks_right:
            assert without(left, marks_left) == without(right, marks_right)

    @given(CODE, CODE)
    @example("\t", " 1")
    def test_marks_lie_inside_the_lines_in_order_and_apart(self, left: str, right: str) -> None:
        for line, marks in zip((left, right), word_marks(left, right), strict=True):
            places = [place for mark in marks for place in mark]
            assert places == sorted(set(places))
            assert all(0 <= place <= len(line) for place in places)

    def test_a_word_is_marked_not_its_letters(self) -> None:
        assert word_marks("    tmp3 = tmp1 + tmp2", "    tmp3 = tmp1 * tmp9") == ([(16, 22)], [(16, 22)])

    def test_a_kernel_name_is_marked_where_it_differs(self) -> None:
        assert word_marks("triton_red_fused_sum_0", "triton_per_fused_sum_0") == ([(7, 10)], [(7, 10)])

    def test_only_the_indentation_that_is_new_is_marked(self) -> None:
        assert word_marks("        x0 = xindex", "    x0 = xindex") == ([(4, 8)], [])

    def test_lines_with_little_in_common_have_no_marks(self) -> None:
        assert word_marks("xoffset = tl.program_id(0)", "return 1") == ([], [])

    def test_very_long_lines_are_marked_where_they_differ(self) -> None:
        words = [f"'key_{i}': {i * i}" for i in range(700)]
        left = ", ".join(words)
        words[3], words[690] = "'key_3': 77777", "'other': 1"
        marks, _ = word_marks(left, ", ".join(words))
        assert [left[start:end] for start, end in marks] == ["9", "key_690", str(690 * 690)]


def without(line: str, marks: list[tuple[int, int]]) -> str:
    """What of a line is not marked, but for white space: two marks with only that between them are one."""
    for start, end in reversed(marks):
        line = line[:start] + line[end:]
    return "".join(line.split())


class TestUnifiedText:
    def test_it_reads_as_other_tools_write_it(self) -> None:
        left = [f"line number {i}" for i in range(30)]
        right = [*left[:10], "a new line", *left[10:]]
        assert list(unified_text(left, right, "a", "b", context=1)) == [
            "--- a",
            "+++ b",
            "@@ -10,2 +10,3 @@",
            " line number 9",
            "+a new line",
            " line number 10",
        ]

    def test_an_empty_side_counts_from_zero(self) -> None:
        assert list(unified_text([], ["one", "two"], "a", "b"))[2:] == ["@@ -0,0 +1,2 @@", "+one", "+two"]

    def test_equal_texts_have_no_diff(self) -> None:
        assert list(unified_text(["same"], ["same"], "a", "b")) == []


class TestRealKernels:
    """Looped and persistent kernels as Inductor wrote them."""

    def sources(self, sample: Catalog, multi_kernel: MultiKernel) -> tuple[list[str], list[str]]:
        left, right, *_ = multi_kernel.sub_kernels
        return sample.source(multi_kernel, left).split("\n"), sample.source(multi_kernel, right).split("\n")

    def test_changes_turn_one_kernel_into_the_other(self, sample: Catalog) -> None:
        for multi_kernel in sample.multi_kernels:
            left, right = self.sources(sample, multi_kernel)
            assert applied(diff_lines(left, right), left, right) == right

    def test_a_load_is_paired_with_a_load(self, sample: Catalog) -> None:
        left, right = self.sources(sample, sample.find("c6bm3md/multi_kernel_0"))
        pairs = [(left[i], right[j]) for i, j in changed_pairs(diff_lines(left, right))]
        loads = [(one.split()[0], other.split()[0]) for one, other in pairs if "tl.load(in_ptr0" in one]
        assert ("tmp0", "tmp0") in loads
        assert all("tl.load(" in other for one, other in pairs if "tl.load(" in one)

    def test_the_decorators_arguments_are_paired_line_by_line(self, sample: Catalog) -> None:
        left, right = self.sources(sample, sample.find("c6bm3md/multi_kernel_0"))
        changed = {left[i].split("=")[0].strip() for i, _ in changed_pairs(diff_lines(left, right))}
        assert {"triton_meta", "inductor_meta", "@triton_heuristics.reduction("} <= changed


def changed_pairs(changes: Sequence[Change]) -> list[tuple[int, int]]:
    return [
        pair for change in changes if change.op == "replace" for pair in zip(change.left, change.right, strict=True)
    ]

"""A search answers in bounded time, whatever the text and the expression."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from mkexplorer_widgets import code_search
from mkexplorer_widgets.code_search import MAX_MATCHES, Matches, Query, SearchError, find_all

CATASTROPHIC = "/(x+x+)+y/"


async def found(lines: list[str], query: str) -> list[tuple[int, int, int]]:
    return await find_all(lines, Query.of_text(query))


async def test_plain_text_is_found_wherever_it_is() -> None:
    assert await found(["tl.load(a)", "", "x tl.load tl.load"], "tl.load") == [(0, 0, 7), (2, 2, 9), (2, 10, 17)]


async def test_plain_text_is_no_expression() -> None:
    assert await found(["a.c abc", "[b]"], "a.c") == [(0, 0, 3)]
    assert await found(["a.c abc", "[b]"], "[b]") == [(1, 0, 3)]


@pytest.mark.parametrize(
    ("query", "count"), [("xblock", 3), ("XBlock", 1), ("XBLOCK", 1), ("/x.lock/", 3), ("/X.lock/", 1), (r"/\Wxb/", 2)]
)
async def test_case_counts_only_with_a_capital_letter_in_the_query(query: str, count: int) -> None:
    assert len(await found([" XBLOCK xblock", "XBlock"], query)) == count


async def test_an_expression_stands_between_slashes() -> None:
    assert await found(["tmp12 = tmp3", "tmpx"], r"/tmp\d+/") == [(0, 0, 5), (0, 8, 12)]
    assert await found(["a /b c"], "/b") == [(0, 2, 4)]


async def test_empty_matches_and_empty_queries_find_nothing() -> None:
    assert await found(["abc"], "/z*/") == []
    assert await found(["abc"], "") == []
    assert await found([], "x") == []


async def test_lines_with_any_characters_can_be_searched() -> None:
    hostile = ["\ud800 漢字\r\x00\u2028", "漢"]

    assert await found(hostile, "/漢/") == await found(hostile, "漢") == [(0, 2, 3), (1, 0, 1)]


async def test_matches_are_capped() -> None:
    assert len(await found(["x" * 1_000] * 100, "x")) == MAX_MATCHES
    assert len(await found(["x" * 1_000] * 100, "/x/")) == MAX_MATCHES


async def test_a_broken_expression_says_what_is_wrong_with_it() -> None:
    with pytest.raises(SearchError, match="not an expression: missing \\)"):
        await found(["x"], "/(x/")


async def test_an_expression_that_takes_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_search, "TIME_LIMIT_S", 0.5)

    with pytest.raises(SearchError, match="too long"):
        await found(["x" * 60], CATASTROPHIC)


async def test_a_search_that_is_not_wanted_any_more_ends_at_once() -> None:
    search = asyncio.create_task(found(["x" * 60], CATASTROPHIC))
    await asyncio.sleep(0.2)
    search.cancel()
    began = monotonic()

    with pytest.raises(asyncio.CancelledError):
        await search
    assert monotonic() - began < code_search.TIME_LIMIT_S / 2


def test_the_first_match_from_a_line_on_becomes_current_or_the_first_of_all() -> None:
    matches = Matches([(3, 0, 1), (7, 0, 1)])

    matches.go_to_first(4)
    assert matches.current == 1
    matches.go_to_first(8)
    assert matches.current == 0


def test_steps_go_round_the_end() -> None:
    matches = Matches([(3, 0, 1), (3, 5, 6), (7, 0, 1)])
    matches.go_to_first(0)
    visited = []
    for by in (1, 1, 1, -1, -1):
        matches.step(by, matches.found[matches.current or 0][0])
        visited.append(matches.current)

    assert visited == [1, 2, 0, 2, 1]


def test_a_step_starts_from_the_cursor_once_it_has_left_the_current_match() -> None:
    matches = Matches([(3, 0, 1), (7, 0, 1), (9, 0, 1)])
    matches.go_to_first(0)

    matches.step(1, 8)
    assert matches.current == 2
    matches.step(-1, 8)
    assert matches.current == 1


def test_without_matches_there_is_nowhere_to_go() -> None:
    matches = Matches()
    matches.go_to_first(0)
    matches.step(1, 0)

    assert matches.current_match is None
    assert list(matches.between(0, 0, 100)) == []


def test_matches_that_reach_into_some_columns_of_a_line_are_told() -> None:
    matches = Matches([(3, 90, 95), (4, 0, 2), (4, 5, 9), (4, 12, 14), (5, 0, 3)])

    assert list(matches.between(4, 6, 13)) == [(4, 5, 9), (4, 12, 14)]
    assert list(matches.between(4, 0, 100)) == [(4, 0, 2), (4, 5, 9), (4, 12, 14)]
    assert list(matches.between(4, 9, 12)) == []

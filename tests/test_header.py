"""The first line keeps what matters when room is short."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from mkexplorer.tui.header import HeaderFacts, header_content

FACTS = HeaderFacts("/home/me/a/long/way/to/torchinductor_me", "41 multi-kernels", "torch 2.11.0 · NVIDIA H100")


def test_all_is_said_where_there_is_room() -> None:
    assert header_content(FACTS, 120).plain == (
        "mkexplorer   /home/me/a/long/way/to/torchinductor_me   41 multi-kernels · torch 2.11.0 · NVIDIA H100"
    )


def test_the_machine_goes_first_then_the_place_is_cut_at_its_beginning() -> None:
    assert header_content(FACTS, 80).plain == (
        "mkexplorer   /home/me/a/long/way/to/torchinductor_me   41 multi-kernels"
    )
    assert header_content(FACTS, 60).plain == "mkexplorer   …ong/way/to/torchinductor_me   41 multi-kernels"


def test_what_is_lost_goes_after_the_machine() -> None:
    facts = HeaderFacts("/home/me", "3 multi-kernels", "torch 2.11.0 · NVIDIA H100", loss="loses 42.1 µs per run")
    assert header_content(facts, 100).plain.endswith(" · loses 42.1 µs per run · torch 2.11.0 · NVIDIA H100")
    assert header_content(facts, 70).plain == "mkexplorer   /home/me   3 multi-kernels · loses 42.1 µs per run"
    assert header_content(facts, 50).plain == "mkexplorer   /home/me   3 multi-kernels"


def test_what_is_lost_stands_longer_than_the_beginning_of_the_place() -> None:
    facts = HeaderFacts("/home/me/a/long/way/to/torchinductor_me", "3 multi-kernels", loss="loses 42.1 µs per run")
    assert header_content(facts, 80).plain == (
        "mkexplorer   …/way/to/torchinductor_me   3 multi-kernels · loses 42.1 µs per run"
    )


@pytest.mark.parametrize("width", range(45, 121))
def test_it_fits(width: int) -> None:
    assert cell_len(header_content(FACTS, width).plain) <= width


def test_problems_and_following_stand_at_the_end() -> None:
    facts = HeaderFacts("/p", "1 multi-kernel", "", problems=2, following=True)
    assert header_content(facts, 100).plain == "mkexplorer   /p   1 multi-kernel · ⚠ 2 problems (!) · ● following"


def test_a_place_is_text() -> None:
    assert "/[red]x[/red]␛[31m" in header_content(HeaderFacts("/[red]x[/red]\x1b[31m"), 80).plain


def test_what_goes_on_and_what_is_wrong_with_picks_stands_before_following() -> None:
    facts = HeaderFacts("/p", "1 multi-kernel", "", following=True, unknown_picks=2)
    assert header_content(facts, 100).plain == "mkexplorer   /p   1 multi-kernel · 2 picks unknown (D) · ● following"
    looking = HeaderFacts("/p", "1 multi-kernel", "", doing="finding picks: 1/3", unknown_picks=2, picks_ignored=True)
    assert header_content(looking, 100).plain == (
        "mkexplorer   /p   1 multi-kernel · finding picks: 1/3 · ⚠ picks are ignored (D)"
    )


def test_that_the_place_is_followed_goes_before_what_is_wrong() -> None:
    facts = HeaderFacts("/a/long/way/to/p", "41 multi-kernels", "", following=True, unknown_picks=41)
    shown = header_content(facts, 70).plain
    assert "41 picks unknown" in shown
    assert "following" not in shown

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


@pytest.mark.parametrize("width", range(45, 121))
def test_it_fits(width: int) -> None:
    assert cell_len(header_content(FACTS, width).plain) <= width


def test_problems_and_following_stand_at_the_end() -> None:
    facts = HeaderFacts("/p", "1 multi-kernel", "", problems=2, following=True)
    assert header_content(facts, 100).plain == "mkexplorer   /p   1 multi-kernel · ⚠ 2 problems (!) · ● following"


def test_a_place_is_text() -> None:
    assert "/[red]x[/red]␛[31m" in header_content(HeaderFacts("/[red]x[/red]\x1b[31m"), 80).plain

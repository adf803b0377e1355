"""Several ranks of one program choose alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch._inductor import config as inductor_config

import mkexplorer
from mkexplorer.inductor import session
from tests.inductor_cases.programs import call_of, entries, pick_of, pin, place_of_pick, softmax
from tests.stand_in_gpu import load, set_times


@contextmanager
def one_of_two_ranks() -> Iterator[None]:
    import datetime

    torch.distributed.init_process_group(
        "fake", store=torch.distributed.HashStore(), rank=0, world_size=2, timeout=datetime.timedelta(seconds=5)
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def second_of_two_ranks(folder: Path) -> Any:
    """The wrapper with which the second rank has run, after the first; their caches are "one" and "two"."""
    with one_of_two_ranks(), mkexplorer.installed():
        softmax(load("softmax", folder / "one"))
        second = load("softmax", folder / "two")
        softmax(second)
    return second


def case_ranks_use_the_choice_of_the_first_to_have_one(folder: Path) -> None:
    with one_of_two_ranks(), mkexplorer.installed():
        set_times(looped=31.0, persistent=22.0)
        first = load("softmax", folder / "one")
        softmax(first)
        set_times(looped=10.0, persistent=22.0)
        second = load("softmax", folder / "two")
        softmax(second)
    assert (call_of(first).picked_kernel, call_of(second).picked_kernel) == (1, 1)
    assert session.decisions[-1].how is session.How.AGREED


def case_what_another_rank_chose_is_no_pick_of_this_one(folder: Path) -> None:
    """What was measured here speaks against it, and a later program without that rank is to go by what is faster."""
    with mkexplorer.installed():
        with one_of_two_ranks():
            set_times(looped=22.0, persistent=31.0)
            softmax(load("softmax", folder / "one"))
            set_times(looped=31.0, persistent=22.0)
            second = load("softmax", folder / "two")
            softmax(second)
        assert call_of(second).picked_kernel == 0
        assert not pick_of(second).exists()
        alone = load("softmax", folder / "two")
        softmax(alone)
    assert call_of(alone).picked_kernel == 1
    (entry,) = entries(pick_of(alone))
    assert (entry.after.index, entry.measured.judgement.best, entry.measured.judgement.regret) == (1, 1, 0.0)


def case_a_pinned_pick_stays_whatever_another_rank_chose(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    pin(place_of_pick(folder / "two"), b"0")
    second = second_of_two_ranks(folder)
    assert call_of(second).picked_kernel == 0
    assert session.decisions[-1].how is session.How.PINNED
    assert session.decisions[-1].remark == "another rank chose 1 before this one chose 0"


def case_a_pinned_pick_is_the_choice_of_the_ranks_that_come_later(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    pin(place_of_pick(folder / "one"), b"0")
    second = second_of_two_ranks(folder)
    assert call_of(second).picked_kernel == 0
    assert session.decisions[-1].how is session.How.AGREED


def case_where_nothing_is_measured_the_ranks_agree_too(folder: Path) -> None:
    """The cache of one may hold a pick, and that of another one none."""
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        softmax(load("softmax", folder / "one"))
    for number, (measure, is_deterministic) in enumerate((("once", True), ("never", False))):
        with (
            one_of_two_ranks(),
            mkexplorer.installed(measure=measure),
            inductor_config.patch(deterministic=is_deterministic),
        ):
            softmax(load("softmax", folder / "one"))
            second = load("softmax", folder / f"without{number}")
            softmax(second)
        assert call_of(second).picked_kernel == 1, measure
        assert session.decisions[-1].how is session.How.AGREED
        assert not pick_of(second).exists()

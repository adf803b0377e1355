"""Picks on disk: ours and torch's, those that are not valid, and those that hold no longer."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import mkexplorer
from mkexplorer.inductor import gpu, session
from mkexplorer.picks.changes import PickChange
from mkexplorer.picks.model import Action, Entry, Held, Machine, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change
from tests.inductor_cases.programs import (
    StockCall,
    call_of,
    entries,
    failure_of,
    on_disk,
    pick_of,
    pin,
    place_of_pick,
    softmax,
    warnings_of,
    write_pick,
)
from tests.stand_in_gpu import H100, load, names, races, set_times


def case_stock_reads_our_picks_and_we_read_its(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        softmax(load("softmax", folder))
    module = load("softmax", folder)
    assert type(call_of(module)) is StockCall
    assert call_of(module).picked_kernel == 1
    pick_of(module).unlink()
    Path(f"{pick_of(module)}.json").unlink()
    module = load("softmax", folder)
    with mock.patch.object(StockCall, "benchmark_sub_kernels", return_value=[1.0, 2.0]):
        softmax(module)
    races.clear()
    with mkexplorer.installed():
        module = load("softmax", folder)
        assert call_of(module).picked_kernel == 0
        names()
        softmax(module)
    assert races == []
    assert [name[:10] for name in names()] == ["triton_red"]
    assert session.decisions[-1].how is session.How.LOADED


def case_invalid_picks_are_told_measured_anew_and_repaired(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    for content in (b"", b"garbage", b"7", b"-1", b"1.0", b"\xff\xfe"):
        write_pick(path, content)
        failure = failure_of(load, "softmax", folder)
        assert isinstance(failure, ValueError | AssertionError), "torch itself takes it: is this case still needed?"
        with mkexplorer.installed(), warnings_of() as told:
            module = load("softmax", folder)
            assert call_of(module).picked_kernel is None
            softmax(module)
        assert path.read_bytes() == b"1", content
        assert any(str(path) in each for each in told), told
        last = entries(path)[-1]
        assert (last.before.state, last.before.content, last.why) == (
            PickState.INVALID,
            content,
            "its pick file was not valid",
        )


def case_a_directory_in_the_place_of_a_pick_stops_nobody(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    path.mkdir(parents=True)
    with mkexplorer.installed(), warnings_of() as told:
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert any("not kept" in each for each in told)


def case_the_cache_may_be_a_link(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    with mkexplorer.installed():
        module = load("softmax", folder / "link")
        softmax(module)
    assert pick_of(module).read_text() == "1"


def case_with_the_cache_disabled_picks_are_neither_read_nor_written(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    write_pick(path, b"0")
    with mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"), mkexplorer.installed():
        module = load("softmax", folder)
        assert call_of(module).picked_kernel is None
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert path.read_bytes() == b"0"


def case_a_pick_that_another_gpu_made_is_measured_anew(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
        set_times(looped=20.0, persistent=22.0)
        assert call_of(load("softmax", folder)).picked_kernel == 1
        with mock.patch.object(gpu, "machine", return_value=Machine("NVIDIA H200")):
            module = load("softmax", folder)
            assert call_of(module).picked_kernel is None
            softmax(module)
            assert pick_of(module).read_text() == "0"
            assert entries(pick_of(module))[-1].why == f"it was measured on {H100.gpu}"
            assert call_of(load("softmax", folder)).picked_kernel == 0


def case_gpus_that_agree_on_a_pick_measure_it_once_each(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    h200 = Machine("NVIDIA H200")
    races.clear()
    with mkexplorer.installed():
        for machine in (H100, h200, H100, h200):
            with mock.patch.object(gpu, "machine", return_value=machine):
                module = load("softmax", folder)
                softmax(module)
                assert call_of(module).picked_kernel == 1
        assert len(races) == 2
        # What another GPU picks instead, later, is nothing that this one has measured to be good.
        set_times(looped=20.0, persistent=22.0)
        with mock.patch.object(gpu, "machine", return_value=h200), mkexplorer.installed(measure="always"):
            softmax(load("softmax", folder))
        assert pick_of(module).read_text() == "0"
        softmax(load("softmax", folder))
    assert len(races) == 4
    assert "sub-kernel 1 was measured to be 1.41x as fast" in entries(pick_of(module))[-1].why


def measured(folder: Path) -> tuple[Path, Entry]:
    """A pick, and the evidence that it was made with."""
    module = load("softmax", folder)
    softmax(module)
    path = pick_of(module)
    (entry,) = entries(path)
    return path, entry


def case_a_pick_that_its_own_evidence_speaks_against_is_measured_anew(folder: Path) -> None:
    """As those of ranks were that kept what another one had chosen."""
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        path, entry = measured(folder)
        store, relative, file = on_disk(path)
        after = Held(b"0", PickState.PICKED)
        change = PickChange(relative, "", Action.PICK, file.held, after, file.history.size, measured=entry.measured)
        apply_change(store, change, Occasion(Who.RUNTIME, H100))
        softmax(load("softmax", folder))
    assert path.read_bytes() == b"1"


def case_a_measurement_against_the_pick_has_it_measured_anew(folder: Path) -> None:
    set_times(looped=22.0, persistent=31.0)
    with mkexplorer.installed():
        path, entry = measured(folder)
        pin(path, b"1")
        # What a run time that knows nothing of us writes afterwards, and what somebody measures beside it.
        write_pick(path, b"1\n")
        from mkexplorer.picks.writing import enter_measurement

        store, relative, held = on_disk(path)
        measurement = PickChange(
            relative, "", Action.MEASURE, held.held, held.held, held.history.size, measured=entry.measured
        )
        enter_measurement(store, measurement, Occasion(Who.PERSON, H100))
        module = load("softmax", folder)
        assert call_of(module).picked_kernel is None
        softmax(module)
    assert path.read_bytes() == b"0"
    assert "sub-kernel 0 was measured to be 1.41x as fast" in entries(path)[-1].why

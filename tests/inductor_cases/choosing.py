"""Which sub-kernel is chosen, and what is told and kept of the choice."""

from __future__ import annotations

import os
import threading
import types
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor import config as inductor_config

import mkexplorer
from mkexplorer.inductor import gpu, session
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Action, PickState, Who
from tests.inductor_cases.programs import X, call_of, entries, pick_of, pin, place_of_pick, softmax, write_pick
from tests.stand_in_gpu import H100, effects, load, names, races, set_times


def case_the_faster_one_runs_and_is_kept_with_its_evidence(folder: Path) -> None:
    effects["triton_"] = lambda x, out, xnumel, r0_numel: out.copy_(torch.softmax(x, -1))
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        x = torch.randn(X)
        assert torch.equal(softmax(module, x), torch.softmax(x, -1))
    assert [name[:10] for name in names()] == ["triton_per"]
    assert call_of(module).picked_kernel == 1
    assert pick_of(module).read_text() == "1"
    (entry,) = entries(pick_of(module))
    assert (entry.who, entry.action, entry.after.state) == (Who.RUNTIME, Action.PICK, PickState.PICKED)
    assert entry.multi_kernel == f"{Path(module.__file__ or '').stem}/multi_kernel_0"
    assert entry.machine.gpu == H100.gpu
    measured = entry.measured
    assert [each.cold.median_us for each in measured.sub_kernels] == [31.0, 22.0]
    assert measured.judgement.verdict == "FASTER"
    assert (measured.judgement.best, measured.judgement.regret) == (1, 0.0)
    assert dict(measured.sub_kernels[1].configuration) == {"XBLOCK": 1, "num_warps": 8, "num_stages": 3}
    shapes = [(each.name, each.dtype, each.shape, each.stride) for each in measured.arguments[:2]]
    assert shapes == [("in_ptr0", "float32", X, (2048, 1)), ("out_ptr2", "float32", X, (2048, 1))]
    assert [each.value for each in measured.arguments[2:]] == [4096, 2048]


def case_the_explorer_shows_what_the_program_chose(folder: Path) -> None:
    from mkexplorer.catalog import open_catalog
    from mkexplorer.picks.book import PickRecord
    from mkexplorer.picks.changes import full_id
    from mkexplorer.picks.measurements import recorded_arguments
    from mkexplorer.report.bench_text import arguments_text
    from mkexplorer.report.measured import Knowledge
    from mkexplorer.report.rows import multi_kernel_row

    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
    path = pick_of(module)
    catalog = open_catalog(folder)
    (multi_kernel,) = catalog.multi_kernels
    record = PickRecord(read_pick_file(catalog.store, f"{path.parent.name}/{path.name}", 2))
    assert record.set_by is not None
    assert record.set_by.multi_kernel == full_id(multi_kernel)
    row = multi_kernel_row(multi_kernel, None, record)
    assert (row.pick.state, row.pick.index) == (PickState.PICKED, 1)
    assert row.measurement is not None
    assert row.measurement.knowledge is Knowledge.HISTORY
    assert [timing and timing.median_us for timing in row.measurement.timings] == [31.0, 22.0]
    assert row.loss_us == 0
    assert arguments_text(row.measurement).startswith("recorded: in_ptr0 float32 4096×2048 strides 2048,1, out_ptr2")
    assert len(recorded_arguments(multi_kernel, record)) == len(multi_kernel.calls[0].arguments) == 4


def case_on_a_tie_the_old_pick_stays_or_else_the_first_one_wins(folder: Path) -> None:
    set_times(looped=22.05, persistent=22.0)
    with mkexplorer.installed(measure="always"):
        module = load("softmax", folder)
        softmax(module)
        assert pick_of(module).read_text() == "0"
        write_pick(pick_of(module), b"1")
        module = load("softmax", folder)
        softmax(module)
    assert races[-1] == (2, 1)
    assert pick_of(module).read_text() == "1"


def case_always_measures_what_was_picked_but_not_what_was_pinned(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    write_pick(path, b"0")
    with mkexplorer.installed(measure="always"):
        softmax(load("softmax", folder))
    assert path.read_bytes() == b"1"
    pin(path, b"0")
    with mkexplorer.installed(measure="always"):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 0
    assert path.read_bytes() == b"0"


def case_never_takes_the_pick_or_else_the_first(folder: Path) -> None:
    races.clear()
    with mkexplorer.installed(measure="never"):
        module = load("softmax", folder)
        softmax(module)
        assert call_of(module).picked_kernel == 0
        write_pick(pick_of(module), b"1")
        module = load("softmax", folder)
        softmax(module)
    assert (races, call_of(module).picked_kernel) == ([], 1)


def case_a_forced_pick_is_used_and_not_kept(folder: Path) -> None:
    set_times()
    for value, index in ((2, 0), (3, 1)):
        with inductor_config.patch({"triton.multi_kernel": value}), mkexplorer.installed():
            assert inductor_config.triton.multi_kernel == value
            module = load("softmax", folder)
            races.clear()
            names()
            softmax(module)
        assert races == []
        assert call_of(module).picked_kernel == index
        assert [name[:10] for name in names()] == ["triton_red" if index == 0 else "triton_per"]
        assert not pick_of(module).exists()
        assert session.decisions[-1].how is session.How.FORCED


def case_a_doubtful_choice_is_used_and_not_kept(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    measured = gpu.race_on_gpu

    def disturbed(contestants: Any, old: Any) -> Any:
        return replace(measured(contestants, old), disturbed=99)

    with mkexplorer.installed(), mock.patch.object(gpu, "race_on_gpu", disturbed):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert not pick_of(module).exists()


def case_deterministic_mode_takes_the_first_and_measures_nothing(folder: Path) -> None:
    with inductor_config.patch(deterministic=True):
        assert_first_is_taken_unmeasured(load_installed(folder))


def case_deterministic_mode_of_the_environment_outlasts_a_compilation(folder: Path) -> None:
    """After each, torch sets its own setting to what ``torch.use_deterministic_algorithms`` was told."""
    with mock.patch.dict(os.environ, TORCHINDUCTOR_DETERMINISTIC="1"):
        torch.use_deterministic_algorithms(False)
        assert not inductor_config.deterministic
        assert_first_is_taken_unmeasured(load_installed(folder))


def case_kernels_that_were_generated_in_deterministic_mode_stay_in_it(folder: Path) -> None:
    """As with ``torch.compile(options={"deterministic": True})``, which holds while it compiles."""
    module = load_installed(folder)
    with mock.patch.dict(call_of(module).kernels[0].inductor_meta, deterministic=True):
        assert_first_is_taken_unmeasured(module)


def load_installed(folder: Path) -> types.ModuleType:
    with mkexplorer.installed():
        return load("softmax", folder)


def assert_first_is_taken_unmeasured(module: types.ModuleType) -> None:
    set_times(looped=31.0, persistent=22.0)
    races.clear()
    with mkexplorer.installed(measure="always"):
        softmax(module)
    assert races == []
    assert call_of(module).picked_kernel == 0
    assert session.decisions[-1].how is session.How.DETERMINISTIC
    assert not pick_of(module).exists()


def case_threads_choose_once(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        races.clear()
        start = threading.Barrier(8)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                start.wait()
                for _ in range(5):
                    softmax(module)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len(races) == 1


def case_the_summary_tells_what_torchs_own_rule_would_have_lost(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    session.decisions.clear()
    from torch._inductor.runtime.benchmarking import benchmarker

    asked = mock.Mock(side_effect=[0.1, 0.2])  # torch 2.9 asks by the second name
    with mock.patch.multiple(benchmarker, benchmark=asked, benchmark_gpu=asked), mkexplorer.installed(report=True):
        softmax(load("softmax", folder))
    told = session.summary(session.decisions)
    assert "1 choice: 1 measured" in told
    assert "looped 31.0 µs | *persistent 22.0 µs, FASTER 1.41x; torch's own rule: looped, +9.0 µs" in told
    assert "another choice for 1 of 1, 9.0 µs slower" in told

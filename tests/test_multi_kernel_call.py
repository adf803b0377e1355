"""What a multi-kernel does at run time, told with stub kernels and a race whose times are given."""

from __future__ import annotations

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from mkexplorer.catalog.store import FolderStore
from mkexplorer.multikernel import pick_store
from mkexplorer.multikernel.call import MultiKernelCall
from mkexplorer.multikernel.environment import SettingError, config
from mkexplorer.multikernel.errors import MultiKernelError
from mkexplorer.multikernel.trial import Call
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import PickState, Who

from .stub_kernels import Stopwatch, StubKernel, run_module, two

ROOT = Path(__file__).parents[1]


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(looped=31.0, persistent=22.0, cooperative=40.0)
    monkeypatch.setattr(config, "measure", stopwatch)
    return stopwatch


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISABLE_MULTI_KERNEL_CACHE", "SUB_KERNEL", "METRICS", "SHARE_RANKS"):
        monkeypatch.delenv(f"MKEXPLORER_{name}", raising=False)


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "mkexplorer.multikernel"):
        yield caplog


def pick_file(call: MultiKernelCall, cache: Path) -> Any:
    return read_pick_file(FolderStore(str(cache)), call.pick_path.relative_to(cache).as_posix(), 2)


# ------------------------------------------------------------------------------------------------ the first call


def test_the_first_call_measures_and_launches_the_winner(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    assert call.picked is None
    assert call.run(1, 2) == "persistent"
    assert call.picked == 1
    assert times.races == [(["looped", "persistent"], None)]


def test_after_the_choice_the_call_is_the_winners_launcher(tmp_path: Path, times: Stopwatch) -> None:
    kernels = StubKernel("looped"), StubKernel("persistent")
    call = two(tmp_path, *kernels)
    call.run(1, 2)
    assert call.run == kernels[1].run  # the bound method itself: nothing in between


def test_a_winner_that_takes_fewer_arguments_gets_its_own(tmp_path: Path, times: Stopwatch) -> None:
    kernels = StubKernel("looped"), StubKernel("persistent")
    source = run_module({"looped": "x scratch out n", "persistent": "x out"})
    call = MultiKernelCall("multi_kernel_0", kernels, source, tmp_path)
    call.run("x", "scratch", "out", 7)
    call.run("x", "scratch", "out", 7)
    assert set(kernels[0].calls) == {("x", "scratch", "out", 7)}
    assert set(kernels[1].calls) == {("x", "out")}


def test_grid_and_stream_reach_the_kernel(tmp_path: Path, times: Stopwatch) -> None:
    seen = []

    class Kernel(StubKernel):
        def run(self, *arguments: Any, grid: Any = None, stream: Any = None) -> str:
            seen.append((grid, stream))
            return super().run(*arguments)

    call = two(tmp_path, Kernel("looped"), Kernel("persistent"))
    for _ in range(2):
        call.run(1, 2, grid=(4,), stream=9)
    assert set(seen) == {((4,), 9)}


def test_one_argument_may_be_passed_several_times(tmp_path: Path, times: Stopwatch) -> None:
    statistics = torch.ones(4)

    def update(read: torch.Tensor, written: torch.Tensor) -> None:
        written.copy_(read + 1)

    kernels = (StubKernel("looped", update, mutated=(0, 1)), StubKernel("persistent", update, mutated=(0, 1)))
    two(tmp_path, *kernels).run(statistics, statistics)
    assert statistics.tolist() == [2.0] * 4
    read, written = kernels[0].calls[0]
    assert read is not statistics
    assert read.data_ptr() == written.data_ptr()


def test_measuring_leaves_mutated_arguments_alone(tmp_path: Path, times: Stopwatch) -> None:
    seen = []

    def add_one(tensor: torch.Tensor, _: object) -> None:
        seen.append(tensor.clone())
        tensor += 1

    total = torch.zeros(8)
    kernels = StubKernel("looped", add_one, mutated=(0,)), StubKernel("persistent", add_one, mutated=(0,))
    two(tmp_path, *kernels).run(total, None)
    assert kernels[0].launches + kernels[1].launches > 3
    assert total.tolist() == [1.0] * 8
    assert all(not each.any() for each in seen)  # every launch to measure found the same content


def test_an_output_that_is_also_read_is_copied_too(tmp_path: Path, times: Stopwatch) -> None:
    def double(read: torch.Tensor, out: torch.Tensor) -> None:
        out.copy_(read * 2)

    in_place = torch.ones(4)
    kernels = StubKernel("looped", double, outputs=(1,)), StubKernel("persistent", double, outputs=(1,))
    two(tmp_path, *kernels).run(in_place, in_place)
    assert in_place.tolist() == [2.0] * 4


def test_a_pure_output_costs_no_copy(tmp_path: Path, times: Stopwatch) -> None:
    kernels = StubKernel("looped", outputs=(1,)), StubKernel("persistent", outputs=(1,))
    x, out = torch.ones(4), torch.empty(4)
    two(tmp_path, *kernels).run(x, out)
    assert all(each[0] is x and each[1] is out for each in kernels[0].calls)


# ------------------------------------------------------------------------------------------------ the pick


def test_the_pick_is_kept_with_what_it_rests_on(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path, wrapper="cabc")
    call.run(1, 2)
    file = pick_file(call, tmp_path)
    assert call.pick_path.read_text() == "1"
    assert (file.pick.state, file.pick.index) == (PickState.PICKED, 1)
    entry = file.history.last
    assert entry.who is Who.RUNTIME
    assert entry.multi_kernel == "cabc/multi_kernel_0"
    assert [each.cold.median_us for each in entry.measured.sub_kernels] == [31.0, 22.0]
    assert entry.measured.judgement.verdict == "FASTER"
    assert entry.machine.torch == torch.__version__
    assert entry.machine.gpu is None


def test_the_next_process_loads_it_at_construction(tmp_path: Path, times: Stopwatch) -> None:
    two(tmp_path).run(1, 2)
    again = two(tmp_path)
    assert again.picked == 1
    assert again.run(1, 2) == "persistent"
    assert len(times.races) == 1


def test_a_pinned_pick_holds(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    call.pick_path.parent.mkdir(exist_ok=True)
    call.pick_path.write_text("0")
    assert two(tmp_path).run(1, 2) == "looped"
    assert times.races == []


@pytest.mark.parametrize("content", [b"", b"x", b"7", b"-1", b"\xff", b"1.0"])
def test_an_invalid_pick_is_told_ignored_and_replaced(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = two(tmp_path).pick_path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    call = two(tmp_path)
    assert call.picked is None
    assert f"{path}: ignored" in messages.text
    assert call.run(1, 2) == "persistent"
    assert messages.text.count("ignored") == 1
    assert path.read_text() == "1"
    assert pick_file(call, tmp_path).history.last.before.content == content  # nothing is lost


def test_a_folder_in_the_picks_place_stops_nobody(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture
) -> None:
    two(tmp_path).pick_path.mkdir(parents=True)
    assert two(tmp_path).run(1, 2) == "persistent"
    assert "is not kept" in messages.text


def test_a_cache_that_cannot_be_written_stops_nobody(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert two(tmp_path / "file" / "cache").run(1, 2) == "persistent"
    assert "is not kept" in messages.text


def test_evidence_that_cannot_be_written_stops_nobody(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("no JSON")

    monkeypatch.setattr(pick_store, "apply_change", fail)
    assert two(tmp_path).run(1, 2) == "persistent"
    assert "is not kept: no JSON" in messages.text


def test_a_changed_sub_kernel_has_a_pick_of_its_own(tmp_path: Path) -> None:
    one = MultiKernelCall("m", [StubKernel("a"), StubKernel("b")], run_module({"a": "x", "b": "x"}), tmp_path)
    other = MultiKernelCall("m", [StubKernel("a"), StubKernel("c")], run_module({"a": "x", "c": "x"}), tmp_path)
    assert one.pick_path != other.pick_path


def test_a_choice_made_while_somebody_else_used_the_gpu_is_not_kept(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture
) -> None:
    times.disturbed = 20
    call = two(tmp_path)
    assert call.run(1, 2) == "persistent"
    assert not call.pick_path.exists()
    assert "something else used the GPU during 20 of 24 launches" in messages.text


# ------------------------------------------------------------------------------------------------ ties


def test_a_tie_goes_to_the_first(tmp_path: Path, times: Stopwatch) -> None:
    times.times_us["looped"] = 22.1
    assert two(tmp_path).run(1, 2) == "looped"


def test_a_tie_keeps_the_old_pick(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    call.run(1, 2)
    times.times_us["looped"] = 21.9
    call.confirm(Call((1, 2)))
    assert call.run(1, 2) == "persistent"
    times.times_us["looped"] = 15.0
    call.confirm(Call((1, 2)))
    assert call.run(1, 2) == "looped"
    assert call.pick_path.read_text() == "0"


def test_a_tie_of_the_fastest_leaves_the_slow_first_one_out(tmp_path: Path, times: Stopwatch) -> None:
    times.times_us.update(looped=50.0, persistent=22.0, cooperative=21.9)
    assert two(tmp_path, *map(StubKernel, ("looped", "persistent", "cooperative"))).run(1, 2) == "persistent"


# ------------------------------------------------------------------------------------------------ settings


def test_a_disabled_cache_is_neither_read_nor_written(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = two(tmp_path).pick_path
    path.parent.mkdir(exist_ok=True)
    path.write_text("0")
    monkeypatch.setenv("MKEXPLORER_DISABLE_MULTI_KERNEL_CACHE", "1")
    assert two(tmp_path).run(1, 2) == "persistent"
    assert path.read_text() == "0"


def test_a_switch_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKEXPLORER_DISABLE_MULTI_KERNEL_CACHE", "yes")
    with pytest.raises(SettingError, match="'yes' is neither 0 nor 1"):
        two(tmp_path)


@pytest.mark.parametrize("text", ["0", "multi_kernel_0=0", "softmax=0", "other=1, softmax=0"])
def test_the_environment_can_force_a_sub_kernel(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MKEXPLORER_SUB_KERNEL", text)
    call = two(tmp_path, label="softmax")
    assert call.run(1, 2) == "looped"
    assert times.races == []
    assert not call.pick_path.exists()
    assert "looped (forced)" in repr(call)


def test_the_program_can_force_one_against_the_environment(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKEXPLORER_SUB_KERNEL", "0")
    monkeypatch.setattr(config, "sub_kernel", {"softmax": 1})
    assert two(tmp_path, label="softmax").run(1, 2) == "persistent"
    assert two(tmp_path, label="other").run(1, 2) == "persistent"  # not forced: config says nothing of it, so measured


def test_a_forced_name_that_no_multi_kernel_has_is_told_at_the_end(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from tests.stub_kernels import two\n"
        f"for label in ('plus', 'minus'): two(Path({str(tmp_path)!r}), label=label).run(1, 2)"
    )
    environment = {**os.environ, "MKEXPLORER_SUB_KERNEL": "minus=1,pluss=1,multi_kernel_0=0"}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stderr == (
        "MKEXPLORER_SUB_KERNEL: no multi-kernel of this program is called 'pluss'; "
        "there were plus, multi_kernel_0, minus\n"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2", "has no sub-kernel 2"),
        ("-1", "has no sub-kernel -1"),
        ("first", "'first' cannot be understood"),
        ("multi_kernel_0=x", "cannot be understood"),
    ],
)
def test_a_forced_index_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str) -> None:
    monkeypatch.setenv("MKEXPLORER_SUB_KERNEL", text)
    with pytest.raises(SettingError, match=problem) as raised:
        two(tmp_path)
    assert raised.value.advice


def test_the_debug_log_tells_the_choice(tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture) -> None:
    two(tmp_path, label="softmax", sizes="columns 4096").run(1, 2)
    assert (
        "softmax: pick 1th sub-kernel in ['looped', 'persistent']. Size hints columns 4096. Reduction hint . "
        "Timings [31.0, 22.0] us" in messages.text
    )


def test_the_metrics_table_has_a_row_for_each_sub_kernel(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "metrics.csv"
    monkeypatch.setenv("MKEXPLORER_METRICS", str(file))
    for label in ("softmax", "norm"):
        two(tmp_path / label, label=label).run(1, 2)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["multi_kernel"], row["sub_kernel"], row["picked"], row["median_us"]) for row in rows] == [
        ("softmax", "looped", "0", "31.0"),
        ("softmax", "persistent", "1", "22.0"),
        ("norm", "looped", "0", "31.0"),
        ("norm", "persistent", "1", "22.0"),
    ]
    assert rows[0]["verdict"] == "FASTER"


# ------------------------------------------------------------------------------------------------ futures, failures


def test_nobody_waits_for_a_future_before_the_first_call(tmp_path: Path, times: Stopwatch) -> None:
    futures: list[Future[StubKernel]] = [Future(), Future()]
    call = MultiKernelCall("m", futures, run_module({"looped": "x out", "persistent": "x out"}), tmp_path)
    assert "m" in repr(call)
    for future, name in zip(futures, ("looped", "persistent"), strict=True):
        future.set_result(StubKernel(name))
    assert call.run(1, 2) == "persistent"


def test_with_a_pick_nobody_waits_for_the_loser(tmp_path: Path, times: Stopwatch) -> None:
    source = run_module({"looped": "x out", "persistent": "x out"})
    MultiKernelCall("m", [StubKernel("looped"), StubKernel("persistent")], source, tmp_path).run(1, 2)
    never: Future[StubKernel] = Future()
    assert MultiKernelCall("m", [never, StubKernel("persistent")], source, tmp_path).run(1, 2) == "persistent"


def fail(*arguments: object) -> None:
    raise RuntimeError("out of resource: shared memory")


def test_a_sub_kernel_that_cannot_run_is_left_out(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture
) -> None:
    call = two(tmp_path, StubKernel("looped"), StubKernel("persistent", fail), StubKernel("cooperative"))
    assert call.run(1, 2) == "looped"
    assert "persistent cannot run and is not used: out of resource" in messages.text
    entry = pick_file(call, tmp_path).history.last
    assert "sub-kernel 1 cannot run: RuntimeError: out of resource: shared memory" in entry.why
    assert entry.measured.sub_kernels[1].cold is None


def test_a_choice_without_a_sub_kernel_that_may_run_the_next_time_is_not_kept(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture
) -> None:
    def hiccup(*arguments: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    call = two(tmp_path, StubKernel("looped"), StubKernel("persistent", hiccup))
    assert call.run(1, 2) == "looped"
    assert not call.pick_path.exists()
    assert "holds for this process only: sub-kernel 1 failed: RuntimeError: CUDA error" in messages.text
    again = two(tmp_path)
    assert again.run(1, 2) == "persistent"
    assert again.pick_path.exists()


def test_the_only_one_that_can_run_needs_no_race(tmp_path: Path, times: Stopwatch) -> None:
    assert two(tmp_path, StubKernel("looped", fail), StubKernel("persistent")).run(1, 2) == "persistent"
    assert times.races == []


def test_if_none_can_run_all_reasons_are_told(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path, StubKernel("looped", fail), StubKernel("persistent", fail))
    with pytest.raises(MultiKernelError, match="looped: RuntimeError: out of resource.*persistent: RuntimeError"):
        call.run(1, 2)
    assert not call.pick_path.exists()


def test_a_lack_of_memory_is_no_verdict_on_a_sub_kernel(tmp_path: Path, times: Stopwatch) -> None:
    def exhaust(*arguments: object) -> None:
        raise MemoryError

    call = two(tmp_path, StubKernel("looped", exhaust), StubKernel("persistent"))
    with pytest.raises(MemoryError):
        call.run(1, 2)
    assert call.picked is None


def test_while_cuda_records_a_graph_nothing_is_measured(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = two(tmp_path)
    with monkeypatch.context() as recording:
        recording.setattr("mkexplorer.multikernel.call.is_capturing", lambda device: True)
        assert call.run(1, 2) == "looped"
    assert times.races == []
    assert "recorded into a CUDA graph before it was ever called" in messages.text
    assert call.run(1, 2) == "persistent"  # the first call outside chooses after all


def test_a_metrics_file_that_cannot_be_written_stops_nobody(
    tmp_path: Path, times: Stopwatch, messages: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "metrics", tmp_path / "no folder" / "metrics.csv")
    assert two(tmp_path).run(1, 2) == "persistent"
    assert "no metrics written" in messages.text


def test_a_suggested_sub_kernel_is_used_until_it_is_confirmed(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    call.suggest(0)
    assert call.run(1, 2) == "looped"
    assert not call.pick_path.exists()  # what is only suggested is not kept
    assert "looped (suggested)" in repr(call)
    call.confirm(Call((1, 2)))
    assert call.run(1, 2) == "persistent"
    assert times.races == [(["looped", "persistent"], None)]  # nobody measured it, so it is no old pick
    assert call.pick_path.read_text() == "1"


def test_a_suggested_sub_kernel_that_cannot_run_here_is_left_out(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path, StubKernel("looped", fail), StubKernel("persistent"))
    call.suggest(0)
    assert call.run(1, 2) == "persistent"
    assert "persistent (picked)" in repr(call)

"""The bench job from its request to its answer, with a GPU and kernels that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mkexplorer.race import racing
from mkexplorer.race.racing import Settings

torch = pytest.importorskip("torch")
from mkexplorer.worker import bench, loaded, loading  # noqa: E402  torch may be missing
from mkexplorer.worker.failures import JobFailed  # noqa: E402
from tests import fake_gpu  # noqa: E402
from tests.fake_gpu import Configuration, FakeGpu, Kernel, Launcher, copying, kernel  # noqa: E402

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the job on ``gpu`` with the kernels given by name."""
    loaded.shelf.cache_clear()
    monkeypatch.setattr(loading, "forget", lambda modules: None)

    def run(gpu: FakeGpu, kernels: dict[str, Kernel], text: str = fake_gpu.SOURCE, **more: Any) -> dict[str, Any]:
        monkeypatch.setattr(bench, "the_gpu", lambda: gpu)
        monkeypatch.setattr(loading, "load", fake_gpu.modules(**kernels))
        sub_kernels = more.pop("sub_kernels", fake_gpu.request(*kernels, text=text))
        answer = bench.bench("cuda", sub_kernels, more.pop("arguments", fake_gpu.arguments()), **more)
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    return run


class TestRuling:
    def test_the_faster_one_is_named(self, run: Run) -> None:
        answer = run(FakeGpu(slow=20.0, fast=10.0), {"slow": kernel(), "fast": kernel()}, picked=0)
        ruling = answer["ruling"]
        assert (ruling["verdict"], ruling["best"], ruling["rival"]) == ("FASTER", 1, 0)
        assert ruling["ratio"] == pytest.approx(2.0)
        assert [each["agrees"] for each in answer["sub_kernels"]] == [True, True]
        assert [each["problem"] for each in answer["sub_kernels"]] == ["", ""]

    def test_each_sub_kernel_gets_its_times_and_what_it_takes(self, run: Run) -> None:
        answer = run(FakeGpu(slow=20.0, fast=10.0), {"slow": kernel(), "fast": kernel()})
        slow = answer["sub_kernels"][0]
        assert (slow["cold"]["median_us"], slow["hot"]["median_us"]) == (20.0, 10.0)
        assert slow["cold"]["n"] == len(slow["samples_us"]) == answer["rounds"]
        assert slow["resources"] == {"registers": 32, "spills": 0, "shared_bytes": 1024}
        assert slow["configuration"] == {"XBLOCK": 64, "num_warps": 4, "num_stages": 1}
        assert answer["bytes_moved"] == 2 * 4096 * 4
        assert answer["environment"]["copy_gb_per_s"] == 3000.0
        assert answer["environment"]["sm_clock_mhz"] == 1980.0
        assert answer["environment"]["contended"] == ""

    def test_of_two_that_differ_neither_is_recommended(self, run: Run) -> None:
        answer = run(FakeGpu(a=20.0, b=10.0), {"a": kernel(), "b": kernel(copying(1.5))}, picked=0)
        assert answer["ruling"] is None
        assert [each["agrees"] for each in answer["sub_kernels"]] == [False, False]
        assert all("out_ptr0 differs" in each["problem"] for each in answer["sub_kernels"])
        assert answer["sub_kernels"][1]["cold"]["median_us"] == 10.0

    def test_of_three_the_odd_one_does_not_race(self, run: Run) -> None:
        kernels = {"a": kernel(), "wrong": kernel(copying(1.5)), "c": kernel()}
        answer = run(FakeGpu(a=20.0, wrong=1.0, c=10.0), kernels, picked=0)
        assert (answer["ruling"]["best"], answer["ruling"]["rival"]) == (2, 0)
        wrong = answer["sub_kernels"][1]
        assert (wrong["agrees"], wrong["cold"], wrong["samples_us"]) == (False, None, [])

    def test_an_interval_without_an_end_is_told_as_json_can(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bench, "_SETTINGS", Settings(first_rounds=8, gpu_budget_us=0.0))
        monkeypatch.setattr(racing, "fewest_rounds", lambda kernels: 3)
        ruling = run(FakeGpu(slow=20.0, fast=10.0), {"slow": kernel(), "fast": kernel()})["ruling"]
        assert (ruling["verdict"], ruling["low"], ruling["high"]) == ("UNSURE", 0.0, None)

    def test_an_output_that_is_not_written_is_seen(self, run: Run) -> None:
        def half(source: Any, target: Any, count: int) -> None:
            target[: count // 2].copy_(source[: count // 2])

        answer = run(FakeGpu(), {"a": kernel(), "b": kernel(half)})
        assert answer["sub_kernels"][1]["agrees"] is False
        assert "in 2048 of 4096 elements" in answer["sub_kernels"][1]["problem"]

    def test_disturbed_launches_are_told(self, run: Run) -> None:
        gpu = FakeGpu()
        gpu.watch.disturbed = 50
        assert "launches were disturbed" in run(gpu, {"a": kernel(), "b": kernel()})["environment"]["contended"]


class TestProblems:
    def test_one_that_cannot_be_compiled_does_not_stop_the_other(self, run: Run) -> None:
        kernels = {"a": kernel(fails="out of resource: shared memory\nmore"), "b": kernel()}
        answer = run(FakeGpu(b=10.0), kernels)
        assert answer["sub_kernels"][0]["problem"] == "RuntimeError: out of resource: shared memory"
        assert answer["sub_kernels"][0]["resources"] is None
        assert answer["sub_kernels"][1]["cold"]["median_us"] == 10.0
        assert answer["sub_kernels"][1]["agrees"] is None
        assert answer["ruling"] is None

    def test_one_that_cannot_be_launched_does_not_stop_the_other(self, run: Run) -> None:
        answer = run(FakeGpu(), {"a": kernel(lambda source: None), "b": kernel()})
        assert answer["sub_kernels"][0]["problem"].startswith("TypeError: ")
        assert answer["sub_kernels"][1]["cold"]

    def test_none_that_runs_is_an_answer_too(self, run: Run) -> None:
        answer = run(FakeGpu(), {"a": kernel(fails="no"), "b": kernel(fails="no")})
        assert (answer["ruling"], answer["rounds"]) == (None, 0)

    def test_a_missing_function_is_told(self, run: Run) -> None:
        sub_kernels = fake_gpu.request("a", "b")
        sub_kernels[1]["name"] = "other"
        answer = run(FakeGpu(), {"a": kernel(), "b": kernel()}, sub_kernels=sub_kernels)
        assert answer["sub_kernels"][1]["problem"] == "AttributeError: its file defines no other"

    def test_an_illegal_address_poisons_the_process(self, run: Run) -> None:
        gpu = FakeGpu()

        def break_it(*_: Any) -> None:
            gpu.is_poisoned = True

        with pytest.raises(JobFailed) as failure:
            run(gpu, {"a": kernel(), "b": kernel(break_it)})
        assert failure.value.is_poisoned
        reason = "sub-kernel 1, b: RuntimeError: CUDA error: an illegal memory access was encountered"
        assert str(failure.value) == reason
        assert gpu.released == 0

    @pytest.mark.parametrize(("limit", "free", "reason"), [(1 << 20, 1 << 30, "allowed"), (None, 1 << 20, "free")])
    def test_too_much_memory_is_told_before_it_is_taken(
        self, run: Run, limit: int | None, free: int, reason: str
    ) -> None:
        gpu = FakeGpu()
        gpu.free = free
        with pytest.raises(JobFailed, match=f"need 320.0 MiB of GPU memory, and 1.0 MiB are {reason}") as failure:
            run(gpu, {"a": kernel()}, arguments=fake_gpu.arguments(1 << 24), memory_limit_bytes=limit)
        assert not failure.value.is_poisoned
        assert gpu.limit_bytes == limit
        assert gpu.released == 1

    def test_running_out_of_memory_all_the_same_is_told(self, run: Run) -> None:
        def greedy(*_: Any) -> None:
            raise MemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")

        answer = run(FakeGpu(), {"a": kernel(greedy), "b": kernel()})
        assert answer["sub_kernels"][0]["problem"] == "MemoryError: CUDA out of memory. Tried to allocate 20.00 GiB."

    def test_a_profiler_that_misses_something_is_tried_again(self, run: Run) -> None:
        gpu = FakeGpu(a=20.0, b=10.0)
        gpu.watch.fails = 1
        answer = run(gpu, {"a": kernel(), "b": kernel()})
        assert answer["ruling"]["best"] == 1
        assert answer["notes"] == []

    def test_events_stand_in_for_it_in_the_one_race_that_it_does_not_see(self, run: Run) -> None:
        gpu = FakeGpu(a=20.0, b=10.0)
        gpu.watch.fails = 2
        answer = run(gpu, {"a": kernel(), "b": kernel()})
        assert answer["ruling"]["best"] == 1
        assert answer["notes"] == ["timed with events: RuntimeError: the profiler saw 3 of 8 marks"]
        assert run(gpu, {"a": kernel(), "b": kernel()})["notes"] == []

    def test_without_a_profiler_there_is_nothing_to_try_again(self, run: Run) -> None:
        gpu = FakeGpu()
        gpu.uses_profiler, gpu.watch.fails = False, 1
        with pytest.raises(JobFailed, match="3 of 8 marks"):
            run(gpu, {"a": kernel(), "b": kernel()})


class TestArguments:
    def test_nan_is_measured_with_positive_values(self, run: Run) -> None:
        def root(source: Any, target: Any, count: int) -> None:
            target.copy_(source.sqrt())

        answer = run(FakeGpu(), {"a": kernel(root), "b": kernel(root)})
        assert answer["notes"] == ["normal values give NaN, so it ran with positive ones"]
        assert answer["sub_kernels"][0]["agrees"] is True

    def test_what_is_overwritten_is_put_back_before_every_launch(self, run: Run) -> None:
        seen: list[float] = []

        def increase(buffer: Any, other: Any, count: int) -> None:
            seen.append(float(buffer[0]))
            buffer.add_(1)

        text = fake_gpu.SOURCE.replace("in_ptr0", "in_out_ptr0").replace("[]", "['in_out_ptr0']")
        text = text.replace("tl.store(out_ptr0", "tl.store(in_out_ptr0")
        arguments = fake_gpu.arguments()
        arguments[0]["name"] = "in_out_ptr0"
        answer = run(FakeGpu(), {"a": kernel(increase), "b": kernel(increase)}, text, arguments=arguments)
        assert len(seen) > 20
        assert len(set(seen)) == 1
        assert answer["sub_kernels"][0]["agrees"] is True

    def test_each_sub_kernel_takes_its_own(self, run: Run) -> None:
        taken: list[tuple[int, ...]] = []

        def note(source: Any, target: Any, count: int) -> None:
            taken.append(tuple(source.shape))
            target.fill_(1)

        sub_kernels = fake_gpu.request("a", "b")
        sub_kernels[0]["takes"], sub_kernels[1]["takes"] = [0, 1, 2], [3, 1, 2]
        arguments = [*fake_gpu.arguments(), {**fake_gpu.arguments(8)[0], "name": "in_ptr1"}]
        run(FakeGpu(), {"a": kernel(note), "b": kernel(note)}, sub_kernels=sub_kernels, arguments=arguments)
        assert set(taken) == {(4096,), (8,)}

    def test_without_arguments_they_are_estimated(self, run: Run) -> None:
        answer = run(FakeGpu(), {"a": kernel(), "b": kernel()}, arguments=None)
        assert answer["arguments"] == "estimated"
        assert answer["bytes_moved"] == 2 * 64 * 4


class TestLoading:
    def test_a_second_measurement_compiles_nothing(self, run: Run) -> None:
        kernels = {"a": kernel(), "b": kernel()}
        gpu = FakeGpu()
        run(gpu, kernels)
        run(gpu, kernels)
        assert [each.compilations for each in kernels.values()] == [1, 1]

    def test_few_are_kept(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loaded, "_KEPT", 1)
        one, other = {"a": kernel()}, {"b": kernel()}
        for kernels in (one, other, one):
            run(FakeGpu(), kernels)
        assert one["a"].compilations == 2

    def test_what_failed_is_tried_again(self, run: Run) -> None:
        broken = kernel(fails="no")
        assert run(FakeGpu(), {"a": broken})["sub_kernels"][0]["problem"]
        broken._fails = ""
        assert not run(FakeGpu(), {"a": broken})["sub_kernels"][0]["problem"]


class TestTuning:
    def two(self, **more: Any) -> Kernel:
        slow, fast = (Launcher(copying(), Configuration(XBLOCK=size)) for size in (8, 16))
        return Kernel(slow, fast, **more)

    def race_of(self, monkeypatch: pytest.MonkeyPatch, *times_us: float) -> None:
        """Times configurations by their place, not by the name of their kernel."""

        def rename(self: Any, index: int, made: Any, launcher: Any = None) -> Any:
            found = contestant(self, index, made, launcher)
            places = {8: "8", 16: "16"}
            name = places.get(launcher.config.kwargs["XBLOCK"], "") if launcher else found.name
            return type(found)(name, found.launch, found.restore)

        contestant = bench.Bench._contestant
        monkeypatch.setattr(bench.Bench, "_contestant", rename)

    def test_the_fastest_configuration_is_chosen(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.race_of(monkeypatch)
        answer = run(FakeGpu(**{"8": 20.0, "16": 10.0}), {"a": self.two(), "b": kernel()})
        assert answer["sub_kernels"][0]["configuration"]["XBLOCK"] == 16

    def test_whose_times_are_by_events_is_told(self, run: Run) -> None:
        gpu = FakeGpu()
        gpu.watch.fails = 2
        notes = run(gpu, {"a": self.two(), "b": kernel()})["notes"]
        assert [note.partition(":")[0] for note in notes] == ["configurations of sub-kernel 0 timed with events"]

    def test_a_recorded_one_is_not_tuned_again(self, run: Run) -> None:
        sub_kernels = fake_gpu.request("a")
        sub_kernels[0]["configuration"] = {"XBLOCK": 8, "num_warps": 4, "num_stages": 1}
        stages: list[str] = []
        answer = run(
            FakeGpu(), {"a": self.two()}, sub_kernels=sub_kernels, tell=lambda told: stages.append(told["stage"])
        )
        assert answer["sub_kernels"][0]["configuration"]["XBLOCK"] == 8
        assert "tuning" not in stages

    def test_another_configuration_tells_how_noisy_a_sum_is(self, run: Run) -> None:
        noisy = Kernel(Launcher(copying(), Configuration(XBLOCK=8)), Launcher(copying(1.001), Configuration(XBLOCK=16)))
        answer = run(FakeGpu(), {"a": noisy, "b": kernel(copying(1.002))})
        assert [each["agrees"] for each in answer["sub_kernels"]] == [True, True]
        (note,) = answer["notes"]
        assert note.startswith("out_ptr0 differs from that of sub-kernel")
        assert note.endswith("; with other values it did not")

    def test_a_configuration_that_cannot_be_launched_is_left_out(self, run: Run) -> None:
        broken = Kernel(Launcher(lambda: None, Configuration(XBLOCK=8)), Launcher(copying(), Configuration(XBLOCK=16)))
        answer = run(FakeGpu(), {"a": broken, "b": kernel()})
        assert answer["sub_kernels"][0]["configuration"]["XBLOCK"] == 16
        assert answer["sub_kernels"][0]["problem"] == ""


def test_progress_has_every_sample_once(run: Run) -> None:
    told: list[dict[str, Any]] = []
    answer = run(FakeGpu(a=20.0, b=10.0), {"a": kernel(), "b": kernel()}, tell=told.append)
    assert [each["stage"] for each in told][:3] == ["loading", "loading", "checking"]
    samples: list[list[float]] = [[], []]
    for each in told:
        for index, times_us in enumerate(each["times_us"] or []):
            samples[index] += times_us
    assert samples == [each["samples_us"] for each in answer["sub_kernels"]]

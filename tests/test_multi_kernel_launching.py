"""A sub-kernel's own configurations and launcher, told with stand-ins for Triton's functions."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mkexplorer.multikernel.binding import Passed, part_of, triton_launcher
from mkexplorer.multikernel.call import MultiKernelCall
from mkexplorer.multikernel.environment import config
from mkexplorer.multikernel.errors import MultiKernelError
from mkexplorer.multikernel.launching import Kernel
from mkexplorer.multikernel.meta import KernelMeta
from mkexplorer.multikernel.values import literal

from .stub_kernels import Stopwatch, StubKernel, run_module

CONFIGS: tuple[Mapping[str, int], ...] = ({"BLOCK": 16, "num_warps": 1}, {"BLOCK": 32, "num_warps": 2})


class Function:
    """As a function of `triton.jit` looks from outside."""

    def __init__(self, *parameters: str) -> None:
        self.arg_names = list(parameters)
        self.launches: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.callers: list[str] = []

    def run(self, *arguments: Any, grid: Any, warmup: bool, **given: Any) -> str:
        assert not warmup
        if given.get("BLOCK") == 99:
            raise RuntimeError("out of resource")
        if arguments and isinstance(arguments[0], torch.Tensor):
            arguments[0].add_(1)
        self.callers = callers_up_to_here()
        self.launches.append((arguments, {**given, "grid": grid}))
        return "launched"


class Heuristics:
    """As what `triton.heuristics` makes looks from outside."""

    def __init__(self, fn: Any) -> None:
        self.fn, self.arg_names, self.values = fn, fn.arg_names, {"EVEN": None}
        self.run = fn.run


def callers_up_to_here() -> list[str]:
    """The files of the Python functions that are between a test and a stand-in for one of Triton's."""
    files = []
    frame = sys._getframe(2)
    while frame.f_code.co_filename != __file__ and frame.f_back is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(**{"k#0": 3.0, "k#1": 2.0, "k#2": 9.0})
    monkeypatch.setattr(config, "measure", stopwatch)
    monkeypatch.delenv("MKEXPLORER_DISABLE_MULTI_KERNEL_CACHE", raising=False)
    return stopwatch


def kernel(*configs: Mapping[str, int], file: Path | None = None, **meta: Any) -> Kernel:
    function = Function("x", "n", "EPS", "BLOCK")
    return Kernel(function, KernelMeta("k", constants={"EPS": 0.5}, configs=configs or ({},), **meta), file)


def test_constants_and_options_are_passed_by_name() -> None:
    one = kernel({"BLOCK": 16, "num_warps": 4})
    assert one.arguments == ("x", "n")
    assert one.run(1, 2, grid=(3,)) == "launched"
    assert one.function.launches == [((1, 2), {"EPS": 0.5, "BLOCK": 16, "num_warps": 4, "grid": (3,)})]


def test_behind_a_constant_in_the_middle_arguments_go_by_name() -> None:
    function = Function("x", "BLOCK", "n")
    Kernel(function, KernelMeta("k", configs=({"BLOCK": 16},))).run(1, 2, grid=(3,))
    assert function.launches == [((1,), {"n": 2, "BLOCK": 16, "grid": (3,)})]


def test_after_the_first_launch_run_is_the_launcher() -> None:
    one = kernel({"BLOCK": 16})
    assert "run" not in vars(one)
    one.run(1, 2, grid=(3,))
    assert one.run(1, 2, grid=(4,), stream=7) == "launched"
    assert vars(one)["run"].__code__.co_filename == "<call of a multi-kernel>"


def test_the_fastest_configuration_is_found_on_copies(times: Stopwatch, tmp_path: Path) -> None:
    file = tmp_path / "ab" / "k.best_config"
    one = kernel(*CONFIGS, file=file, mutated=("x",))
    x = torch.zeros(2)
    one.run(x, 2, grid=(3,))
    assert x.tolist() == [1.0, 1.0]
    assert one.configuration == CONFIGS[1]
    assert repr(one) == "<other k: BLOCK 32, num_warps 2>"
    kept = json.loads(file.read_text())
    assert (kept["BLOCK"], kept["num_warps"], kept["time_taken_ms"]) == (32, 2, 0.002)
    assert list(file.parent.iterdir()) == [file]


def test_what_was_found_is_remembered(times: Stopwatch, tmp_path: Path) -> None:
    for _ in range(2):
        kernel(*CONFIGS, file=tmp_path / "k.best_config").run(1, 2, grid=(3,))
    assert len(times.races) == 1


@pytest.mark.parametrize("values", [(torch.float16, torch.float32), ((16,), (32,)), (math.inf, -math.inf)])
def test_what_json_has_no_value_for_is_remembered_too(
    times: Stopwatch, tmp_path: Path, values: tuple[Any, Any]
) -> None:
    file = tmp_path / "k.best_config"
    found = []
    for _ in range(2):
        one = kernel(*({"EPS": value} for value in values), file=file)
        one.run(1, 2, 16, grid=(3,))
        found.append(one.configuration)
    assert found == [{"EPS": values[1]}] * 2
    assert len(times.races) == 1
    assert json.loads(file.read_text())["EPS"] == literal(values[1])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"BLOCK": 32}', b"\xff"])
def test_a_broken_memory_is_measured_anew(times: Stopwatch, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "k.best_config"
    file.write_bytes(content)
    one = kernel(*CONFIGS, file=file)
    one.run(1, 2, grid=(3,))
    assert one.configuration == CONFIGS[1]


def test_other_configurations_are_not_taken_for_these(times: Stopwatch, tmp_path: Path) -> None:
    file = tmp_path / "k.best_config"
    kernel(*CONFIGS, file=file).run(1, 2, grid=(3,))
    kernel(*CONFIGS, {"BLOCK": 64, "num_warps": 2}, file=file).run(1, 2, grid=(3,))
    assert len(times.races) == 2


def test_a_configuration_that_cannot_run_is_left_out(times: Stopwatch) -> None:
    one = kernel({"BLOCK": 99}, {"BLOCK": 16}, {"BLOCK": 32})
    one.run(1, 2, grid=(3,))
    assert times.races == [(["k#1", "k#2"], None)]
    with pytest.raises(RuntimeError, match="out of resource"):
        kernel({"BLOCK": 99}, {"BLOCK": 99}).run(1, 2, grid=(3,))


def test_a_neighbours_configuration_is_used_until_it_is_reconsidered(times: Stopwatch, tmp_path: Path) -> None:
    tuned = kernel(*CONFIGS)
    tuned.run(1, 2, grid=(3,))
    times.times_us["k#0"] = 1.0
    file = tmp_path / "k.best_config"
    near = kernel(*CONFIGS, file=file)
    near.suggest(tuned)
    near.run(1, 4, grid=(3,))
    assert near.configuration == CONFIGS[1]
    assert len(times.races) == 1
    assert not file.exists()
    near.reconsider()
    near.run(1, 4, grid=(3,))
    assert near.configuration == CONFIGS[0]
    assert file.exists()
    near.reconsider()  # what is tuned is not tuned again
    assert near.configuration == CONFIGS[0]


def test_a_neighbours_configuration_is_used_only_if_it_is_among_the_own_ones(times: Stopwatch) -> None:
    tuned = kernel(*CONFIGS)
    tuned.run(1, 2, grid=(3,))
    elsewhere = kernel({"BLOCK": 64, "num_warps": 4}, {"BLOCK": 8, "num_warps": 1}, CONFIGS[1])
    elsewhere.suggest(tuned)
    elsewhere.run(1, 4, grid=(3,))
    assert elsewhere.configuration == CONFIGS[1]
    assert len(times.races) == 1
    without = kernel(CONFIGS[0], {"BLOCK": 64, "num_warps": 4})
    without.suggest(tuned)
    without.run(1, 4, grid=(3,))
    assert len(times.races) == 2


def test_a_neighbours_configuration_is_the_same_whatever_a_heuristic_says_of_it(times: Stopwatch) -> None:
    def of_size(is_even: bool) -> Kernel:
        one = kernel(*({**config, "EVEN": is_even} for config in CONFIGS))
        one.function = Heuristics(one.function)
        return one

    tuned, near = of_size(True), of_size(False)
    tuned.run(1, 2, grid=(3,))
    near.suggest(tuned)
    near.run(1, 4, grid=(3,))
    assert near.configuration == {**CONFIGS[1], "EVEN": False}
    assert len(times.races) == 1


def test_a_configuration_found_while_somebody_used_the_gpu_is_not_kept(times: Stopwatch, tmp_path: Path) -> None:
    times.disturbed = 20
    one = kernel(*CONFIGS, file=tmp_path / "k.best_config")
    one.run(1, 2, grid=(3,))
    assert one.configuration == CONFIGS[1]
    assert not list(tmp_path.iterdir())


def test_while_cuda_records_a_graph_nothing_is_tuned(
    times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = kernel(*CONFIGS)
    with monkeypatch.context() as recording, caplog.at_level("WARNING", "mkexplorer.multikernel"):
        recording.setattr("mkexplorer.multikernel.launching.is_capturing", lambda device: True)
        one.run(1, 2, grid=(3,))
    assert [given["BLOCK"] for _, given in one.function.launches] == [16]  # the launch itself, and no other
    assert times.races == []
    assert "k: recorded into a CUDA graph before its configurations were ever tried" in caplog.text
    one.prepare((1, 2), (3,))
    assert one.configuration == CONFIGS[1]  # the first call outside tunes after all


def test_recorded_first_a_kernel_that_is_called_directly_is_tuned_later(
    times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = kernel(*CONFIGS)
    with monkeypatch.context() as recording, caplog.at_level("WARNING", "mkexplorer.multikernel"):
        recording.setattr("mkexplorer.multikernel.launching.is_capturing", lambda device: True)
        for _ in range(3):
            one.run(1, 2, grid=(3,))
    assert caplog.text.count("recorded into a CUDA graph") == 1
    one.run(1, 2, grid=(3,))
    assert [given["BLOCK"] for _, given in one.function.launches[:3]] == [16] * 3
    assert one.function.launches[-1][1]["BLOCK"] == 32
    assert len(times.races) == 1


# ------------------------------------------------------------------------------------------------ as part of a call


TAKES_LESS = {"k": "out x n", "other": "x scratch out n"}


def of_two(one: Kernel, cache: Path) -> MultiKernelCall:
    """Of ``one`` and a slower one that takes more, in another order."""
    return MultiKernelCall("multi_kernel_0", [one, StubKernel("other")], run_module(TAKES_LESS), cache)


def takes_less(*configs: Mapping[str, int]) -> Kernel:
    function = Function("out", "EPS", "x", "n", "BLOCK")
    return Kernel(function, KernelMeta("k", constants={"EPS": 0.5}, configs=configs))


@pytest.fixture
def k_wins(times: Stopwatch) -> Stopwatch:
    times.times_us.update(k=1.0, other=2.0)
    return times


def test_one_function_stands_between_a_call_and_triton(k_wins: Stopwatch, tmp_path: Path) -> None:
    one = takes_less({"BLOCK": 16, "num_warps": 4})
    call = of_two(one, tmp_path)
    call.run("x", "scratch", "out", 7, grid=(3,))
    assert call.run("x", "scratch", "out", 7, grid=(4,), stream=5) == "launched"
    given = {"EPS": 0.5, "x": "x", "n": 7, "BLOCK": 16, "num_warps": 4, "grid": (4,)}
    assert one.function.launches[-1] == (("out",), given)
    assert one.function.callers == ["<call of a multi-kernel>"]


def test_one_that_takes_all_is_called_as_it_is(k_wins: Stopwatch, tmp_path: Path) -> None:
    one = kernel({"BLOCK": 16})
    source = run_module({"k": "x n", "other": "x n"})
    call = MultiKernelCall("multi_kernel_0", [one, StubKernel("other")], source, tmp_path)
    call.run(1, 2, grid=(3,))
    assert call.run is one.run
    call.run(1, 2, grid=(3,))
    assert one.function.callers == ["<call of a multi-kernel>"]


def test_a_part_of_a_call_is_launched_with_the_tuned_configuration(k_wins: Stopwatch, tmp_path: Path) -> None:
    one = takes_less(*CONFIGS)
    call = of_two(one, tmp_path)
    for _ in range(2):
        call.run("x", "scratch", "out", 7, grid=(3,))
    assert one.function.launches[-1][1]["BLOCK"] == 32


def test_recorded_first_a_part_of_a_call_is_tuned_later(
    k_wins: Stopwatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = takes_less(*CONFIGS)
    call = of_two(one, tmp_path)
    with monkeypatch.context() as recording:
        for module in ("call", "launching"):
            recording.setattr(f"mkexplorer.multikernel.{module}.is_capturing", lambda device: True)
        call.run("x", "scratch", "out", 7, grid=(3,))
    assert [(arguments, given["BLOCK"]) for arguments, given in one.function.launches] == [(("out",), 16)]
    call.run("x", "scratch", "out", 7, grid=(3,))
    assert one.function.launches[-1][1]["BLOCK"] == 32


def test_one_argument_may_be_taken_twice() -> None:
    one = kernel({"BLOCK": 16}, grid=("7",))
    one.prepare((1, 2), None)
    one.launcher_for(("grid", "class", "own_grid"), (2, 2))(1, 2, 3, grid=(3,))
    ((arguments, given),) = one.function.launches
    assert arguments == (3, 3)
    assert given["grid"]({}) == (7,)  # its own holds


def test_its_own_grid_holds() -> None:
    one = kernel({"BLOCK": 16}, grid=("cdiv(n, BLOCK)",))
    one.run(1, 40)
    grid = one.function.launches[0][1]["grid"]
    assert grid({"n": 40, "BLOCK": 16}) == (3,)


def test_a_call_that_does_not_fit_is_told() -> None:
    with pytest.raises(MultiKernelError, match=r"k takes 2 arguments \(x, n\), and 1 were given"):
        kernel({"BLOCK": 16}).run(1, grid=(3,))
    with pytest.raises(MultiKernelError, match="k has no grid of its own"):
        kernel({"BLOCK": 16}).run(1, 2)


def test_clone_args_answers_as_inductors_kernels_do() -> None:
    x = torch.zeros(2)
    arguments, named = kernel({"BLOCK": 16}, mutated=("x",)).clone_args(x, 2)
    assert (arguments[1], named) == (2, {})
    assert arguments[0] is not x


@pytest.mark.parametrize("names", [("grid", "stream", "launch"), ("x", "class", "given0"), ("own_grid", "run", "a-b")])
def test_any_parameter_name_can_be_bound(names: tuple[str, ...]) -> None:
    run = part_of(lambda *arguments, grid, stream: (arguments, grid, stream), names, (2, 0))
    assert run(1, 2, 3, grid=4, stream=5) == ((3, 1), 4, 5)


def test_a_launcher_for_triton_takes_its_own_names() -> None:
    passed = Passed(("grid_", "launch"), {"grid_": 0, "launch": 1})
    run = triton_launcher(lambda *given, **named: (given, named), ("grid_", "launch"), passed, {"num_warps": 4}, None)
    assert run(1, 2, grid=(3,)) == ((1, 2), {"num_warps": 4, "grid": (3,), "warmup": False})

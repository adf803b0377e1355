"""Kernels do to their worker whatever they like: each fault costs its own job, with a reason, and no other."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchCancelled, BenchError, BenchUnusable
from mkexplorer.measure.model import Device, KernelUnderTest, Progress, Stage
from mkexplorer.measure.verdict import Verdict

from .bench_answers import answer, request
from .fake_python import fake_python, script

GOOD = f"answer(result={answer()!r})"
RACING = "answer(progress={'stage': 'racing', 'sub_kernel': None, 'done': 3, 'total': 10, 'times_us': [[1.0], [2.0]]})"
Make = Callable[..., Bencher]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers get their folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a Bencher whose worker does ``job``; once, if there is ``then``, and that after it."""
    with ExitStack() as stack:

        def make_bencher(job: str = GOOD, *, then: str = "", **options: Any) -> Bencher:
            hello = {"cuda": True, **options.pop("hello", {})}
            if then:
                mark = str(tmp_path / "done once")
                job = f"if os.path.exists({mark!r}):\n{indented(then)}\nelse:\n    open({mark!r}, 'w')\n{indented(job)}"
            python = fake_python(tmp_path / "python", start=options.pop("start", ""), hello=hello, job=job)
            return stack.enter_context(Bencher(python, **options))

        yield make_bencher


def indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class TestGoodWorker:
    def test_gives_what_it_measured_with_the_cost_of_the_pick(self, make: Make) -> None:
        result = make().bench(request())
        assert result.judgement is not None
        assert (result.judgement.verdict, result.judgement.best, result.judgement.rival) == (Verdict.FASTER, 1, 0)
        assert result.judgement.regret == pytest.approx(0.25)
        assert result.sub_kernels[0].samples_us == (9.9, 10.0, 10.1)
        assert result.environment.gpu == "H100"
        assert result.notes == ("s0 = 4096, as asked", "a note")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", result.when)

    def test_tells_its_progress_with_all_samples_so_far(self, make: Make) -> None:
        heard: list[Progress] = []
        make(f"{RACING}\n{RACING}\n{GOOD}").bench(request(), heard.append)
        assert [each.stage for each in heard] == [Stage.STARTING, Stage.RACING, Stage.RACING]
        assert heard[-1].samples_us == ((1.0, 1.0), (2.0, 2.0))
        assert (heard[-1].done, heard[-1].total) == (3, 10)

    def test_serves_many_jobs(self, make: Make, tmp_path: Path) -> None:
        bencher = make(start=f"open({str(tmp_path / 'starts')!r}, 'a').write('x')")
        for _ in range(5):
            bencher.bench(request())
        assert (tmp_path / "starts").read_text() == "x"

    def test_refuses_a_job_with_a_reason_and_goes_on(self, make: Make, tmp_path: Path) -> None:
        refuse = "answer(error={'message': 'OutOfMemoryError: 80 GiB were asked for', 'detail': 'Traceback'})"
        bencher = make(refuse, then=GOOD, start=f"open({str(tmp_path / 'starts')!r}, 'a').write('x')")
        with pytest.raises(BenchError, match="OutOfMemoryError: 80 GiB were asked for") as caught:
            bencher.bench(request())
        assert not caught.value.is_fatal
        assert bencher.bench(request()).judgement
        assert (tmp_path / "starts").read_text() == "x"

    def test_is_given_what_it_is_to_measure(self, make: Make) -> None:
        tell = "answer(error={'message': json.dumps(sorted(request)), 'detail': ''})"
        with pytest.raises(BenchError) as caught:
            make(tell).bench(request(), with_stock=True)
        assert caught.value.message == (
            '["arguments", "device", "id", "job", "memory_limit_bytes", "picked", "sub_kernels", "with_stock"]'
        )

    def test_is_told_how_much_memory_it_may_take(self, make: Make) -> None:
        tell = "answer(error={'message': str(request['memory_limit_bytes']), 'detail': ''})"
        with pytest.raises(BenchError, match=r"\A1024\Z"):
            make(tell, memory_limit_bytes=1024).bench(request())

    def test_writes_much_to_standard_error(self, make: Make) -> None:
        """As much as a compiler that dumps all it does; of it only the last lines are kept."""
        flood = "for _ in range(100):\n    sys.stderr.write('x' * 1023 * 1024 + '\\n')"
        assert make(f"{flood}\n{GOOD}").bench(request()).judgement


class TestDevice:
    def test_is_the_gpu_if_torch_has_one(self, make: Make) -> None:
        assert make().device() is Device.CUDA

    def test_is_the_interpreter_if_there_is_none(self, make: Make) -> None:
        tell = "answer(error={'message': '|'.join([request['device'], os.environ['TRITON_INTERPRET']]), 'detail': ''})"
        bencher = make(tell, hello={"cuda": False})
        assert bencher.device() is Device.INTERPRETER
        with pytest.raises(BenchError, match=r"interpreter\|1"):
            bencher.bench(request())

    def test_that_cannot_be_used_is_told(self, make: Make) -> None:
        bencher = make(f"answer(result={answer(device='interpreter')!r})", hello={"cuda": "RuntimeError: old driver"})
        result = bencher.bench(request())
        assert result.device is Device.INTERPRETER
        assert result.judgement is None
        assert "there is a GPU, but torch cannot use it: RuntimeError: old driver" in result.notes

    def test_that_was_demanded_and_is_not_there_is_an_error_for_good(self, make: Make) -> None:
        bencher = make(hello={"cuda": False}, device=Device.CUDA)
        for _ in range(2):
            with pytest.raises(BenchUnusable, match="has no GPU"):
                bencher.bench(request())

    def test_interpreter_on_demand_looks_for_no_gpu(self, make: Make) -> None:
        bencher = make(start="assert 'TRITON_INTERPRET' in os.environ", device=Device.INTERPRETER)
        assert bencher.device() is Device.INTERPRETER

    def test_that_is_lost_is_an_error_until_it_is_back(self, make: Make, tmp_path: Path) -> None:
        lost = tmp_path / "lost"
        lose = f"if os.path.exists({str(lost)!r}): hello['cuda'] = 'RuntimeError: fallen off the bus'"
        bencher = make(f"{GOOD}\nos._exit(1)", start=lose)
        bencher.bench(request())
        assert eventually(lambda: not bencher.is_running)
        lost.touch()
        with pytest.raises(BenchError, match="has lost the GPU: RuntimeError: fallen off the bus"):
            bencher.bench(request())
        lost.unlink()
        assert bencher.bench(request()).judgement


class TestFaults:
    @pytest.mark.parametrize("before", ["", f"{RACING}\n"], ids=["at once", "while racing"])
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("os._exit(3)", "the worker ended with exit status 3 while {}: last words"),
            ("os.kill(os.getpid(), signal.SIGSEGV)", "the worker was ended by SIGSEGV while {}: last words"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "the worker was ended by SIGKILL while {}: last words"),
            ("print('x' * 10_000_000); os._exit(0)", "the worker ended with exit status 0 while {}: "),
            ('sys.stdout.write(\'{"id": 2, "result": {\'); sys.stdout.flush(); os._exit(0)', "exit status 0 while {}"),
            ("os.close(1); time.sleep(1000)", "the worker does not answer as a Python would while {}: last words"),
        ],
        ids=["exit", "crash", "killed", "huge garbage", "half a line", "no output"],
    )
    def test_cost_their_own_job(self, make: Make, before: str, fault: str, reason: str) -> None:
        bencher = make(f"{before}sys.stderr.write('last words\\n'); sys.stderr.flush(); {fault}", then=GOOD)
        with pytest.raises(BenchError) as caught:
            bencher.bench(request())
        assert reason.format("racing" if before else "loading") in caught.value.message
        assert len(caught.value.message) < 2_000
        assert not caught.value.is_fatal
        assert bencher.bench(request()).judgement

    @pytest.mark.parametrize(
        "fault",
        [
            "time.sleep(1000)",
            "request['id'] = 99; " + GOOD,
            "answer(result=[])",
            "answer(error='text')",
            "answer(error='text', result={})",
            "answer(progress=5, result={})",
            "print('[' * 100_000)",
            "print(chr(0) * 1000 + '\\ud800'.encode('utf-8', 'replace').decode())",
            f"{RACING}\ntime.sleep(1000)",
        ],
        ids=[
            "hang",
            "wrong id",
            "result of no kind",
            "error of no kind",
            "two kinds",
            "two others",
            "deep garbage",
            "binary",
            "hang in a race",
        ],
    )
    def test_that_never_end_are_ended(self, make: Make, fault: str) -> None:
        bencher = make(fault, then=GOOD, timeout_s=0.3)
        with pytest.raises(BenchError, match=r"gave no answer within 0\.3 s while (loading|racing)"):
            bencher.bench(request())
        assert bencher.bench(request()).judgement

    def test_talking_without_end_is_ended(self, make: Make) -> None:
        bencher = make("while True: print('y')", then=GOOD)
        with pytest.raises(BenchError, match="does not answer as a Python would while loading"):
            bencher.bench(request())
        assert bencher.bench(request()).judgement

    def test_an_endless_race_is_ended(self, make: Make) -> None:
        bencher = make(f"while True:\n{indented(RACING)}", then=GOOD, timeout_s=0.5)
        with pytest.raises(BenchError, match=r"no answer within|too much"):
            bencher.bench(request())
        assert bencher.bench(request()).judgement

    def test_a_broken_context_costs_the_worker(self, make: Make, tmp_path: Path) -> None:
        poisoned = "answer(error={'message': 'AcceleratorError: illegal address', 'detail': '', 'poisoned': True})"
        bencher = make(poisoned, then=GOOD, start=f"open({str(tmp_path / 'starts')!r}, 'a').write('x')")
        with pytest.raises(BenchError, match="illegal address"):
            bencher.bench(request())
        assert bencher.bench(request()).judgement
        assert (tmp_path / "starts").read_text() == "xx"

    @pytest.mark.parametrize("time_us", ["float('nan')", "float('inf')", "0.0", "-1.0", "1e300", "'1'", "None", "True"])
    def test_an_impossible_time_is_none(self, make: Make, time_us: str) -> None:
        bencher = make(
            f"result = {answer()!r}; result['sub_kernels'][0]['cold']['median_us'] = {time_us}\nanswer(result=result)"
        )
        with pytest.raises(BenchError, match="answered what cannot be"):
            bencher.bench(request())

    @pytest.mark.parametrize(
        "told",
        [
            "{}",
            "{'stage': 'dancing'}",
            "{'stage': 'racing', 'done': -1, 'total': 1}",
            "{'stage': 'racing', 'times_us': [[1.0]]}",
            "{'stage': 'racing', 'times_us': [[1.0], [float('nan')]]}",
        ],
    )
    def test_impossible_progress_costs_the_job(self, make: Make, told: str) -> None:
        bencher = make(f"answer(progress={told})\n{GOOD}", then=GOOD)
        with pytest.raises(BenchError, match="answered what cannot be"):
            bencher.bench(request())
        assert bencher.bench(request()).judgement

    def test_dying_between_two_jobs_costs_none(self, make: Make) -> None:
        bencher = make(f"{GOOD}\nos._exit(1)")
        for _ in range(3):
            assert bencher.bench(request()).judgement
            assert eventually(lambda: not bencher.is_running)

    def test_never_make_it_give_up(self, make: Make, tmp_path: Path) -> None:
        count = str(tmp_path / "count")
        tally = f"open({count!r}, 'a').write('x')\nif os.path.getsize({count!r}) < 20: os._exit(1)\n{GOOD}"
        bencher = make(tally)
        for _ in range(19):
            with pytest.raises(BenchError, match="exit status 1"):
                bencher.bench(request())
        assert bencher.bench(request()).judgement

    def test_of_who_listens_end_the_job(self, make: Make) -> None:
        bencher = make(f"{RACING}\ntime.sleep(1000)", then=GOOD)

        def interrupt(progress: Progress) -> None:
            if progress.stage is Stage.RACING:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bencher.bench(request(), interrupt)
        assert bencher.bench(request()).judgement


class TestUnusable:
    def test_python_that_is_missing(self) -> None:
        with Bencher("/nowhere/python") as bencher:
            for _ in range(2):
                with pytest.raises(BenchUnusable, match="/nowhere/python cannot be started: No such file"):
                    bencher.bench(request())

    def test_python_that_is_none(self, tmp_path: Path) -> None:
        with Bencher(script(tmp_path / "python", "#!/bin/sh\necho usage >&2\nexit 7\n")) as bencher:
            with pytest.raises(BenchUnusable, match="ended with exit status 7: usage") as caught:
                bencher.device()
            assert "--python" in caught.value.advice

    def test_python_without_torch(self, make: Make) -> None:
        lacking = {"torch": None, "torch_error": "ModuleNotFoundError: No module named 'torch'"}
        with pytest.raises(BenchUnusable, match="has no torch: ModuleNotFoundError"):
            make(hello=lacking).bench(request())

    def test_worker_of_another_version(self, make: Make) -> None:
        with pytest.raises(BenchUnusable, match="of another version"):
            make(hello={"protocol": 1}).bench(request())

    def test_killed_while_it_starts_may_be_chance_a_few_times(self, make: Make) -> None:
        bencher = make(start="os.kill(os.getpid(), signal.SIGKILL)")
        for _ in range(2):
            with pytest.raises(BenchError, match="SIGKILL") as caught:
                bencher.bench(request())
            assert not caught.value.is_fatal
        with pytest.raises(BenchUnusable, match="SIGKILL"):
            bencher.bench(request())

    def test_once_it_has_started_nothing_is_for_good(self, make: Make, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        bencher = make(f"{GOOD}\nos._exit(1)", start=f"if os.path.exists({str(broken)!r}): sys.exit(5)")
        bencher.bench(request())
        assert eventually(lambda: not bencher.is_running)
        broken.touch()
        with pytest.raises(BenchError, match="exit status 5") as caught:
            bencher.bench(request())
        assert not caught.value.is_fatal
        broken.unlink()
        assert bencher.bench(request()).judgement


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


class TestCancelling:
    @pytest.mark.parametrize("end", [Bencher.cancel, Bencher.close])
    def test_ends_the_job_under_way(self, make: Make, end: Callable[[Bencher], None]) -> None:
        bencher = make(f"{RACING}\ntime.sleep(1000)")
        racing = threading.Event()
        thread, caught = in_thread(
            lambda: bencher.bench(request(), lambda told: racing.set() if told.stage is Stage.RACING else None)
        )
        assert racing.wait(10)
        end(bencher)
        thread.join(10)
        assert [type(error) for error in caught] == [BenchCancelled]

    def test_does_not_wait_for_a_process_that_is_slow_to_die(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """As on a GPU: whoever cancels may have keys to answer, and leaves the waiting to the call that it ends."""
        waiting = threading.Event()
        died = threading.Event()
        wait = subprocess.Popen.wait

        def slow_wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
            waiting.set()
            assert died.wait(10)
            return wait(process, timeout)

        bencher = make(f"{RACING}\ntime.sleep(1000)")
        racing = threading.Event()
        thread, caught = in_thread(
            lambda: bencher.bench(request(), lambda told: racing.set() if told.stage is Stage.RACING else None)
        )
        assert racing.wait(10)
        monkeypatch.setattr(subprocess.Popen, "wait", slow_wait)
        bencher.cancel()
        assert waiting.wait(10)
        bencher.cancel()
        assert thread.is_alive()
        died.set()
        thread.join(10)
        assert [type(error) for error in caught] == [BenchCancelled]

    def test_ends_a_start(self, make: Make, temporary: Path) -> None:
        bencher = make(start="time.sleep(1000)")
        thread, caught = in_thread(lambda: bencher.bench(request()))
        assert eventually(lambda: os.listdir(temporary) != [])
        bencher.cancel()
        thread.join(10)
        assert [type(error) for error in caught] == [BenchCancelled]

    def test_before_the_worker_starts_keeps_it_from_starting(self, make: Make, temporary: Path) -> None:
        bencher = make()
        with pytest.raises(BenchCancelled):
            bencher.bench(request(), lambda _: bencher.cancel())
        assert os.listdir(temporary) == []

    def test_costs_the_next_job_nothing_but_a_start(self, make: Make) -> None:
        bencher = make(f"{RACING}\ntime.sleep(1000)", then=GOOD)
        with pytest.raises(BenchCancelled):
            bencher.bench(request(), lambda told: bencher.cancel() if told.stage is Stage.RACING else None)
        assert bencher.bench(request()).judgement

    def test_when_nothing_runs_does_nothing(self, make: Make) -> None:
        bencher = make()
        bencher.cancel()
        assert bencher.bench(request()).judgement
        bencher.cancel()
        assert bencher.bench(request()).judgement

    def test_closing_is_final_and_leaves_no_folder(self, make: Make, temporary: Path) -> None:
        bencher = make()
        bencher.bench(request())
        bencher.close()
        bencher.close()
        assert os.listdir(temporary) == []
        with pytest.raises(BenchCancelled):
            bencher.bench(request())


class TestResources:
    KERNELS = (KernelUnderTest("c1", "triton_", "text"),)

    REPORT = {"configuration": {"XBLOCK": 1}, "registers": 32, "spills": 0, "shared_bytes": 64, "occupancy": 0.5}

    def test_are_those_of_the_target(self, make: Make) -> None:
        check = "assert (request['target'], os.environ.get('TRITON_INTERPRET')) == ('cuda:90:32', None)"
        bencher = make(f"{check}\nanswer(result={{'sub_kernels': [{self.REPORT}]}})")
        (report,) = bencher.resources(self.KERNELS, "sm_90")
        assert report.resources is not None
        assert (report.resources.registers, report.occupancy, report.problem) == (32, 0.5, "")
        assert report.configuration == (("XBLOCK", 1),)

    def test_that_are_not_known_say_why(self, make: Make) -> None:
        told = {**dict.fromkeys(self.REPORT), "problem": "too much shared memory"}
        (report,) = make(f"answer(result={{'sub_kernels': [{told}]}})").resources(self.KERNELS, "gfx942")
        assert (report.resources, report.problem) == (None, "too much shared memory")

    @pytest.mark.parametrize("result", ["{}", "{'sub_kernels': []}", "{'sub_kernels': [1]}"])
    def test_of_nonsense_are_none(self, make: Make, result: str) -> None:
        with pytest.raises(BenchError, match="answered what cannot be"):
            make(f"answer(result={result})").resources(self.KERNELS, "sm_90")

"""The queue of measurements: every job that was queued ends exactly once, whatever happens to it or its worker."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import UnionType

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchCancelled, BenchError
from mkexplorer.measure.model import BenchRequest, BenchResult, Device, Progress, Stage
from mkexplorer.measure.queue import (
    BenchEvent,
    BenchQueue,
    Cancelled,
    Failed,
    Finished,
    Idle,
    Progressed,
    Queued,
    Started,
)
from mkexplorer.measure.wire import read_result

from .bench_answers import answer, request
from .fake_python import fake_python

PATIENCE_S = 60.0
ENDED = Finished | Failed | Cancelled


class Slow:
    """A bencher that measures until it is let go or cancelled."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.cancelled = threading.Event()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def bench(self, request: BenchRequest, on_progress: Callable[[Progress], None]) -> BenchResult:
        self.asked.append(request.multi_kernel_id)
        self.cancelled.clear()
        on_progress(Progress(Stage.STARTING))
        while not self.go.wait(0.005):
            if self.cancelled.is_set():
                raise BenchCancelled("cancelled")
        if self.error:
            raise self.error
        return read_result(answer(), request, Device.CUDA, "2026-01-31T12:00:00.000000Z")

    def cancel(self) -> None:
        self.cancelled.set()


class Witness:
    """Hears the events of a queue."""

    def __init__(self) -> None:
        self.events: list[BenchEvent] = []
        self._heard = threading.Condition()

    def __call__(self, event: BenchEvent) -> None:
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()

    def wait_for(self, kind: type[BenchEvent] | UnionType, count: int = 1) -> None:
        with self._heard:
            found = self._heard.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE_S)
        assert found, self.events

    def of(self, kind: type[BenchEvent] | UnionType) -> list[BenchEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def told(self) -> list[str]:
        """Kinds and ids, without progress."""
        heard = (event for event in self.events if not isinstance(event, Progressed))
        return [f"{type(each).__name__} {getattr(each, 'multi_kernel_id', '')}".strip() for each in heard]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def queue(slow: Slow, witness: Witness) -> Iterator[BenchQueue]:
    queue = BenchQueue(slow, witness)
    yield queue
    queue.close()


def submit(queue: BenchQueue, *names: str) -> None:
    for name in names:
        queue.submit(name, partial(request, name))


class TestOrder:
    def test_is_that_of_asking(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b", "c")
        slow.go.set()
        witness.wait_for(Idle)
        assert slow.asked == ["a", "b", "c"]
        assert [each for each in witness.told() if each.startswith("Finished")] == [
            "Finished a",
            "Finished b",
            "Finished c",
        ]

    def test_of_one_job_tells_each_step(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        slow.go.set()
        submit(queue, "a")
        witness.wait_for(Idle)
        assert [type(event) for event in witness.events] == [Queued, Started, Progressed, Finished, Idle]

    def test_what_waits_and_what_runs(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b", "c")
        witness.wait_for(Progressed)
        assert (queue.running, queue.waiting) == ("a", ("b", "c"))
        slow.go.set()
        witness.wait_for(Idle)
        assert (queue.running, queue.waiting) == (None, ())

    def test_what_is_preferred_comes_before_all_that_wait(
        self, queue: BenchQueue, slow: Slow, witness: Witness
    ) -> None:
        submit(queue, "a", "b", "c", "d")
        witness.wait_for(Progressed)
        queue.prefer(["d", "a", "c", "unknown"])
        assert queue.waiting == ("d", "c", "b")
        slow.go.set()
        witness.wait_for(Idle)
        assert slow.asked == ["a", "d", "c", "b"]

    def test_the_same_again_is_asked_once_while_it_is_under_way(
        self, queue: BenchQueue, slow: Slow, witness: Witness
    ) -> None:
        submit(queue, "a", "b")
        witness.wait_for(Progressed)
        submit(queue, "a", "b")
        slow.go.set()
        witness.wait_for(Idle)
        submit(queue, "a")
        witness.wait_for(Idle, 2)
        assert slow.asked == ["a", "b", "a"]


class TestFailing:
    def test_is_told_and_the_next_one_runs(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        slow.error = BenchError("illegal address")
        submit(queue, "a", "b")
        slow.go.set()
        witness.wait_for(Idle)
        assert [each for each in witness.told() if each[0] == "F"] == ["Failed a", "Failed b"]

    def test_to_make_a_request_is_told(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        def fail() -> BenchRequest:
            raise MkexplorerError("its source is gone")

        slow.go.set()
        queue.submit("a", fail)
        submit(queue, "b")
        witness.wait_for(Finished)
        (failed,) = witness.of(Failed)
        assert isinstance(failed, Failed)
        assert failed.error.message == "its source is gone"
        assert slow.asked == ["b"]

    def test_by_a_fault_of_ours_is_told_too(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        slow.error = ZeroDivisionError("division by zero")
        slow.go.set()
        submit(queue, "a")
        witness.wait_for(Idle)
        (failed,) = witness.of(Failed)
        assert isinstance(failed, Failed)
        assert failed.error.message == "ZeroDivisionError: division by zero"


class TestCancelling:
    def test_one_that_waits(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b", "c")
        witness.wait_for(Progressed)
        queue.cancel("b")
        assert "Cancelled b" in witness.told()
        slow.go.set()
        witness.wait_for(Idle)
        assert slow.asked == ["a", "c"]

    def test_the_one_that_runs(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b")
        witness.wait_for(Progressed)
        queue.cancel("a")
        witness.wait_for(Progressed, 2)
        slow.go.set()
        witness.wait_for(Idle)
        assert [each for each in witness.told() if each[0] in "CF"] == ["Cancelled a", "Finished b"]

    def test_all(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b", "c")
        witness.wait_for(Progressed)
        queue.cancel_all()
        witness.wait_for(Idle)
        assert sorted(each for each in witness.told() if each[0] == "C") == [
            "Cancelled a",
            "Cancelled b",
            "Cancelled c",
        ]
        assert slow.asked == ["a"]

    def test_what_runs_lets_it_be_asked_for_again_at_once(
        self, queue: BenchQueue, slow: Slow, witness: Witness
    ) -> None:
        submit(queue, "a")
        witness.wait_for(Progressed)
        queue.cancel("a")
        submit(queue, "a")
        witness.wait_for(Progressed, 2)
        slow.go.set()
        witness.wait_for(Finished)
        assert [each for each in witness.told() if each[0] in "CF"] == ["Cancelled a", "Finished a"]

    def test_before_the_bencher_knows_of_the_job(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        """A cancel that finds nothing to end must not get lost."""

        def make() -> BenchRequest:
            queue.cancel("a")
            return request("a")

        queue.submit("a", make)
        witness.wait_for(Idle)
        assert witness.told() == ["Queued a", "Started a", "Cancelled a", "Idle"]
        assert slow.asked == []

    def test_nothing_that_is_there(self, queue: BenchQueue, witness: Witness) -> None:
        queue.cancel("a")
        queue.cancel_all()
        assert witness.events == []


class TestClosing:
    def test_ends_what_runs_and_tells_nothing_more(self, queue: BenchQueue, slow: Slow, witness: Witness) -> None:
        submit(queue, "a", "b")
        witness.wait_for(Progressed)
        before = witness.told()
        queue.close()
        assert slow.cancelled.wait(10)
        submit(queue, "c")
        time.sleep(0.05)
        assert witness.told() == before
        assert slow.asked == ["a"]


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return tmp_path / "python"


class TestWithWorkers:
    def test_a_hundred_jobs_end_though_each_kills_its_worker(self, python: Path, witness: Witness) -> None:
        with Bencher(fake_python(python, hello={"cuda": True}, job="os.kill(os.getpid(), signal.SIGKILL)")) as bencher:
            queue = BenchQueue(bencher, witness)
            names = [f"c{number}" for number in range(100)]
            submit(queue, *names)
            witness.wait_for(ENDED, len(names))  # it may be idle before the last one is submitted
            assert [each for each in witness.told() if each.startswith("Failed")] == [
                f"Failed {name}" for name in names
            ]
            queue.close()

    def test_a_hundred_kills_from_outside_lose_no_job(self, python: Path, tmp_path: Path, witness: Witness) -> None:
        """Whenever they hit: while a worker starts, waits or works."""
        numbers = tmp_path / "numbers"
        numbers.mkdir()
        tell = f"open({str(numbers)!r} + '/' + str(os.getpid()), 'w').close()"
        job = f"time.sleep(0.03); answer(result={answer()!r})"
        done = threading.Event()
        killed = 0

        def kill() -> None:
            nonlocal killed
            while not done.is_set() and killed < 100:
                for number in os.listdir(numbers):
                    (numbers / number).unlink()
                    os.kill(int(number), signal.SIGKILL)
                    killed += 1
                time.sleep(0.02)

        with Bencher(fake_python(python, hello={"cuda": True}, start=tell, job=job)) as bencher:
            queue = BenchQueue(bencher, witness)
            bencher.device()
            killer = threading.Thread(target=kill)
            killer.start()
            names = [f"c{number}" for number in range(100)]
            submit(queue, *names)
            witness.wait_for(ENDED, len(names))
            done.set()
            killer.join()
            queue.close()
        ended = Counter(event.multi_kernel_id for event in witness.events if isinstance(event, ENDED))
        assert ended == Counter(names)
        assert killed > 10

    def test_faults_of_every_kind_in_one_queue(self, python: Path, witness: Witness) -> None:
        good = f"answer(result={answer()!r})"
        faults = [
            good,
            "os._exit(1)",
            "os.abort()",
            "time.sleep(1000)",
            "print('garbage' * 100_000); " + good,
            "print('{'); sys.stdout.flush(); os._exit(0)",
            "answer(error={'message': 'illegal address', 'detail': '', 'poisoned': True})",
            "answer(error={'message': 'out of memory', 'detail': ''})",
            "sys.stderr.write('x' * 10_000_000); " + good,
            "answer(result={})",
        ]
        job = f"exec({faults!r}[int(request['sub_kernels'][0]['text'])])"
        with Bencher(fake_python(python, hello={"cuda": True}, job=job), timeout_s=0.5) as bencher:
            queue = BenchQueue(bencher, witness)
            for number in range(20):
                queue.submit(f"c{number}", partial(numbered, number))
            witness.wait_for(ENDED, 20)
            queue.close()
        finished = {event.multi_kernel_id for event in witness.events if isinstance(event, Finished)}
        failed = {event.multi_kernel_id for event in witness.events if isinstance(event, Failed)}
        good_ones = {f"c{number}" for number in range(20) if good in faults[number % len(faults)]}
        assert finished == good_ones
        assert failed == {f"c{number}" for number in range(20)} - good_ones


def numbered(number: int) -> BenchRequest:
    """A request that tells the worker which fault it is about."""
    plain = request(f"c{number}")
    return replace(plain, kernels=tuple(replace(each, text=str(number % 10)) for each in plain.kernels))

"""Who measures when threads, processes or ranks come at once: one of them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from mkexplorer.catalog.store import FolderStore
from mkexplorer.multikernel import rank_note, sharing
from mkexplorer.multikernel.environment import config
from mkexplorer.multikernel.rank_note import RankNote
from mkexplorer.multikernel.sharing import Ranks, alone_with
from mkexplorer.multikernel.trial import Call
from mkexplorer.picks.changes import plan_pin
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Entry, PickFile, Who
from mkexplorer.picks.orphans import find_leftovers, pick_paths
from mkexplorer.picks.writing import Occasion, apply_change
from mkexplorer.race.racing import Contestant, Outcome

from . import builders
from .stub_kernels import Stopwatch, StubKernel, two

ROOT = Path(__file__).parents[1]
# Loads nothing of torch unless it is to be a rank of torch.distributed.
PROCESS = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from mkexplorer.multikernel.environment import config
from tests.stub_kernels import Stopwatch, two
cache, rank, fastest, start = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
config.wait_s = 20.0
times = Stopwatch(**{{"looped": 30.0, "persistent": 30.0, fastest: 20.0}})
def slowly(contestants, old):
    time.sleep(0.2)
    return times(contestants, old)
config.measure = slowly
{prepare}
call = two(cache)
time.sleep(max(0.0, start - time.time()))
print(call.run(1, 2), len(times.races), flush=True)
{end}
"""
DISTRIBUTED = """
import torch.distributed as distributed
distributed.init_process_group("gloo", init_method=f"file://{{cache}}/rendezvous", rank=rank, world_size=4)
"""


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(looped=31.0, persistent=22.0)
    monkeypatch.setattr(config, "measure", stopwatch)
    return stopwatch


def run_at_once(
    caches: Sequence[Path], fastest: Sequence[str], environment: dict[str, str], prepare: str = "", end: str = ""
) -> list[tuple[str, int]]:
    """What each of four processes launched, and how often it measured."""
    script = PROCESS.format(root=str(ROOT), prepare=prepare.replace("{{", "{").replace("}}", "}"), end=end)
    start = str(time.time() + (4 if prepare else 2))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(cache), str(rank), name, start],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "RANK": str(rank), "WORLD_SIZE": "4"},
        )
        for rank, (cache, name) in enumerate(zip(caches, fastest, strict=True))
    ]
    answers = [each.communicate(timeout=60)[0].split() for each in running]
    assert all(each.returncode == 0 for each in running)
    return [(name, int(races)) for name, races in answers]


@pytest.fixture
def environment() -> dict[str, str]:
    own = ("MKEXPLORER_", "RANK", "WORLD_SIZE", "SLURM_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def test_twenty_threads_at_once_measure_once(tmp_path: Path, times: Stopwatch) -> None:
    kernels = StubKernel("looped"), StubKernel("persistent", lambda *arguments: time.sleep(0.005))
    call = two(tmp_path, *kernels)
    barrier = threading.Barrier(20)

    def first_call(number: int) -> object:
        barrier.wait()
        return call.run(number, None)

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(first_call, range(20))) == ["persistent"] * 20
    assert len(times.races) == 1
    numbers = [arguments[0] for arguments in kernels[1].calls]
    assert set(range(20)) <= set(numbers)  # everybody's own call was made as well


def test_measurements_of_two_multi_kernels_never_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    was_alone: list[bool] = []
    lock = threading.Lock()

    def on_host(contestants: Sequence[Contestant]) -> Outcome:
        was_alone.append(lock.acquire(blocking=False))
        time.sleep(0.05)
        if was_alone[-1]:
            lock.release()
        return Stopwatch(looped=2.0, persistent=1.0)(contestants, None)

    monkeypatch.setattr("mkexplorer.multikernel.measuring._on_host", on_host)
    calls = [two(tmp_path / str(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda call: call.run(1, 2), calls))
    assert was_alone == [True] * 4


def test_four_processes_with_one_cache_measure_once(tmp_path: Path, environment: dict[str, str]) -> None:
    answers = run_at_once([tmp_path] * 4, ["looped", "persistent", "persistent", "looped"], environment)
    assert sum(races for _, races in answers) == 1
    assert len({name for name, _ in answers}) == 1


def test_four_processes_add_to_one_table_of_metrics(tmp_path: Path, environment: dict[str, str]) -> None:
    file = tmp_path / "metrics.csv"
    caches = [tmp_path / str(number) for number in range(4)]
    run_at_once(caches, ["persistent"] * 4, {**environment, "MKEXPLORER_METRICS": str(file)})
    head, *rows = file.read_text().splitlines()
    assert head.startswith("when,multi_kernel,sub_kernel")
    assert sorted(row.split(",")[2] for row in rows) == ["looped"] * 4 + ["persistent"] * 4


def test_ranks_take_the_choice_of_the_lowest_one_by_its_file(tmp_path: Path, environment: dict[str, str]) -> None:
    fastest = ["looped", "persistent", "persistent", "persistent"]
    answers = run_at_once([tmp_path] * 4, fastest, {**environment, "MKEXPLORER_SHARE_RANKS": "1"})
    assert answers == [("looped", 1), ("looped", 0), ("looped", 0), ("looped", 0)]


def run_distributed(
    folder: Path, fastest: Sequence[str], environment: dict[str, str], prepare: str = ""
) -> list[tuple[str, int]]:
    """As `run_at_once`, for ranks of torch.distributed, each of which has a cache of its own."""
    prepare = DISTRIBUTED.replace("{{cache}}", str(folder).replace("{", "{{")) + prepare
    end = "distributed.barrier(); distributed.destroy_process_group()"
    environment = {**environment, "MKEXPLORER_SHARE_RANKS": "1"}
    return run_at_once([folder / str(rank) for rank in range(4)], fastest, environment, prepare, end)


def test_ranks_take_the_choice_of_the_lowest_one_by_torch_distributed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    answers = run_distributed(tmp_path, ["persistent", "looped", "looped", "looped"], environment)
    assert answers == [("persistent", 1), ("persistent", 0), ("persistent", 0), ("persistent", 0)]
    # Who measured keeps it; the others have nothing to rest it on, and are told again in the next job.
    assert [two(tmp_path / str(rank)).picked for rank in range(4)] == [1, None, None, None]


def pin(cache: Path, index: int) -> tuple[Entry, ...]:
    """As a person does; the history that the pick then has."""
    call = two(cache)
    call.pick_path.parent.mkdir(parents=True, exist_ok=True)
    change = plan_pin(builders.multi_kernel(), pick_file(cache), index)
    assert change is not None
    apply_change(FolderStore(str(cache)), change, Occasion(Who.PERSON))
    return pick_file(cache).history.entries


def pick_file(cache: Path) -> PickFile:
    return read_pick_file(FolderStore(str(cache)), two(cache).pick_path.relative_to(cache).as_posix(), 2)


def test_a_rank_whose_pick_is_pinned_keeps_and_uses_it(tmp_path: Path, environment: dict[str, str]) -> None:
    pinned = pin(tmp_path / "2", 0)
    answers = run_distributed(tmp_path, ["persistent"] * 4, environment)
    assert answers == [("persistent", 1), ("persistent", 0), ("looped", 0), ("persistent", 0)]
    assert pick_file(tmp_path / "2").history.entries == pinned


def test_a_pick_that_was_pinned_meanwhile_is_not_replaced(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    call.suggest(0)
    call.run(1, 2)
    pinned = pin(tmp_path, 0)
    assert call.confirm(Call((1, 2))).index == 1
    assert pick_file(tmp_path).history.entries == pinned
    assert two(tmp_path).run(1, 2) == "looped"


@pytest.mark.parametrize(
    ("why", "measured"), [("times.disturbed = 20", 1), ("config.sub_kernel = 1 if rank == 0 else None", 0)]
)
@pytest.mark.parametrize("by", ["file", "torch.distributed"])
def test_ranks_take_a_choice_that_is_not_kept_and_keep_it_neither(
    tmp_path: Path, environment: dict[str, str], why: str, measured: int, by: str
) -> None:
    fastest = ["persistent", "looped", "looped", "looped"]
    if by == "file":
        answers = run_at_once([tmp_path] * 4, fastest, {**environment, "MKEXPLORER_SHARE_RANKS": "1"}, why)
    else:
        answers = run_distributed(tmp_path, fastest, environment, why)
    assert answers == [("persistent", measured), ("persistent", 0), ("persistent", 0), ("persistent", 0)]
    for cache in [tmp_path] if by == "file" else [tmp_path / str(rank) for rank in range(4)]:
        store = FolderStore(str(cache))
        assert pick_paths(store) == find_leftovers(store) == ()  # the explorer takes the note for neither


def be_rank(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MKEXPLORER_SHARE_RANKS", "1"), ("RANK", str(rank)), ("WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("rank", [0, 3])
def test_ranks_that_share_take_no_suggestion(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    be_rank(rank, monkeypatch)
    call = two(tmp_path)
    call.suggest(0)
    assert call.picked is None
    assert not call.is_provisional


def test_what_the_lowest_rank_told_once_stands(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_rank(0, monkeypatch)
    times.disturbed = 20
    assert two(tmp_path).run(1, 2) == "persistent"
    times.disturbed, times.times_us["looped"] = 0, 1.0
    assert two(tmp_path).run(1, 2) == "persistent"  # as the other ranks, which have taken it for the same multi-kernel
    assert len(times.races) == 1


def test_what_the_lowest_rank_told_once_stands_in_the_store_of_torch_distributed() -> None:
    store = torch.distributed.HashStore()
    lowest, other = Ranks(0, 2, store), Ranks(1, 2, store)
    assert [lowest.tell("cab", 1), lowest.tell("cab", 0), lowest.tell("cde", 0)] == [1, 1, 0]
    assert [other.ask("cab", 2), other.ask("cde", 2)] == [1, 0]


def test_a_store_that_fails_stops_no_rank(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def compare_set(self, *texts: str) -> bytes:
            raise RuntimeError("connection reset by peer")

    monkeypatch.setattr("mkexplorer.multikernel.sharing.ranks_of_torch", lambda: Ranks(0, 2, Broken()))
    monkeypatch.setattr(config, "share_ranks", True)
    assert two(tmp_path).run(1, 2) == "persistent"
    assert "cannot be told the choice" in caplog.text


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RankNote:
    """The lowest rank's, in a job like all jobs that torchrun starts with nothing said."""
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "none"),
        ("TORCHELASTIC_RESTART_COUNT", "0"),
        ("MASTER_PORT", "29500"),
    ):
        monkeypatch.setenv(name, value)
    return RankNote(tmp_path / "ab" / "cab.picked_kernel", 2)


LEAVE = """
import sys
from pathlib import Path
from mkexplorer.multikernel.rank_note import RankNote
RankNote(Path(sys.argv[1]), 2).leave(1)
sys.stdin.read()
"""


def begun(note: RankNote, later_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process have begun so much later than the one whose note this is."""
    started = json.loads(note._path.read_bytes())["started"]
    monkeypatch.setattr(rank_note, "_started", lambda: started + later_s)


def test_a_note_is_read_by_its_own_job_alone(note: RankNote, monkeypatch: pytest.MonkeyPatch) -> None:
    assert note.read() is None
    note.leave(1)
    assert note.read() == 1
    for name, value in (("MASTER_PORT", "29501"), ("TORCHELASTIC_RESTART_COUNT", "1")):
        with monkeypatch.context() as other:
            other.setenv(name, value)
            assert note.read() is None
    assert RankNote(note.pick, 1).read() is None  # an index that no sub-kernel has
    begun(note, 3600.0, monkeypatch)
    assert note.read() is None


def test_a_note_of_a_job_that_has_ended_is_not_read_by_the_next_one(
    note: RankNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = subprocess.Popen([sys.executable, "-c", LEAVE, str(note.pick)], stdin=subprocess.PIPE, cwd=ROOT)
    while not note._path.exists():
        assert earlier.poll() is None
        time.sleep(0.01)
    begun(note, 30.0, monkeypatch)
    assert note.read() == 1
    assert note.own() is None
    assert earlier.stdin is not None
    earlier.stdin.close()
    os.waitid(os.P_PID, earlier.pid, os.WEXITED | os.WNOWAIT)
    assert note.read() is None  # also as long as nobody has asked for its exit status
    earlier.wait()
    assert note.read() is None
    begun(note, 0.1, monkeypatch)
    assert note.read() == 1  # it was of this job, and has been faster


def test_a_note_from_another_machine_counts_for_ranks_that_began_with_it(
    note: RankNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_note, "_host", lambda: "node1")
    note.leave(1)
    monkeypatch.setattr(rank_note, "_host", lambda: "node2")
    begun(note, 30.0, monkeypatch)
    assert note.read() == 1
    assert note.own() is None
    begun(note, 90.0, monkeypatch)
    assert note.read() is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"job": {}, "index": 0}', b"\xff", b"[" * 100_000])
def test_a_broken_note_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(rank_note, "_job", dict)
    note = RankNote(tmp_path / "cab.picked_kernel", 2)
    (tmp_path / ".cab.picked_kernel.rank0").write_bytes(content)
    assert note.read() is None
    assert note.own() is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells it")
def test_a_process_knows_when_it_began() -> None:
    before = time.time()
    script = "import time; time.sleep(0.3); from mkexplorer.multikernel import rank_note; print(rank_note._started())"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert before - 0.1 <= float(told) < time.time() - 0.2


def test_where_nobody_can_write_no_rank_waits(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    be_rank(3, monkeypatch)
    (tmp_path / "file").write_text("")
    assert two(tmp_path / "file" / "cache").run(1, 2) == "persistent"
    assert "the lowest rank has told no choice" in caplog.text


def test_a_rank_does_not_wait_for_ever(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    be_rank(3, monkeypatch)
    monkeypatch.setattr(config, "wait_s", 0.05)
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        assert two(tmp_path).run(1, 2) == "persistent"
    assert "the lowest rank has told no choice" in caplog.text


def test_a_rank_without_a_cache_waits_for_no_file(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    be_rank(3, monkeypatch)
    monkeypatch.setattr(config, "disable_cache", True)
    monkeypatch.setattr(config, "wait_s", 0.05)
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        assert two(tmp_path).run(1, 2) == "persistent"
    assert caplog.text == ""


def test_a_process_does_not_wait_for_ever(
    tmp_path: Path, times: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(config, "wait_s", 0.05)
    call = two(tmp_path)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with alone_with(call.pick_path):
            held.set()
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        assert call.run(1, 2) == "persistent"
    release.set()
    holder.join()
    assert "another process has held this lock" in caplog.text


def test_a_lock_leaves_no_file(tmp_path: Path, times: Stopwatch) -> None:
    call = two(tmp_path)
    call.run(1, 2)
    assert not [each for each in call.pick_path.parent.iterdir() if each.name.endswith(".lock")]


def test_a_single_process_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert sharing.ranks() is None

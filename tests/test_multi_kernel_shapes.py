"""Which sizes share a pick, which are near, and what is kept of them."""

from __future__ import annotations

import logging
import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.multikernel import confirming
from mkexplorer.multikernel.confirming import IdleConfirmer
from mkexplorer.multikernel.environment import config
from mkexplorer.multikernel.shapes import KnownBuckets, distance, nearest, power_of_two
from mkexplorer.multikernel.trial import Call

from .stub_kernels import Stopwatch, two


@pytest.mark.parametrize(
    ("size", "bucket"), [(0, 0), (1, 1), (2, 2), (3, 4), (1000, 1024), (1024, 1024), (1025, 2048), (-3, -3)]
)
def test_a_size_counts_as_the_next_power_of_two(size: int, bucket: int) -> None:
    assert power_of_two(size) == bucket


@pytest.mark.parametrize("other", ["bf16", 0.5, True, None])
def test_what_is_no_size_is_its_own_bucket(other: object) -> None:
    assert power_of_two(other) is other


@given(st.integers(1, 1 << 40))
def test_a_bucket_holds_sizes_less_than_a_factor_of_two_apart(size: int) -> None:
    bucket = power_of_two(size)
    assert isinstance(bucket, int)
    assert size <= bucket < 2 * size
    assert power_of_two(bucket) == bucket


def test_the_distance_counts_doublings() -> None:
    assert distance((1024, 8), (1024, 8)) == 0
    assert distance((1024, 8), (4096, 4)) == 3
    assert distance((1024, "bf16"), (1024, "fp32")) == math.inf
    assert distance((1024,), (1024, 1)) == math.inf
    assert distance((0,), (1,)) == math.inf
    assert distance((1,), (True,)) == math.inf


def test_the_nearest_is_at_most_one_doubling_away() -> None:
    known = [(256, "bf16"), (4096, "bf16"), (1024, "fp32")]
    assert nearest((512, "bf16"), known) == (256, "bf16")
    assert nearest((1024, "bf16"), known) is None
    assert nearest((1024, "fp32"), known) == (1024, "fp32")
    assert nearest((1,), []) is None


def test_buckets_of_earlier_processes_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "measure", Stopwatch(looped=2.0, persistent=1.0))
    call = two(tmp_path)
    call.run(1, 2)
    known = KnownBuckets(tmp_path, "c" + "a" * 51, 2)
    for _ in range(2):
        known.add((1024, "bf16"), call.key)
    known.add((2048, "bf16"), "cbb" + "b" * 49)  # nearer below, but its pick was cleared
    assert known.pick_near((2048, "bf16")) == 1
    assert known.pick_near((8192, "bf16")) is None
    (file,) = tmp_path.glob("*/*.sizes")
    assert len(file.read_text().splitlines()) == 2
    file.write_bytes(b"torn\n[1]\n[[], 3]\n" + file.read_bytes())
    assert known.pick_near((1024, "bf16")) == 1


def test_of_the_picks_of_one_bucket_one_that_was_not_cleared_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "measure", Stopwatch(looped=2.0, persistent=1.0))
    call = two(tmp_path)
    call.run(1, 2)
    known = KnownBuckets(tmp_path, "c" + "a" * 51, 2)
    for key in ("cbb" + "b" * 49, call.key, "ccc" + "c" * 49):
        known.add((1024,), key)
    assert known.pick_near((1024,)) == 1


# ------------------------------------------------------------------------------------------------ confirming


class Stream:
    """Rests for good after some looks at it."""

    def __init__(self, *busy: bool) -> None:
        self.busy = list(busy)
        self.looks = 0

    def query(self) -> bool:
        self.looks += 1
        return not (self.busy and self.busy.pop(0))


def test_a_gap_between_two_launches_is_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "_LOOK_EVERY_S", 0.0)
    stream = Stream(True, False, False, True, False)
    assert confirming._rests(stream)
    assert stream.looks == 4 + 5


def test_a_stream_that_never_rests_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(confirming, "_LONGEST_WAIT_S", 0.01)
    assert not confirming._rests(Stream(*[True] * 10_000_000))


def test_on_the_cpu_there_is_nothing_to_confirm(tmp_path: Path) -> None:
    before = threading.active_count()
    IdleConfirmer().add(two(tmp_path), Call((torch.ones(2), 3)), lambda: None)
    assert threading.active_count() == before


def test_a_failed_confirmation_is_told_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def confirm(job: Any) -> None:
        if job.device == "broken":
            raise RuntimeError("no such device")
        done.set()

    monkeypatch.setattr(confirming, "_confirm", confirm)
    confirmer = IdleConfirmer()
    call = two(tmp_path, label="softmax")
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        threading.Thread(target=confirmer._work, daemon=True).start()
        for device in ("broken", "cuda:0"):
            confirmer._jobs.put(confirming._Job(call, Call(()), lambda: None, device, None))
        assert done.wait(10)
    assert "softmax: its choice could not be confirmed" in caplog.text

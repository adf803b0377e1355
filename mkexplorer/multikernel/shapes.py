"""Picks by shape: sizes fall into buckets, each bucket has a pick of its own, and a new bucket asks its neighbours."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .pick_store import PickStore

log = logging.getLogger("mkexplorer.multikernel")

Bucket = tuple[str | int | float | bool | None, ...]

NEAR = 1.0
"""Up to this distance, one size doubled or halved, a pick is worth starting from."""

_ENDING = ".sizes"


def power_of_two(size: object) -> object:
    """The next power of two from a whole number up: sizes between two of them share a bucket. Others stay as they are.

    0 and 1 keep buckets of their own: Triton compiles other kernels for them.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        return size
    return 1 << (size - 1).bit_length() if size > 1 else size


def distance(one: Bucket, other: Bucket) -> float:
    """The sum of how many times each size doubles; infinite where anything but a positive size differs."""
    if len(one) != len(other):
        return math.inf
    return sum(_apart(mine, its) for mine, its in zip(one, other, strict=True))


def nearest(bucket: Bucket, known: Iterable[Bucket]) -> Bucket | None:
    """The one of ``known`` that is near enough to start from; of equally near ones the first."""
    near = [(distance(bucket, each), number, each) for number, each in enumerate(known)]
    found = min(near, default=None, key=lambda each: each[:2])
    return found[2] if found is not None and found[0] <= NEAR else None


def _apart(one: object, other: object) -> float:
    if one == other and type(one) is type(other):
        return 0.0
    sizes = [each for each in (one, other) if isinstance(each, int) and not isinstance(each, bool) and each > 0]
    return abs(math.log2(sizes[0] / sizes[1])) if len(sizes) == 2 else math.inf


@dataclass(frozen=True)
class KnownBuckets:
    """The buckets of one multi-kernel that any process has measured, in a file of the cache that is only added to.

    ``key`` is common to all its buckets. Each line tells a bucket and the key of its run module, beside which the pick
    itself is kept: one that was cleared or pinned meanwhile counts as it is now. A bucket may have several of them.
    """

    cache: Path
    key: str
    count: int

    def pick_near(self, bucket: Bucket) -> int | None:
        """The pick of the nearest bucket that has one and is near enough."""
        keys: dict[Bucket, list[str]] = {}
        for each, key in self._read():
            keys.setdefault(each, []).append(key)
        while (found := nearest(bucket, keys)) is not None:
            picks = (PickStore(self.cache, key, self.count, "").load() for key in keys.pop(found))
            index = next((each for each in picks if each is not None), None)
            if index is not None:
                return index
        return None

    def add(self, bucket: Bucket, key: str) -> None:
        if (bucket, key) in self._read():
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                os.write(descriptor, json.dumps([bucket, key]).encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            log.debug("%s: not written: %s", self._path, error.strerror)

    @property
    def _path(self) -> Path:
        return self.cache / self.key[1:3] / f"{self.key}{_ENDING}"

    def _read(self) -> Iterator[tuple[Bucket, str]]:
        """A line that cannot be read is another program's, or torn, and tells nothing."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                bucket, key = json.loads(line)
                if isinstance(bucket, list) and isinstance(key, str):
                    yield tuple(bucket), key
            except ValueError:
                continue

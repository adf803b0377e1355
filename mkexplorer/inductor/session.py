"""What this process has chosen, and the summary of it that is printed at exit if asked."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from mkexplorer.catalog.model import Timing
from mkexplorer.race.statistics import Ruling

from .settings import settings

if TYPE_CHECKING:
    from .measuring import Measurement

log = logging.getLogger("mkexplorer.inductor")

_NAME = re.compile(r"triton_([a-z]+)_fused_(.*?)_?\d*\Z")
_KINDS = {"red": "looped", "per": "persistent", "tem": "template", "spl": "split scan"}
_LONGEST_TITLE = 48


class How(StrEnum):
    """How a choice came about."""

    MEASURED = "measured"
    LOADED = "loaded"
    PINNED = "pinned"
    FORCED = "forced"
    FIRST = "not measured"
    DETERMINISTIC = "the first, in deterministic mode"
    AGREED = "another rank's"
    DISTANCE = "by shape"
    VERIFIED = "by shape, and then measured"


@dataclass(frozen=True)
class Decision:
    """``names`` are the sub-kernels'. ``times`` go by sub-kernel and are empty where nothing was measured.

    ``stock_index`` is what torch's own rule would have chosen, None where it was not asked. ``is_reported``: whether a
    report was wanted when it was made.
    """

    multi_kernel: str
    names: tuple[str, ...]
    index: int
    how: How
    remark: str = ""
    times: tuple[Timing | None, ...] = ()
    ruling: Ruling | None = None
    wall_us: float = 0.0
    stock_index: int | None = None
    is_reported: bool = False

    def resting_on(self, measurement: Measurement | None, stock_index: int | None = None) -> Decision:
        if measurement is None:
            return self
        choice = measurement.choice
        return replace(
            self,
            remark="; ".join(filter(None, (self.remark, choice.doubt))),
            times=choice.times,
            ruling=choice.ruling,
            wall_us=measurement.wall_us,
            stock_index=stock_index,
        )

    @property
    def stock_loss_us(self) -> float:
        """By how much torch's choice is slower than ours, per call; 0 where that is not known."""
        if self.stock_index is None or not self.times:
            return 0.0
        theirs, ours = self.times[self.stock_index], self.times[self.index]
        return theirs.median_us - ours.median_us if theirs is not None and ours is not None else 0.0


decisions: list[Decision] = []


def note(decision: Decision) -> None:
    decisions.append(replace(decision, is_reported=settings.report))


@cache
def tell_once(text: str, level: int = logging.WARNING) -> None:
    log.log(level, text)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """For what a program can do without: an error in it is told once, and the program goes on."""
    try:
        yield
    except Exception as error:
        log.debug(what, exc_info=True)
        tell_once(f"mkexplorer: {what}: {type(error).__name__}: {error}")


@cache
def report_at_exit() -> None:
    """Prints what was decided while a report was wanted; where nothing was, only if one is wanted still."""
    atexit.register(_report)


def _report() -> None:
    reported = [each for each in decisions if each.is_reported]
    if settings.report or reported:
        print(summary(reported), file=sys.stderr)


def summary(found: Sequence[Decision]) -> str:
    """For people: one line per choice, then the sums."""
    rank = os.environ.get("RANK")
    who = f"mkexplorer, rank {rank}" if rank else "mkexplorer"
    if not found:
        return f"{who}: no multi-kernel was called."
    lines = [f"{who}: {_counted(len(found), 'choice')}: {_ways(found)}"]
    lines += [f"  {_line(each)}" for each in found]
    asked = [each for each in found if each.stock_index is not None]
    if asked:
        other = [each for each in asked if each.stock_index != each.index]
        loss = sum(each.stock_loss_us for each in other)
        lines.append(
            f"  torch's own rule: another choice for {len(other)} of {len(asked)}, "
            f"{loss:.1f} µs slower in all if each is called once"
        )
    return "\n".join(lines)


def _ways(found: Sequence[Decision]) -> str:
    ways = dict.fromkeys(each.how for each in found)
    texts = []
    for way in ways:
        among = [each for each in found if each.how is way]
        wall_us = sum(each.wall_us for each in among)
        texts.append(f"{len(among)} {way.value}{f' in {wall_us / 1e6:.2f} s' if wall_us else ''}")
    return ", ".join(texts)


def _line(decision: Decision) -> str:
    parts = []
    for index, name in enumerate(decision.names):
        timing = decision.times[index] if decision.times else None
        mark = "*" if index == decision.index else ""
        parts.append(f"{mark}{_kind(name)}{f' {timing.median_us:.1f} µs' if timing is not None else ''}")
    ruling = decision.ruling
    verdict = f", {ruling.verdict} {ruling.ratio:.2f}x" if ruling is not None else ""
    stock = ""
    if decision.stock_index is not None and decision.stock_index != decision.index:
        stock = f"; torch's own rule: {_kind(decision.names[decision.stock_index])}, {decision.stock_loss_us:+.1f} µs"
    remark = f"; {decision.remark}" if decision.remark else ""
    return f"{decision.multi_kernel} {_title(decision.names[0])}: {' | '.join(parts)}{verdict}{stock}{remark}"


def _kind(name: str) -> str:
    found = _NAME.search(name)
    return _KINDS.get(found[1], found[1]) if found else name[:_LONGEST_TITLE]


def _title(name: str) -> str:
    found = _NAME.search(name)
    title = found[2] if found and found[2] else name
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

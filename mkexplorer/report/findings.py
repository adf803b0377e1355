"""What a check-up says: findings, each with how bad it is and how to put it right, in sections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """``ok`` is a fact that is as it should be; a ``problem`` makes programs fail or picks not count."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    fix: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckupSection:
    title: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        return worst(each.level for each in self.findings)


def worst(levels: Iterable[Level]) -> Level:
    return max(levels, key=list(Level).index, default=Level.OK)

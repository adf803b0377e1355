"""How a measurement can fail, each with what to do about it."""

from __future__ import annotations

from mkexplorer.catalog.errors import MkexplorerError


class BenchError(MkexplorerError):
    """A measurement that gave no result; ``is_fatal`` where the next one will give none either."""

    is_fatal = False


class BenchUnusable(BenchError):
    """The interpreter is no Python, holds no torch, or has no GPU where one was demanded."""

    is_fatal = True


class BenchCancelled(MkexplorerError):
    """Somebody cancelled the measurement, or closed what was to make it."""

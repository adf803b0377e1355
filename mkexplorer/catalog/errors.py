"""What can go wrong for a user, each with what to do about it."""

from __future__ import annotations


class MkexplorerError(Exception):
    """A failure that a person can act on: ``message`` says what happened to what, ``advice`` what to do."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class PlaceError(MkexplorerError):
    """The place cannot be opened at all."""


class BundleError(PlaceError):
    """The bundle is damaged, too large, or would write outside its folder."""


class UnknownId(MkexplorerError):
    """No multi-kernel has this id, or more than one does."""

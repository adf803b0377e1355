"""What stops a job."""

from __future__ import annotations


class JobFailed(Exception):
    """The text is a sentence for a person. ``is_poisoned``: the GPU context is broken, this process of no more use."""

    def __init__(self, message: str, *, is_poisoned: bool = False) -> None:
        super().__init__(message)
        self.is_poisoned = is_poisoned

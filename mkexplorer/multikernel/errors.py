"""What can go wrong when multi-kernels are defined, generated, called and frozen."""

from __future__ import annotations

from mkexplorer.catalog.errors import MkexplorerError


class MultiKernelError(MkexplorerError):
    """A multi-kernel cannot do what was asked of it."""

    def __str__(self) -> str:
        """With the advice: a program's traceback shows nothing else."""
        return f"{self.message}. {self.advice}" if self.advice else self.message


class DefinitionError(MultiKernelError):
    """The sub-kernels make no multi-kernel, or one of them cannot be written down; the message names the offender."""


class MissingChoice(MultiKernelError):
    """A second pass lacks the choice of a multi-kernel; the message names it."""

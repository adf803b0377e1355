"""Which Python the app asks where picks are. Light: the app has it before its first frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.measure.bencher import Bencher
    from mkexplorer.picks.interpreter import Interpreter

# The drivers of NVIDIA, of AMD, and of Windows' Linux.
_GPU_SIGNS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


class Pythons:
    """``python`` tells where picks are, by default the one that runs mkexplorer."""

    def __init__(self, python: str | None = None) -> None:
        self.python = python

    def for_place(self, catalog: Catalog) -> Interpreter:
        """The one that may run code of the place."""
        from mkexplorer.picks.book import interpreter_for

        return interpreter_for(catalog, self.python)

    def on_its_own(self) -> Interpreter:
        """The same one, to be asked only who it is."""
        from mkexplorer.picks.interpreter import Interpreter

        return Interpreter(self.python)

    def sees_gpu(self) -> bool:
        """Whether there is any sign of a GPU; CUDA is not asked, which would take memory of it."""
        hidden = any(os.environ.get(name) in ("", "-1") for name in _HIDING)
        return not hidden and any(os.path.exists(path) for path in _GPU_SIGNS)

    def bencher(self) -> Bencher:
        """The same one, to measure in. Raises `MkexplorerError`."""
        from mkexplorer.measure.bencher import Bencher

        return Bencher(self.python)


class NoPython(Pythons):
    """None is to be started: only the picks whose place is remembered are known."""

    def for_place(self, catalog: Catalog) -> Interpreter:
        return self.on_its_own()

    def on_its_own(self) -> Interpreter:
        from mkexplorer.picks.book import NotStarted

        return NotStarted(self.python)

    def bencher(self) -> Bencher:
        from mkexplorer.measure.errors import BenchUnusable

        raise BenchUnusable(
            "no Python is to be started, and sub-kernels run only in one", "Start mkexplorer without --no-python."
        )

"""Where the pick file of every multi-kernel of a place is, or why that cannot be known. Never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from mkexplorer.catalog.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.kernel_files import KernelFiles
from mkexplorer.catalog.model import MultiKernel, PlaceKind
from mkexplorer.catalog.wrapper_parser import OWN

from .interpreter import Interpreter, InterpreterClosed, InterpreterError
from .key_computer import KeyComputer
from .origin import CacheFiles, Standing, another, form_objection, judge
from .rules import Rule, has_no_file, rule_of, run_module_path, writers

_PICK_PATH = re.compile(r"[0-9a-z]{2}/[0-9a-z]+\.picked_kernel\Z")
_TEMPLATE = "a multi-kernel of templates has no pick file: it chooses for each shape, and keeps that in memory"
_NOT_A_CACHE = "a {kind} holds no picks; open the cache directory in which they are"
_UNTRUSTED = (
    "the bundle does not record it, and to compute it code from the bundle would have to run; "
    "if you trust the code, unpack the bundle and open the folder"
)
_BROKEN_DEFINITION = "its definition in the wrapper is broken; compile the program again"


@dataclass(frozen=True, slots=True)
class PickPlace:
    """``path`` of the pick file, relative to the cache, POSIX, whether or not a file stands there; None if not known.

    ``reason`` says how the path is known, or why it is not and what to do about it.
    """

    multi_kernel_id: str
    path: str | None
    reason: str


class Progress(NamedTuple):
    """``done`` of ``total`` multi-kernels; ``doing`` is what takes the time, for people."""

    done: int
    total: int
    doing: str


def find_places(
    catalog: Catalog, interpreter: Interpreter, *, on_progress: Callable[[Progress], None] = lambda _: None
) -> Iterator[PickPlace]:
    """One for each multi-kernel, in no particular order: those that need no interpreter come first.

    Runs code of a cache in ``interpreter``, never that of a bundle. To cancel, close the interpreter from any
    thread: then this raises `InterpreterClosed`.
    """
    search = _Search(catalog, interpreter, on_progress)
    try:
        yield from search.run()
    finally:
        search.computer.remember()


class _Search:
    def __init__(self, catalog: Catalog, interpreter: Interpreter, on_progress: Callable[[Progress], None]) -> None:
        self.computer = KeyComputer(interpreter)
        self._catalog = catalog
        self._python = interpreter.python
        self._kernels = KernelFiles(catalog)
        self._files = CacheFiles(catalog.store)
        self._on_progress = on_progress
        self._known: set[str | None] = set()
        self._done = 0
        self._failure: InterpreterError | None = None

    def run(self) -> Iterator[PickPlace]:
        waiting = []
        for multi_kernel in self._catalog.multi_kernels:
            place = self._without_interpreter(multi_kernel)
            if place is None:
                waiting.append(multi_kernel)
            else:
                self._report(1, "reading wrappers")
                self._known.add(place.path)
                yield place
        if waiting:
            yield from self._with_interpreter(waiting)

    def _without_interpreter(self, multi_kernel: MultiKernel) -> PickPlace | None:
        """What is known from text alone; None where an interpreter can tell."""
        if has_no_file(multi_kernel):
            return PickPlace(multi_kernel.id, None, _TEMPLATE)
        kind, wrapper = self._catalog.place.kind, self._catalog.wrapper(multi_kernel)
        if kind is PlaceKind.BUNDLE:
            evidence = self._catalog.evidence(multi_kernel)
            if evidence and evidence.pick_path and _PICK_PATH.match(evidence.pick_path):
                return PickPlace(multi_kernel.id, evidence.pick_path, "recorded in the bundle")
        elif kind is not PlaceKind.CACHE and "/" not in wrapper.origin.path:
            return PickPlace(multi_kernel.id, None, _NOT_A_CACHE.format(kind=kind))
        releases = writers(wrapper.written_by)
        if wrapper.written_by == OWN or (releases and rule_of(releases.last) is Rule.RUN_MODULE):
            return self._beside_run_module(multi_kernel, wrapper.written_by)
        return PickPlace(multi_kernel.id, None, _UNTRUSTED) if kind is PlaceKind.BUNDLE else None

    def _beside_run_module(self, multi_kernel: MultiKernel, written_by: str) -> PickPlace:
        try:
            path = run_module_path(self._kernels.definition(multi_kernel))
        except MkexplorerError as error:
            return _unknown(multi_kernel, error)
        keeper = "mkexplorer.multikernel keeps" if written_by == OWN else "torch 2.3 and 2.4 keep"
        reason = f"beside the module that runs it, as {keeper} it" if path else _BROKEN_DEFINITION
        return PickPlace(multi_kernel.id, path, reason)

    def _with_interpreter(self, waiting: list[MultiKernel]) -> Iterator[PickPlace]:
        """A place that nothing proves waits for another one to be proven: then the cache is this interpreter's."""
        self._report(0, f"starting {self._python}")
        is_own = False
        unopposed: list[PickPlace] = []
        for multi_kernel in waiting:
            place, standing = self._examine(multi_kernel)
            self._report(1, "computing keys")
            is_own = is_own or standing is Standing.PROVEN
            if standing is Standing.UNOPPOSED and not is_own:
                unopposed.append(place)
                continue
            yield place
            if is_own:
                yield from unopposed
                unopposed.clear()
        strange = len(self._files.picks - self._known)
        if unopposed and strange:
            found = f"another torch or triton: none of its {strange} picks is where these keep it"
            reason = another(self.computer.identity, found)
            unopposed = [replace(place, path=None, reason=reason) for place in unopposed]
        yield from unopposed

    def _examine(self, multi_kernel: MultiKernel) -> tuple[PickPlace, Standing]:
        if self._failure:
            return _unknown(multi_kernel, self._failure), Standing.REFUTED
        try:
            return self._compute(multi_kernel)
        except InterpreterClosed:
            raise
        except InterpreterError as error:
            if error.is_fatal:
                self._failure = error
            return _unknown(multi_kernel, error), Standing.REFUTED
        except MkexplorerError as error:
            return _unknown(multi_kernel, error), Standing.REFUTED

    def _compute(self, multi_kernel: MultiKernel) -> tuple[PickPlace, Standing]:
        identity, files = self.computer.identity, self._files
        releases = writers(self._catalog.wrapper(multi_kernel).written_by)
        if reason := form_objection(releases, identity, multi_kernel, files):
            return PickPlace(multi_kernel.id, None, reason), Standing.REFUTED
        computed = self.computer.compute(self._kernels.of(multi_kernel))
        place = PickPlace(multi_kernel.id, computed.path, f"as torch {identity.torch} in {identity.executable} has it")
        standing, reason = judge(multi_kernel, computed, identity, files)
        return (replace(place, path=None, reason=reason) if reason else place), standing

    def _report(self, more: int, doing: str) -> None:
        self._done += more
        self._on_progress(Progress(self._done, len(self._catalog.multi_kernels), doing))


def _unknown(multi_kernel: MultiKernel, error: MkexplorerError) -> PickPlace:
    return PickPlace(multi_kernel.id, None, f"{error.message}; {error.advice}" if error.advice else error.message)

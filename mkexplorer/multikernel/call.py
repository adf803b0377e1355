"""A multi-kernel at run time: chooses at its first call, and is the chosen sub-kernel's launcher from then on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from .binding import Launch, part_of
from .choosing import Choice
from .environment import forced_index, is_cache_disabled, metrics_file, shares_ranks
from .measuring import is_capturing, machine_of
from .metrics import add_rows
from .modules import key_of, load_source
from .pick_store import PickStore
from .rank_note import RankNote
from .sharing import Ranks, alone_with, ranks, wait_for
from .trial import Call, device_of_call, find_fastest, names_of, parts_of

log = logging.getLogger("mkexplorer.multikernel")


class MultiKernelCall:
    """``kernels`` are sub-kernels or futures of some: nobody waits for them before the first call.

    ``source`` is the run module, whose hash tells where the pick is kept in ``cache``; without a cache it is not kept.
    ``wrapper`` is the key of the module that calls it, for the evidence; ``label`` is what people call it, ``sizes``
    what it is called with, in words. ``picked`` is the chosen sub-kernel's index, None as long as there is none; a pick
    that was kept is there from the beginning.

    A sub-kernel is a `Kernel`, or anything with its ``run``. If it has them, ``prepare(arguments, grid)`` is called
    before its first launch, ``launcher_for(parameters, takes)`` gives what launches it with some of a call's arguments,
    ``mutated_positions`` and ``output_positions`` say which of its own it overwrites, ``name`` and ``meta`` what it is
    called, and ``is_interpreted`` that it runs on the CPU.
    """

    def __init__(
        self,
        name: str,
        kernels: Sequence[Any],
        source: str,
        cache: Path | None,
        *,
        wrapper: str = "",
        label: str = "",
        sizes: str = "",
    ) -> None:
        self.multi_kernel_name = name
        self.label = label or name
        self._sizes = sizes
        self.key = key_of(source)
        self._kernels = list(kernels)
        self._module = _in_memory(source) if cache is None else load_source(source, cache)
        self._lock = threading.Lock()
        self._store = PickStore(cache or Path(), self.key, len(self._kernels), f"{wrapper}/{name}" if wrapper else "")
        self._note = RankNote(self.pick_path, len(self._kernels))
        self._is_cached = cache is not None and not is_cache_disabled()
        forced = forced_index((self.label, name), len(self._kernels))
        self.is_forced = forced is not None
        self.is_provisional = self._is_due = False
        self.picked = forced if forced is not None else self._kept()

    @property
    def pick_path(self) -> Path:
        return self._store.path

    @property
    def kernels(self) -> list[Any]:
        """The sub-kernels; waits for those that are still compiling."""
        return [self._kernel(index) for index in range(len(self._kernels))]

    @property
    def is_settled(self) -> bool:
        """Whether ``run`` is a sub-kernel's launcher."""
        return "run" in vars(self)

    def run(self, *arguments: Any, grid: Any = None, stream: object = None) -> Any:
        """The first call, which measures if nobody knows the fastest; after it, this attribute is the launcher."""
        call = Call(arguments, grid, stream)
        try:
            return self._launch(call)
        except Exception as error:
            if not self.is_provisional:
                raise
            log.debug("%s: what was suggested cannot run: %s", self.label, error)
        self.reconsider()
        return self._launch(call)

    def suggest(self, index: int) -> None:
        """Uses ``index`` without measuring, unless there is a pick. It is not kept until `confirm` has measured.

        Ranks that share take no suggestion: the others could not tell when the lowest one has confirmed it.
        """
        with self._lock:
            if self.picked is None and _job() is None:
                self.picked, self.is_provisional = index, True

    def reconsider(self) -> None:
        """Lets the next call measure, if what is used now was only suggested."""
        with self._lock:
            if self.is_provisional:
                self._is_due = True
                vars(self).pop("run", None)

    def confirm(self, call: Call) -> Choice:
        """Measures now; on a tie the pick stays. Keeps the choice, and uses it unless another one is forced.

        A choice that is in doubt changes nothing.
        """
        with self._lock:
            choice = self._measured(call)
            self._keep(choice, call)
            if not self.is_forced and not choice.doubt:
                self.picked, self.is_provisional = choice.index, False
                self._bind(choice.index, call)
        return choice

    def __repr__(self) -> str:
        names = names_of(self._kernels)
        if self.picked is not None:
            how = "forced" if self.is_forced else "suggested" if self.is_provisional else "picked"
            names[self.picked] += f" ({how})"
        return f"<{self.label}: {', '.join(names)}>"

    def _launch(self, call: Call) -> Any:
        with self._lock:
            launch = self._settle(call)
        return launch(*call.arguments, grid=call.grid, stream=call.stream)

    def _settle(self, call: Call) -> Launch:
        """The launcher to use now. Runs under the lock, so that of many first calls one measures."""
        if self.is_settled:
            return self.run
        if is_capturing(device_of_call((), call.arguments)):
            return self._unmeasured(call)
        self.picked = self._decided(call)
        return self._bind(self.picked, call)

    def _decided(self, call: Call) -> int:
        job = _job()
        index = None if self._is_due else self.picked
        if job is not None and not job.decides and not self._holds:
            told = self._of_lowest_rank(job)
            if told is not None:
                index = told
                self.is_provisional = self._is_due = False
        if index is None:
            index = self._found(call)
        if job is not None and job.decides:
            told = self._tell(job, index)
            index = index if self._holds else told
        return index

    @property
    def _holds(self) -> bool:
        """Whether this process uses its own pick whatever other ranks use: it is forced, or a person has pinned it."""
        return self.is_forced or (self._is_cached and self._store.is_pinned)

    def _found(self, call: Call) -> int:
        """Measured, unless another process with this cache has done it meanwhile, or this one has told the others."""
        with alone_with(self.pick_path) if self._is_cached else contextlib.nullcontext():
            index = self._kept()
            if index is None:
                index = self._note.own()
            if index is None:
                choice = self._measured(call)
                self._keep(choice, call)
                index = choice.index
        self.is_provisional = self._is_due = False
        return index

    def _tell(self, job: Ranks, index: int) -> int:
        """The lowest rank's: what it told first, which others may use by now, and else ``index``.

        Without a store a pick that is kept tells by being there, and any other one stands in a note.
        """
        if job.store is not None:
            return job.tell(self.key, index)
        if self._is_cached and self._store.load() != index:
            self._note.leave(index)
        return index

    def _of_lowest_rank(self, job: Ranks) -> int | None:
        """What the lowest rank uses. Not kept here: that rank keeps it, unless it is forced or in doubt."""
        if job.store is not None:
            return job.ask(self.key, len(self._kernels))
        if not self._is_cached:
            return None  # without a file there is nothing to wait for
        return wait_for(self.pick_path, self._kept_or_noted)

    def _kept_or_noted(self) -> int | None:
        kept = self._kept()
        return self._note.read() if kept is None else kept

    def _unmeasured(self, call: Call) -> Launch:
        """For calls that CUDA records into a graph, where nothing can be measured: the pick, or else the first."""
        if self.picked is None:
            log.warning(
                "%s: recorded into a CUDA graph before it was ever called: recording sub-kernel 0, unmeasured. "
                "Call it once before the recording.",
                self.label,
            )
        return self._launcher(self.picked or 0, call)

    def _measured(self, call: Call) -> Choice:
        kernels = self.kernels
        for kernel in kernels:
            if hasattr(kernel, "reconsider"):
                kernel.reconsider()
        old = None if self.is_provisional else self.picked  # what was only suggested has no evidence to outweigh
        choice = find_fastest(self.label, kernels, self._module, call, old)
        meta = getattr(kernels[0], "meta", None)
        hints = " ".join(f"{name}{size}" for name, size in getattr(meta, "size_hints", {}).items())
        reduction_hint = getattr(meta, "reduction_hint", "")
        log.debug(
            "%s: pick %dth sub-kernel in %s. Size hints %s. Reduction hint %s. Timings %s us",
            self.label,
            choice.index,
            names_of(kernels),
            hints or self._sizes,
            reduction_hint,
            [timing and timing.median_us for timing in choice.times],
        )
        if file := metrics_file():
            add_rows(file, self.label, names_of(kernels), choice, hints or self._sizes, reduction_hint)
        return choice

    def _keep(self, choice: Choice, call: Call) -> None:
        if choice.doubt:
            log.warning("%s: the choice holds for this process only: %s", self.label, choice.doubt)
        elif self._is_cached:
            self._store.save(choice, machine_of(device_of_call(self.kernels, call.arguments)))

    def _kept(self) -> int | None:
        index = self._store.load() if self._is_cached else None
        if index is not None:
            log.debug("Load picked kernel %d from cache file %s", index, self.pick_path)
        return index

    def _bind(self, index: int, call: Call) -> Launch:
        # An attribute of the object hides the method: from now on a call looks nothing up and decides nothing.
        launch = self._launcher(index, call)
        self.run: Launch = launch  # type: ignore[method-assign]  # that is the point
        return launch

    def _launcher(self, index: int, call: Call) -> Launch:
        kernel = self._kernel(index)
        if hasattr(kernel, "prepare"):
            own, grid = parts_of(self._module, len(self._kernels), call)[index]
            kernel.prepare(own, grid)
        parameters, takes = self._module.ARGUMENTS, self._module.TAKES[index]
        if hasattr(kernel, "launcher_for"):
            found: Launch = kernel.launcher_for(parameters, takes)
            return found
        return part_of(kernel.run, parameters, takes)

    def _kernel(self, index: int) -> Any:
        kernel = self._kernels[index]
        if not hasattr(kernel, "run"):
            self._kernels[index] = kernel = kernel.result()
        return kernel


def _job() -> Ranks | None:
    """The ranks that this process shares its choices with; None where it shares none."""
    return ranks() if shares_ranks() else None


def _in_memory(source: str) -> ModuleType:
    module = ModuleType(key_of(source))
    exec(source, module.__dict__)
    return module

"""Measures one multi-kernel after the other for a command: with progress, keeping the evidence, until Ctrl-C."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.cli.parser import Given
from mkexplorer.cli.terminal import ProgressLine, is_shown, tell
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.consent import consent_needed
from mkexplorer.measure.errors import BenchCancelled, BenchError
from mkexplorer.measure.model import BenchResult, Device, Progress
from mkexplorer.measure.requests import bench_request
from mkexplorer.measure.sizes import symbols_of
from mkexplorer.picks import measurements
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.model import Who
from mkexplorer.picks.writing import Occasion
from mkexplorer.report import titles
from mkexplorer.report.bench_json import Unmeasured
from mkexplorer.report.bench_text import progress_text, verdict_sentence
from mkexplorer.report.measured import of_result

_SIZE = re.compile(r"([A-Za-z_]\w*)=([1-9]\d{0,17})")
_BAR_CELLS = 20


def check_consent(given: Given, catalog: Catalog) -> None:
    """Raises `MkexplorerError` where code of somebody else would run and nobody agreed."""
    reason = "" if given.trust else consent_needed(catalog)
    if reason:
        raise MkexplorerError(reason.removesuffix("."), "If you trust it, run this again with --trust.")


def bencher_for(given: Given, device: Device | None) -> Bencher:
    return Bencher(given.python, device=device, timeout_s=given.timeout, memory_limit_bytes=given.memory_limit)


@dataclass
class Measuring:
    """One command's measurements. ``results`` go by id; ``why_not_kept`` has those that are no evidence now.

    ``reports`` is whether each is told in a line on standard error where there is no terminal to draw a bar on.
    """

    given: Given
    catalog: Catalog
    book: PickBook
    device: Device | None
    reports: bool
    results: dict[str, BenchResult] = field(default_factory=dict)
    failed: list[Unmeasured] = field(default_factory=list)
    why_not_kept: dict[str, str] = field(default_factory=dict)
    is_cancelled: bool = False

    def run(self, wanted: Sequence[MultiKernel]) -> Iterator[MultiKernel]:
        """Each that is done, its result in ``results`` or its failure in ``failed``. Ctrl-C ends it without a word.

        Raises `MkexplorerError` for what keeps all of them from being measured.
        """
        sizes = sizes_of(self.given.sizes)
        _check_names(sizes, wanted)
        check_consent(self.given, self.catalog)
        occasion = Occasion(Who.PERSON)
        show = _Showing(len(wanted), self.reports and not self.given.quiet and not is_shown(), self.given.quiet)
        try:
            with bencher_for(self.given, self.device) as bencher, show.line:
                for multi_kernel in wanted:
                    self._measure(bencher, multi_kernel, sizes, show)
                    self._keep(multi_kernel, occasion)
                    show.finish(self._outcome(multi_kernel))
                    yield multi_kernel
        except (KeyboardInterrupt, BenchCancelled):
            self.is_cancelled = True

    def tell_what_is_not_kept(self) -> None:
        for reason, count in Counter(self.why_not_kept.values()).items():
            tell([f"{count} {'result is' if count == 1 else 'results are'} not kept: {reason}"])

    def _measure(self, bencher: Bencher, multi_kernel: MultiKernel, sizes: Mapping[str, int], show: _Showing) -> None:
        title = titles.full_title(multi_kernel)
        record = self.book.of(multi_kernel)
        show.begin(title)
        try:
            request = bench_request(
                self.catalog,
                multi_kernel,
                picked=record.pick.index,
                sizes=sizes,
                recorded=measurements.recorded_arguments(multi_kernel, record),
            )
            self.results[multi_kernel.id] = bencher.bench(
                request, lambda progress: show.progress(progress, title), with_stock=self.given.stock
            )
        except BenchCancelled:
            raise
        except MkexplorerError as error:
            if isinstance(error, BenchError) and error.is_fatal:
                raise
            self.failed.append(Unmeasured(multi_kernel, error))

    def _keep(self, multi_kernel: MultiKernel, occasion: Occasion) -> None:
        result = self.results.get(multi_kernel.id)
        if result is None:
            return
        if self.given.no_store:
            self.why_not_kept[multi_kernel.id] = "--no-store"
            return
        if sizes_of(self.given.sizes).keys() & symbols_of(multi_kernel):
            self.why_not_kept[multi_kernel.id] = "--size: the program's own sizes decide its picks"
            return
        try:
            measurements.store(self.catalog, self.book.of(multi_kernel), result, occasion)
        except MkexplorerError as error:
            prefix = f"{multi_kernel.id}: {measurements.NOT_KEPT}: "
            self.why_not_kept[multi_kernel.id] = error.message.removeprefix(prefix)

    def _outcome(self, multi_kernel: MultiKernel) -> str:
        name = f"{multi_kernel.id} {titles.full_title(multi_kernel)}"
        result = self.results.get(multi_kernel.id)
        if result is None:
            return f"{name}: failed: {self.failed[-1].error.message}"
        return f"{name}: {verdict_sentence(multi_kernel, of_result(result, self.book.of(multi_kernel).pick.index))}"


def sizes_of(texts: Sequence[str]) -> dict[str, int]:
    """'s0=4096' as {'s0': 4096}. Raises `MkexplorerError`."""
    found = {}
    for text in texts:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise MkexplorerError(f"{text!r} gives no size its value", "Write it like --size s0=4096.")
        found[match[1]] = int(match[2])
    return found


def _check_names(sizes: Mapping[str, int], wanted: Sequence[MultiKernel]) -> None:
    """Raises `MkexplorerError` for a size that none of them has: it would be measured at others than was meant."""
    if not sizes:
        return
    known = sorted(set().union(*map(symbols_of, wanted)))
    if unknown := sorted(sizes.keys() - set(known)):
        advice = f"The sizes that can be given are {', '.join(known)}." if known else "All sizes are fixed."
        raise MkexplorerError(f"nothing here has a size {', '.join(unknown)}", advice)


class _Showing:
    """A bar on the terminal, or a line for each that is done."""

    def __init__(self, total: int, has_lines: bool, is_quiet: bool) -> None:
        self.line = ProgressLine(is_wanted=not is_quiet)
        self._total = total
        self._done = 0
        self._has_lines = has_lines
        self._began = time.monotonic()

    def begin(self, title: str) -> None:
        self.line.show(self._text(f"starting {title}"))

    def progress(self, progress: Progress, title: str) -> None:
        self.line.show(self._text(progress_text(progress, title)))

    def finish(self, outcome: str) -> None:
        self._done += 1
        self.line.clear()
        if self._has_lines:
            tell([f"{self._done} of {self._total}: {outcome}"])

    def _text(self, doing: str) -> str:
        filled = _BAR_CELLS * self._done // self._total
        bar = "━" * filled + "─" * (_BAR_CELLS - filled)
        left = ""
        if 0 < self._done < self._total:
            seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            left = f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
        return f"{bar} {self._done} of {self._total}{left} · {doing}"

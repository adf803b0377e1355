"""What was measured, kept beside the pick that it is about: evidence for whoever asks later why that is the pick.

Only what may be believed later is kept: times of a GPU that nobody else was using.
"""

from __future__ import annotations

from dataclasses import replace

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Argument, MultiKernel
from mkexplorer.catalog.store import FolderStore
from mkexplorer.measure.model import BenchResult, Device, SubKernelResult

from .book import PickRecord
from .changes import full_id, measurement
from .files import read_pick_file
from .model import Machine, Measured, PickFile
from .writing import Occasion, enter_measurement

NOT_KEPT = "what was measured is not kept"
_LONGEST_TEXT = 1000


def doubt(result: BenchResult) -> str:
    """Why nobody should later go by this result; '' where there is nothing against it."""
    if result.device is not Device.CUDA:
        return "times of Triton's interpreter are no GPU times"
    if result.environment.contended:
        return f"somebody else was using the GPU: {result.environment.contended}"
    if all(each.cold is None for each in result.sub_kernels):
        return "no sub-kernel has a time"
    return ""


def store(catalog: Catalog, record: PickRecord, result: BenchResult, occasion: Occasion) -> PickFile:
    """Enters ``result`` into the history beside the pick and returns the file as it is then; the pick stays.

    Raises `MkexplorerError` where the result is in `doubt`, or where its pick file is not known or may not be touched.
    A plan for the file as it was before is out of date then: read the book again.
    """
    multi_kernel = catalog.find(result.multi_kernel_id)
    if reason := doubt(result):
        raise MkexplorerError(f"{multi_kernel.id}: {NOT_KEPT}: {reason}")
    file, count = record.file, len(multi_kernel.sub_kernels)
    if file.path and isinstance(catalog.store, FolderStore):
        file = read_pick_file(catalog.store, file.path, count)
    if file.obstacle:
        advice = "Put that right, then measure again."
        raise MkexplorerError(f"{multi_kernel.id}: {NOT_KEPT}: {file.obstacle}", advice)
    entry = measurement(multi_kernel, file, measured_of(result), machine_of(result))
    assert isinstance(catalog.store, FolderStore)  # in anything else every file has an obstacle
    enter_measurement(catalog.store, entry, occasion)
    return read_pick_file(catalog.store, file.path, count)


def measured_of(result: BenchResult) -> Measured:
    environment = result.environment
    return Measured(
        sub_kernels=tuple(_summary(each) for each in result.sub_kernels),
        judgement=result.judgement,
        source=result.source,
        bytes_moved=result.bytes_moved,
        copy_gb_per_s=environment.copy_gb_per_s,
        sm_clock_mhz=environment.sm_clock_mhz,
        throttled=environment.throttled,
        notes=tuple(note[:_LONGEST_TEXT] for note in result.notes),
    )


def machine_of(result: BenchResult) -> Machine:
    """The machine that a measurement tells of."""
    found = result.environment
    return Machine(gpu=found.gpu, driver=found.driver, torch=found.torch, triton=found.triton)


def recorded_arguments(multi_kernel: MultiKernel, record: PickRecord) -> tuple[Argument, ...]:
    """Those of the newest call that a run time measured of this very multi-kernel; nothing where there is none."""
    for entry in reversed(record.file.history.entries):
        if entry.multi_kernel == full_id(multi_kernel) and entry.measured is not None and entry.measured.arguments:
            return entry.measured.arguments
    return ()


def _summary(result: SubKernelResult) -> SubKernelResult:
    return replace(result, samples_us=(), problem=result.problem[:_LONGEST_TEXT])

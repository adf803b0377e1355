"""What a measurement would be made on, said before it is asked for. Reads the place, runs nothing."""

from __future__ import annotations

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Argument, MultiKernel
from mkexplorer.measure.consent import consent_needed
from mkexplorer.measure.model import ArgumentSource
from mkexplorer.measure.requests import bench_request

NO_GPU = (
    "no GPU is to be seen here: Triton's interpreter would run the sub-kernels on the CPU, which tells whether they "
    "compute the same, not how fast they are"
)
RECORDED = "arguments would be those that a program recorded"
PROBLEM = "✗ cannot be measured: "


def outlook(
    catalog: Catalog, multi_kernel: MultiKernel, sees_gpu: bool, recorded: tuple[Argument, ...] = ()
) -> tuple[str, ...]:
    """Sentences: what is missing, from where the arguments would come, whether somebody is asked first.

    ``recorded`` are the arguments that a program called it with.
    """
    said = [] if sees_gpu else [NO_GPU]
    try:
        request = bench_request(catalog, multi_kernel, recorded=recorded)
    except MkexplorerError as error:
        return (*said, f"{PROBLEM}{error.message}. {error.advice}".strip())
    except OSError as error:
        return (*said, f"{PROBLEM}{error}")
    is_recorded = request.source is ArgumentSource.RECORDED
    said.append(RECORDED if is_recorded else f"arguments would come from {request.source.value}")
    said += request.notes
    if consent_needed(catalog):
        said.append("you are asked first: its code is somebody else's")
    return tuple(said)

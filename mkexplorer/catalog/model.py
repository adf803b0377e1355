"""What one place holds, as plain data.

Every type here is frozen and knows nothing of files, terminals or GPUs; these types are what crosses the
borders between the parser, the faces and whatever is measured later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What kind of kernel a sub-kernel is, by its ``@triton_heuristics`` decorator."""

    LOOPED = "looped"
    PERSISTENT = "persistent"
    COOPERATIVE = "cooperative"
    TEMPLATE = "template"
    OTHER = "other"


class MultiKernelKind(StrEnum):
    """How the run time chooses: by timing, or (torch 2.10+) by distance to the size hints."""

    TIMED = "multi_kernel"
    SIZE_HINT = "size_hint_multi_kernel"


class PlaceKind(StrEnum):
    CACHE = "cache directory"
    WRAPPER = "wrapper file"
    DEBUG = "torch_compile_debug directory"
    LOG = "TORCH_LOGS text"
    TRACE = "TORCH_TRACE log"
    BUNDLE = "bundle"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


# A size that the wrapper writes as a number is an int; a symbolic one ('s0', '4*s0') stays text.
Size = int | str


@dataclass(frozen=True, slots=True)
class Span:
    """Lines ``first`` to ``last`` of a text, both counted from 1 and both inside."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something in a place that could not be used; the rest of the place is loaded all the same."""

    severity: Severity
    path: str
    line: int | None
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """One tensor of a call. ``shape``, ``stride`` (in elements) and ``dtype`` are None where the text does not tell.

    ``name`` is the parameter of the sub-kernel that receives it (``in_ptr0``), ``expression`` what the call
    passes (``buf3``), ``origin`` says from which statement the rest was read, for people.
    """

    name: str
    expression: str
    dtype: str | None
    shape: tuple[Size, ...] | None
    stride: tuple[Size, ...] | None
    offset: Size = 0
    origin: str = ""


@dataclass(frozen=True, slots=True)
class ScalarArgument:
    """One number of a call; ``value`` is text where it is symbolic."""

    name: str
    expression: str
    value: int | float | str


Argument = TensorArgument | ScalarArgument


@dataclass(frozen=True, slots=True)
class CallSite:
    """One ``multi_kernel_N.run(…)`` line."""

    line: int
    arguments: tuple[Argument, ...]
    grid: str | None = None
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class SubKernel:
    """One Triton kernel of a multi-kernel.

    ``source`` spans the kernel's own source inside the wrapper's text (what ``async_compile.triton`` gets);
    ``kernel_file`` is the base name under which torch keeps it (``code_hash`` of that source, + ``.py``);
    ``recorded_path`` is the path in the ``# kernel path:`` comment, on the machine that compiled.
    ``size_key`` is the hint shape of a size-hint multi-kernel's entry, as written.
    """

    index: int
    name: str
    kind: Kind
    source: Span
    kernel_file: str
    recorded_path: str | None = None
    size_key: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """``aot_id`` as torch names it ('17_inference'); ``phase`` is forward, backward or inference."""

    aot_id: str
    phase: str | None


@dataclass(frozen=True, slots=True)
class MultiKernel:
    """``id`` is ``<7 or more letters of the wrapper's key>/<name>`` and stays the same when a cache moves."""

    id: str
    name: str
    kind: MultiKernelKind
    wrapper_key: str
    graph: Graph | None
    operations: tuple[str, ...]
    source_nodes: tuple[str, ...]
    sub_kernels: tuple[SubKernel, ...]
    calls: tuple[CallSite, ...]
    definition: Span


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a wrapper's text stands: the whole of ``path``, or the ``ordinal``-th text inside it.

    ``path`` is relative to the place (POSIX), so a moved place keeps its origins.
    """

    path: str
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One generated module. ``key`` is torch's own: ``code_hash`` of the module (so a copy has the same key)."""

    key: str
    origin: Origin
    line_count: int
    graph: Graph | None
    multi_kernels: tuple[MultiKernel, ...]
    written_by: str
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelMetadata:
    """What a sub-kernel's decorator says. Anything that is not written there is None or empty."""

    decorator: str
    size_hints: tuple[tuple[str, int], ...]
    reduction_hint: str | None
    signature: tuple[tuple[str, str], ...]
    loads: int | None
    stores: int | None
    reductions: int | None
    mutated: tuple[str, ...]
    persistent: bool | None
    grid_type: str | None
    device: tuple[tuple[str, str | int | None], ...]
    other: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CompiledConfig:
    """One folder of Triton's cache: one compiled configuration of one kernel file.

    ``stages`` maps 'ttir', 'ttgir', 'llir', 'ptx', 'cubin' … to paths relative to the place.
    ``block_sizes`` is empty where nothing records them. ``won`` is None where the cache does not record
    which configuration won.
    """

    hash: str
    kernel_file: str
    folder: str
    stages: tuple[tuple[str, str], ...]
    block_sizes: tuple[tuple[str, int], ...]
    num_warps: int | None
    num_stages: int | None
    shared_bytes: int | None
    target: str | None
    triton_version: str | None
    won: bool | None
    won_reason: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Device time of one sub-kernel: median and quartiles in microseconds over ``n`` samples."""

    median_us: float
    q1_us: float
    q3_us: float
    n: int


@dataclass(frozen=True, slots=True)
class Resources:
    registers: int | None
    spills: int | None
    shared_bytes: int | None


@dataclass(frozen=True, slots=True)
class SubKernelEvidence:
    """``stock_us`` is what torch's own benchmark read for it, host time included."""

    cold: Timing | None
    hot: Timing | None
    stock_us: float | None
    resources: Resources | None
    configuration: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one multi-kernel's pick: on what machine, with what timings. ``source`` tells from where."""

    source: str
    gpu: str | None
    torch: str | None
    triton: str | None
    picked: int | None
    pick_path: str | None
    sub_kernels: tuple[SubKernelEvidence, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """``path`` is absolute; ``kind`` is what it was found to be."""

    path: str
    kind: PlaceKind

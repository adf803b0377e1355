"""Small objects of the model for tests, with what a test does not care about filled in."""

from __future__ import annotations

from mkexplorer.catalog.model import (
    CallSite,
    Evidence,
    Graph,
    Kind,
    MultiKernel,
    MultiKernelKind,
    ScalarArgument,
    Size,
    Span,
    SubKernel,
    SubKernelEvidence,
    TensorArgument,
    Timing,
)

KEY = "cabc234" + "a" * 45


def tensor(*shape: Size, dtype: str | None = "torch.float32", name: str = "in_ptr0") -> TensorArgument:
    return TensorArgument(name, "buf0", dtype, shape, None)


def scalar(value: int | str) -> ScalarArgument:
    return ScalarArgument("xnumel", str(value), value)


def multi_kernel(
    *operations: str,
    arguments: tuple[TensorArgument | ScalarArgument, ...] = (),
    source_nodes: tuple[str, ...] = (),
    kernels: tuple[str, ...] = ("triton_red_fused_0", "triton_per_fused_1"),
    name: str = "multi_kernel_0",
    key: str = KEY,
    graph: str | None = "0_inference",
) -> MultiKernel:
    """A multi-kernel of one looped and otherwise persistent kernels, called once."""
    subs = tuple(
        SubKernel(index, kernel, Kind.PERSISTENT if index else Kind.LOOPED, Span(10, 20), f"c{index}file.py")
        for index, kernel in enumerate(kernels)
    )
    return MultiKernel(
        id=f"{key[:7]}/{name}",
        name=name,
        kind=MultiKernelKind.TIMED,
        wrapper_key=key,
        graph=Graph(graph, graph.rpartition("_")[2]) if graph is not None else None,
        operations=operations,
        source_nodes=source_nodes,
        sub_kernels=subs,
        calls=(CallSite(99, arguments),),
        definition=Span(50, 55),
    )


def timing(median_us: float, spread_us: float = 0.02, n: int = 40) -> Timing:
    """A time whose quartiles lie ``spread_us`` around its median."""
    return Timing(median_us, median_us - spread_us, median_us + spread_us, n)


def evidence(picked: int | None, *medians_us: float, spread_us: float = 0.02) -> Evidence:
    subs = tuple(SubKernelEvidence(timing(median, spread_us), None, None, None, ()) for median in medians_us)
    return Evidence("test", "NVIDIA H100", "2.11.0+cu130", "3.6.0", picked, "ab/cab.picked_kernel", subs)

"""Sub-kernels that no torch would write: one writes where nothing is, one never ends. For torch 2.10 and later."""

from __future__ import annotations

from dataclasses import replace

from mkexplorer.catalog.model import TensorArgument
from mkexplorer.measure.model import BenchRequest

_FAULTY = """
import triton
import triton.language as tl
from torch._inductor.runtime import triton_helpers, triton_heuristics
from torch._inductor.runtime.triton_helpers import libdevice, math as tl_math
from torch._inductor.runtime.hints import AutotuneHint, ReductionHint, TileHint, DeviceProperties
triton_helpers.set_driver_to_gpu()

@triton_heuristics.reduction(
    size_hints={'x': 64, 'r0_': 1024},
    reduction_hint=ReductionHint.INNER,
    filename=__file__,
    triton_meta={
        'signature': {
            'in_ptr0': '*fp32', 'out_ptr0': '*fp32', 'xnumel': 'i32', 'r0_numel': 'i32',
            'XBLOCK': 'constexpr', 'R0_BLOCK': 'constexpr',
        },
        'device': DeviceProperties(
            type='cuda', index=0, multi_processor_count=132, cc=90, major=9, regs_per_multiprocessor=65536,
            max_threads_per_multi_processor=2048, max_threads_per_block=1024, warp_size=32,
        ),
        'constants': {},
        'configs': [{(0,): [['tt.divisibility', 16]], (1,): [['tt.divisibility', 16]]}],
    },
    inductor_meta={
        'grid_type': 'Grid1D', 'autotune_hints': set(), 'kernel_name': 'NAME', 'mutated_arg_names': [],
        'optimize_mem': True, 'no_x_dim': False, 'num_load': 1, 'num_store': 1, 'num_reduction': 1,
    },
)
@triton.jit
def NAME(in_ptr0, out_ptr0, xnumel, r0_numel, XBLOCK : tl.constexpr, R0_BLOCK : tl.constexpr):
    xoffset = tl.program_id(0) * XBLOCK
    xindex = xoffset + tl.arange(0, XBLOCK)[:, None]
    xmask = xindex < xnumel
    BODY
"""
_BODIES = {
    "illegal": "tl.store(out_ptr0 + (xindex + 1).to(tl.int64) * 30_000_000_000, 1.0, xmask)",
    "endless": """count = tl.load(in_ptr0) * 0
    while count < 1.0:
        count = tl.load(in_ptr0, volatile=True) * 0
    tl.store(out_ptr0 + xindex, count, xmask)
""",
}


def faulty(request: BenchRequest, what: str) -> BenchRequest:
    """``request`` for two such kernels instead: 'illegal' or 'endless'."""
    tensors = tuple(TensorArgument(name, name, "float32", (64, 1024), (1024, 1)) for name in ("in_ptr0", "out_ptr0"))
    numbers = tuple(each for each in request.arguments or () if not isinstance(each, TensorArgument))[:2]
    kernels = []
    for index, kernel in enumerate(request.kernels):
        name = f"triton_red_{what}_{index}"
        text = _FAULTY.replace("NAME", name).replace("BODY", _BODIES[what])
        key = f"c{what}{index}".ljust(52, "x")
        plain = replace(kernel, configuration=None, best_configs={}, takes=(0, 1, 2, 3))
        kernels.append(replace(plain, key=key, name=name, text=text))
    return replace(
        request, multi_kernel_id=f"{what}/multi_kernel_0", kernels=tuple(kernels), arguments=tensors + numbers
    )

"""Makes fresh wrappers with the installed torch for a described H100, where there is no GPU.

Run as a program, because it replaces parts of torch: ``python generate_wrappers.py OUT_DIR``. Nothing is
compiled or run: graphs are traced with fake tensors, lowered, and their code is written to ``OUT_DIR``.
"""

from __future__ import annotations

import collections
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.update(
    TORCHINDUCTOR_MULTI_KERNEL="1",
    TORCHINDUCTOR_COMPILE_THREADS="1",
    TORCHINDUCTOR_FX_GRAPH_CACHE="0",
)

import torch
import torch.nn.functional as functional

_H100 = {
    "name": "NVIDIA H100 80GB HBM3",
    "major": 9,
    "minor": 0,
    "total_memory": 85_000_000_000,
    "multi_processor_count": 132,
    "regs_per_multiprocessor": 65536,
    "max_threads_per_multi_processor": 2048,
    "warp_size": 32,
    "max_threads_per_block": 1024,
    "shared_memory_per_block_optin": 232448,
    "L2_cache_size": 52428800,
    "gcnArchName": "",
}


def describe_gpu() -> None:
    """Makes torch and triton believe in an H100 that nothing ever runs on."""
    properties: Any = collections.namedtuple("properties", _H100)(**_H100)
    answers: dict[str, Callable[..., Any]] = {
        "is_available": lambda *_: True,
        "current_device": lambda *_: 0,
        "device_count": lambda *_: 1,
        "get_device_properties": lambda *_, **__: properties,
        "get_device_capability": lambda *_, **__: (9, 0),
        "get_device_name": lambda *_, **__: properties.name,
        "synchronize": lambda *_, **__: None,
        "_lazy_init": lambda *_, **__: None,
        "is_bf16_supported": lambda *_, **__: True,
        "current_stream": lambda *_, **__: None,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    from torch._dynamo import device_interface

    interface: Any = device_interface.CudaInterface
    for name in ("is_available", "current_device", "device_count", "get_device_properties", "synchronize"):
        setattr(interface, name, staticmethod(answers[name]))
    interface.get_compute_capability = staticmethod(lambda *_, **__: 90)
    interface.is_triton_capable = staticmethod(lambda *_, **__: True)
    interface.raise_if_triton_unavailable = staticmethod(lambda *_, **__: None)
    interface.Worker.get_device_properties = staticmethod(answers["get_device_properties"])
    interface.Worker.current_device = staticmethod(answers["current_device"])

    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    active = mock.MagicMock()
    active.get_current_target.return_value = GPUTarget("cuda", 90, 32)
    active.get_current_device.return_value = 0
    driver.set_active(active)
    for module in ("torch.utils._triton", "torch._inductor.utils", "torch._inductor.scheduler"):
        loaded = __import__(module, fromlist=["x"])
        for name in ("has_triton", "has_triton_package"):
            if hasattr(loaded, name):
                setattr(loaded, name, lambda *_, **__: True)
    import torch._subclasses.fake_tensor as fake_tensor

    for name in ("init_cuda_context", "init_gpu_context"):
        if hasattr(fake_tensor, name):
            setattr(fake_tensor, name, lambda *_, **__: None)


def scratch(x: torch.Tensor) -> torch.Tensor:
    from torch._inductor import test_operators

    x = x.sum(dim=-1, keepdim=True) + x
    x = test_operators.realize(x)
    return x.sum(dim=-1, keepdim=True) + x


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
    return (x.float() * scale).to(x.dtype) * weight


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, (x.shape[-1],), weight, bias)


def softmax(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x, -1)


def running_sum(x: torch.Tensor) -> torch.Tensor:
    """A scan inside the kernel: its source defines a helper function above the kernel."""
    return torch.cumsum(torch.softmax(x, -1), -1)


def joined(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Two multi-kernels write into pieces of one buffer."""
    return torch.cat([torch.softmax(x, -1), torch.softmax(y, -1)]).sum(-1)


_LIBRARY = torch.library.Library("mkexplorer_tests", "DEF")
_LIBRARY.define("barrier(Tensor x) -> Tensor")
_LIBRARY.impl("barrier", lambda x: x.clone(), "CUDA")


torch.library.register_fake("mkexplorer_tests::barrier", torch.empty_like)


def partitioned(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A multi-kernel on either side of an operation that splits the graph."""
    first: torch.Tensor = torch.ops.mkexplorer_tests.barrier(torch.softmax(x, -1))
    return torch.softmax(first * y, -1)


Shape = tuple[tuple[int | str, ...], torch.dtype]
_BF16, _F32 = torch.bfloat16, torch.float32
_COOPERATIVE = {"triton.cooperative_reductions": True, "triton.force_cooperative_reductions": True}
_PARTITIONS = {"triton.cudagraphs": True, "custom_should_partition_ops": ["mkexplorer_tests::barrier"]}
# name: function, its inputs ('4096?' is a symbolic size), Inductor options
CASES: dict[str, tuple[Callable[..., torch.Tensor], list[Shape], dict[str, Any]]] = {
    "softmax": (softmax, [((4096, 2048), _F32)], {}),
    "layernorm": (layer_norm, [((4096, 4096), _BF16), ((4096,), _BF16), ((4096,), _BF16)], {}),
    "rmsnorm": (rms_norm, [((8192, 2048), _BF16), ((2048,), _BF16)], {}),
    "scratch": (scratch, [((1024, 2048), _F32)], {}),
    "softmax_dynamic": (softmax, [(("4096?", 2048), _F32)], {}),
    "softmax_cooperative": (softmax, [((8, 16384), _F32)], _COOPERATIVE),
    "running_sum": (running_sum, [((512, 2048), _F32)], {}),
    "benchmark_kernel": (softmax, [((4096, 2048), _F32)], {"benchmark_kernel": True, "benchmark_harness": False}),
    "pools": (joined, [((512, 2048), _F32), ((256, 2048), _F32)], {"memory_planning": True}),
    "partitions": (partitioned, [(("512?", 2048), _F32), (("512?", 2048), _F32)], _PARTITIONS),
}


def generate(case: str, **ways: bool) -> str:
    """The code that torch generates for one case; ``ways`` are GraphLowering's: ``cpp_wrapper``, ``aot_mode``."""
    from torch._inductor import config
    from torch._inductor.debug import DebugContext
    from torch._inductor.decomposition import select_decomp_table
    from torch._inductor.graph import GraphLowering
    from torch._inductor.virtualized import V
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    function, shapes, options = CASES[case]
    shape_env = ShapeEnv()
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=shape_env)
    with config.patch(options), mode:
        inputs = [
            torch.empty([_size(shape_env, size) for size in shape], dtype=dtype, device="cuda")
            for shape, dtype in shapes
        ]
        module = make_fx(function, decomposition_table=select_decomp_table(), tracing_mode="real")(*inputs)
        # As compile_fx has it: the first kernel that reads an input checks its alignment.
        checked = list(range(len(inputs)))
        graph = GraphLowering(module, example_inputs=inputs, shape_env=shape_env, inputs_to_check=checked, **ways)
        with V.set_graph_handler(graph), V.set_fake_mode(mode), DebugContext():
            graph.run(*inputs)
            code = graph.codegen()[0]
    return str(getattr(code, "value", code))


def _size(shape_env: Any, size: int | str) -> Any:
    """A number as it is; '4096?' as a symbolic size whose hint is that number."""
    if isinstance(size, int):
        return size
    from torch._dynamo.source import ConstantSource

    hint = int(size.rstrip("?"))
    symbol = shape_env.create_symbol(hint, source=ConstantSource("rows"))
    return shape_env.create_symintnode(symbol, hint=hint)


def main(out: Path) -> int:
    describe_gpu()
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for case in CASES:
        try:
            (out / f"{case}.py").write_text(generate(case))
        except Exception as error:
            failed += 1
            print(f"{case}: {error!r}"[:400], file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""What torch's own tests of multi-kernels check, with ours installed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch._inductor.config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module

import mkexplorer
from tests.gpu import inside_models
from tests.gpu.inside_rows import check

StockCall = stock_module.MultiKernelCall


def agrees(what: str, function: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    torch._dynamo.reset()
    try:
        expected = function(*inputs)
        with inductor_config.patch(options):
            found = torch.compile(function)(*inputs)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    except Exception as error:
        check(what, False, f"{type(error).__name__}: {str(error)[:300]}")
    else:
        check(what, True)


def part_behaviour() -> None:
    mkexplorer.install()
    inductor_config.benchmark_kernel = True
    x = torch.rand(2, 1024, device="cuda")
    agrees("softmax", lambda x: torch.softmax(x, -1), x)
    agrees("softmax, mixed layouts warned of", lambda x: torch.softmax(x, -1) * 1, x, warn_mix_layout=True)
    agrees("layer norm", torch.nn.LayerNorm(1024).cuda(), x)
    y = torch.rand(1024, 1024, device="cuda")
    agrees("in-place update", lambda x, y: x.sum(-1, keepdim=True) * (y @ y), y, y)
    for value in (1, 2, 3):
        options = {"triton.multi_kernel": value}
        what = f"scratch buffer with different argument lists, multi_kernel={value}"
        agrees(what, lambda x: inside_models.scratch(x) + 0, torch.rand(16, 16, device="cuda"), **options)
    agrees("split scan", lambda x: torch.cumsum(x.view(-1), 0), torch.rand(10, 3, 64, 352, device="cuda"))
    agrees("sort, which has no multi-kernel", lambda x: x.sort(-1).values, torch.rand(32, 32, device="cuda"))
    cooperative = {"triton.cooperative_reductions": True, "triton.force_cooperative_reductions": True}
    agrees("cooperative reductions", lambda x: x.sum(-1), torch.rand(4, 65536 * 4, device="cuda"), **cooperative)
    same_argument_twice()
    transformer_snippet()
    batch_norm_training()
    forced_by_benchmark()
    size_hints()


def same_argument_twice() -> None:
    def update(x: Any, y: Any) -> None:
        y.copy_(y * 0.9 + x.sum(dim=1) * 0.1)

    x, y = torch.randn(8, 16, device="cuda"), torch.randn(8, device="cuda")
    expected = y.clone()
    update(x, expected)
    torch.compile(update)(x, y)
    check("the same argument several times", torch.allclose(y, expected, atol=1e-5))


def transformer_snippet() -> None:
    norms = [torch.nn.LayerNorm(64).cuda() for _ in range(2)]

    def snippet(x: Any, y: Any) -> Any:
        x = torch.nn.functional.dropout(x, 0.1)
        return norms[1](x + torch.nn.functional.dropout(norms[0](y), 0.1))

    inputs = [torch.randn(2, 64, device="cuda") for _ in range(2)]
    with inductor_config.patch(fallback_random=True):
        torch._dynamo.reset()
        torch.manual_seed(1)
        expected = snippet(*inputs)
        torch.manual_seed(1)
        found = torch.compile(snippet)(*inputs)
    check("transformer snippet with dropout", torch.allclose(found, expected, atol=1e-4))


def batch_norm_training() -> None:
    torch._dynamo.reset()
    ours, theirs = (torch.nn.BatchNorm2d(3).cuda() for _ in range(2))
    x = torch.randn(2, 3, 8, 8, device="cuda")
    from torch._inductor.utils import run_and_get_code

    _, code = run_and_get_code(torch.compile(lambda x: ours(x).sum().backward()), x)
    theirs(x).sum().backward()
    check("batch norm in training has multi-kernels", "async_compile.multi_kernel(" in code[0])
    same = torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-5)
    same = same and torch.allclose(ours.running_var, theirs.running_var, atol=1e-5)
    check("batch norm's running statistics are updated once", same)


def forced_by_benchmark() -> None:
    for forced in (0, 1):
        latencies = [0.2, 0.2]
        latencies[forced] = 0.1
        for who, cls in (("before", StockCall), ("after", stock_module.MultiKernelCall)):
            torch._dynamo.reset()
            picked: list[int] = []
            run = cls.run

            def replaced(call: Any, *args: Any, run: Any = run, picked: list[int] = picked, **kwargs: Any) -> Any:
                out = run(call, *args, **kwargs)
                picked.append(call.picked_kernel)
                return out

            constant = forced + 10 * (who == "after")
            with (
                mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"),
                mock.patch.object(cls, "run", replaced),
                mock.patch.object(cls, "benchmark_sub_kernels", return_value=latencies),
            ):
                torch.compile(lambda x, constant=constant: torch.softmax(x, -1) + constant)(
                    torch.rand(2, 1024, device="cuda")
                )
            check(f"benchmark replaced in the class as it was {who} install: {forced}", picked == [forced], picked)


def size_hints() -> None:
    if not hasattr(stock_module, "SizeHintMultiKernelCall"):
        return
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    y = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
    x = torch.randn(4096, 2048, device="cuda", dtype=torch.bfloat16)
    torch._dynamo.mark_dynamic(x, 0)
    options = {"max_autotune": True, "max_autotune_gemm_backends": "TRITON"}
    compiled_function = torch.compile(lambda x, y: (x @ y).relu(), options=options)

    def right_for(length: int) -> bool:
        z = torch.randn(length, 2048, device="cuda", dtype=torch.bfloat16)
        return bool(torch.allclose(compiled_function(z, y), (z @ y).relu(), atol=1.0, rtol=0.05))

    with inductor_config.patch(multi_kernel_hints=[64, 4096]):
        _, code = run_and_get_code(compiled_function, x, y)
    check("GEMM of a dynamic size has a size-hint multi-kernel", "async_compile.size_hint_multi_kernel" in code[-1])
    check("and is right for all sizes", all([right_for(length) for length in (64, 300, 4096, 64)]))
    from mkexplorer.inductor import session

    shapes = sum(each.how is session.How.DISTANCE for each in session.decisions)
    began = time.perf_counter()
    changed = mkexplorer.verify()
    wall_s = time.perf_counter() - began
    verified = sum(each.how is session.How.VERIFIED for each in session.decisions)
    check("choices by shape, verified when asked", verified > 0, f"{changed} of {verified} changed, {wall_s:.2f} s")
    check("right after the verification", right_for(64) and right_for(4096), f"{shapes} choices by shape")

"""Where no wrapper tells the arguments of a call: the kernel's own get_args, else an estimate from its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
from mkexplorer.catalog import open_catalog  # noqa: E402  torch may be missing
from mkexplorer.catalog.model import ScalarArgument, TensorArgument  # noqa: E402
from mkexplorer.worker.argument_sources import resolve  # noqa: E402
from mkexplorer.worker.failures import JobFailed  # noqa: E402
from mkexplorer.worker.tensors import TensorSpec  # noqa: E402

from .conftest import DATA  # noqa: E402

SAMPLE = Path(__file__).parents[1] / "samples" / "h100-torch2.11.mkx"
HEAD = """
@triton_heuristics.reduction(
    size_hints={'x': 16, 'r0_': 64}, filename=__file__,
    triton_meta={'signature': {SIGNATURE}, 'device': DeviceProperties(type='cuda', index=0)},
    inductor_meta={'mutated_arg_names': []},
)
@triton.jit
def kernel(PARAMETERS, XBLOCK : tl.constexpr):
    xindex = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:, None]
    r0_index = tl.arange(0, 64)[None, :]
    x0 = xindex
    r0_1 = r0_index
"""
GET_ARGS = """
def get_args():
    arg_0 = rand_strided((4096, 2048), (2048, 1), device='cuda:0', dtype=torch.float32)
    arg_1 = torch.zeros(64, device='cuda:0', dtype=torch.uint8)
    arg_2 = 4096
    return arg_0, arg_1, arg_2, 2048,
"""


def request(body: str = "", after: str = "", **types: str) -> dict[str, Any]:
    head = HEAD.replace("{SIGNATURE}", repr(types)).replace("PARAMETERS", ", ".join(types))
    lines = "".join(f"    {line.strip()}\n" for line in body.strip().splitlines())
    return {"name": "kernel", "text": head + lines + after, "takes": None}


def estimated(body: str, **types: str) -> dict[str, Any]:
    found = resolve(None, [request(body, **types, xnumel="i32", r0_numel="i32")])
    assert found.how == "estimated"
    return {each["name"]: each for each in found.told}


class TestGiven:
    def test_every_sub_kernel_takes_all_or_its_own(self) -> None:
        told = [{"kind": "number", "name": "xnumel", "value": 4}] * 3
        found = resolve(told, [{"takes": None}, {"takes": [2, 0]}])
        assert (found.told, found.takes, found.how) == (told, [[0, 1, 2], [2, 0]], "given")


class TestGetArgs:
    def test_is_read_and_not_run(self) -> None:
        types = {"in_ptr0": "*fp32", "ws_ptr": "*u8", "xnumel": "i32", "r0_numel": "i32"}
        found = resolve(None, [request("", GET_ARGS, **types)])
        assert found.how == "get_args"
        assert found.told == [
            {
                "name": "in_ptr0",
                "kind": "tensor",
                "dtype": "float32",
                "shape": [4096, 2048],
                "stride": [2048, 1],
                "offset": 0,
            },
            {"name": "ws_ptr", "kind": "tensor", "dtype": "uint8", "shape": [64], "stride": None, "offset": 0},
            {"name": "xnumel", "kind": "number", "value": 4096},
            {"name": "r0_numel", "kind": "number", "value": 2048},
        ]

    @pytest.mark.parametrize(
        ("old", "new"),
        [("return arg_0, arg_1, arg_2, 2048,", "return arg_0,"), ("= 4096", "= open('f')"), ("arg_1 = ", "other = ")],
    )
    def test_one_that_makes_something_else_is_not_believed(self, old: str, new: str) -> None:
        types = {"in_ptr0": "*fp32", "ws_ptr": "*u8", "xnumel": "i32", "r0_numel": "i32"}
        text = GET_ARGS.replace(old, new)
        assert resolve(None, [request("tl.load(in_ptr0 + x0, None)", text, **types)]).how == "estimated"

    def test_of_a_real_kernel(self) -> None:
        path = DATA / "odd" / "benchmark_kernel_2.6.py"
        catalog = open_catalog(path)
        multi_kernel = catalog.multi_kernels[0]
        sub_kernel = multi_kernel.sub_kernels[0]
        text = catalog.source(multi_kernel, sub_kernel)
        found = resolve(None, [{"name": sub_kernel.name, "text": text}])
        assert found.how == "get_args"
        assert [each["kind"] for each in found.told] == [
            "tensor" if isinstance(each, TensorArgument) else "number" for each in multi_kernel.calls[0].arguments
        ]


class TestEstimate:
    def test_numbers_are_those_of_the_source_else_hints(self) -> None:
        found = estimated("xnumel = 12", in_ptr0="*fp32")
        assert (found["xnumel"]["value"], found["r0_numel"]["value"]) == (12, 64)

    def test_a_tensor_reaches_as_far_as_its_addresses(self) -> None:
        found = estimated("tmp0 = tl.load(in_ptr0 + (r0_1 + 100*x0 + 5), None)", in_ptr0="*bf16")
        assert (found["in_ptr0"]["shape"], found["in_ptr0"]["dtype"]) == ([63 + 1500 + 5 + 1], "bfloat16")

    @pytest.mark.parametrize(
        ("index", "elements"),
        [
            ("x0 // 4", 4),
            ("x0 % 4", 4),
            ("triton_helpers.div_floor_integer(x0, 3)", 6),
            ("tl.where(x0 < 3, x0, 99)", 100),
            ("(x0).to(tl.int64)", 16),
            ("tl.full([1, 1], 0, tl.int32).broadcast_to(XBLOCK, 1)", 1),
            ("x0 - 3", 13),
            ("tl.sqrt(x0)", 16 * 64),
        ],
    )
    def test_of_arithmetic(self, index: str, elements: int) -> None:
        assert estimated(f"tl.store(out_ptr0 + ({index}), x0, None)", out_ptr0="*fp32")["out_ptr0"]["shape"] == [
            elements
        ]

    def test_an_index_from_memory_is_below_its_bound(self) -> None:
        body = """
            tmp0 = tl.load(in_ptr0 + x0, None)
            tl.device_assert((0 <= tmp0) & (tmp0 < 50), "index out of bounds: 0 <= tmp0 < 50")
            tmp1 = tl.load(in_ptr1 + (tmp0 + 50*x0), None)
            """
        assert estimated(body, in_ptr0="*i64", in_ptr1="*fp32")["in_ptr1"]["shape"] == [49 + 750 + 1]

    def test_scratch_is_ample(self) -> None:
        assert estimated("x = 1", ws_ptr="*u8")["ws_ptr"]["shape"][0] >= 16 * 64 * 4

    def test_where_nothing_is_told_it_fails(self) -> None:
        with pytest.raises(JobFailed, match="neither the wrapper nor the kernels tell"):
            resolve(None, [{"name": "kernel", "text": "def kernel(a): pass"}, {"name": "other", "text": "?"}])

    def test_of_the_sample_it_is_what_the_calls_pass(self) -> None:
        catalog = open_catalog(SAMPLE)
        compared = 0
        for multi_kernel in catalog.multi_kernels:
            for sub_kernel in multi_kernel.sub_kernels:
                text = catalog.source(multi_kernel, sub_kernel)
                told = resolve(None, [{"name": sub_kernel.name, "text": text}]).told
                for found, argument in zip(told, multi_kernel.calls[0].arguments, strict=True):
                    if isinstance(argument, ScalarArgument):
                        assert found["value"] == argument.value
                        continue
                    assert f"torch.{found['dtype']}" == argument.dtype
                    shape, stride = (tuple(map(int, each or ())) for each in (argument.shape, argument.stride))
                    own = TensorSpec("", "float32", tuple(found["shape"]), tuple(found["stride"]))
                    assert own.extent >= TensorSpec("", "float32", shape, stride).extent
                    compared += 1
        assert compared > 200

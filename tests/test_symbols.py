"""Symbolic sizes: expressions are computed without running them, and values come from what was compiled."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.symbols import OpenSymbol, compiled_sizes, evaluate

VALUES = {"s0": 10, "s77": 4096}


class TestEvaluate:
    @pytest.mark.parametrize(
        ("size", "value"),
        [
            (4096, 4096),
            (0.5, 0.5),
            ("s0", 10),
            ("4*s0", 40),
            ("s0*s77", 40960),
            ("((15 + s77) // 16)", 256),
            ("-1 + s0", 9),
            ("s0**2", 100),
            ("s0 % 3", 1),
            ("max(1, s0)", 10),
            ("min(s0, 4)", 4),
            ("math.ceil(s0 / 4)", 3),
            ("math.trunc(s0 / 4)", 2),
            ("s0 / 2", 5),
            ("-s0", -10),
        ],
    )
    def test_computes_what_torch_writes(self, size: int | float | str, value: float) -> None:
        found = evaluate(size, VALUES)
        assert found == value
        assert type(found) is type(value)

    def test_names_the_symbol_that_is_open(self) -> None:
        with pytest.raises(OpenSymbol, match=r"\As1\Z"):
            evaluate("4*s0 + s1", VALUES)

    @pytest.mark.parametrize(
        "size",
        [
            "",
            "s0 +",
            "s0 // 0",
            "9**9**9",
            "s0**s77",
            "(-8)**0.5",
            "1e400",
            "10**30",
            "True",
            "'text'",
            "s0.real",
            "__import__('os').system('true')",
            "open('x')",
            "max(*[1])",
            "max()",
            "int(base=3)",
            "[1]",
            "(" * 500 + ")" * 500,
            "-" * 5000 + "1",
            "1 + " * 5000 + "1",
            "1" * 20_000,
            "lambda: 1",
            "1 if s0 else 2",
        ],
    )
    def test_refuses_what_is_no_size(self, size: str) -> None:
        with pytest.raises(ValueError, match="size"):
            evaluate(size, VALUES)

    @given(st.text(alphabet="s0179+-*/%().,^ maxint", max_size=60))
    def test_never_fails_otherwise(self, size: str) -> None:
        with contextlib.suppress(ValueError, OpenSymbol):
            evaluate(size, VALUES)


HEAD = "a = async_compile.triton('a', '''\nsource\n''', device_str='cuda')\n\nasync_compile.wait(globals())\n"


class TestCompiledSizes:
    def test_of_a_size_that_is_passed(self) -> None:
        """As torch.compile has it: the symbol is an input of its own."""
        text = HEAD + (
            "def call(args):\n"
            "    arg0_1, arg1_1 = args\n"
            "    s77 = arg0_1\n"
            "    assert_size_stride(arg1_1, (s77, 2048), (2048, 1))\n"
            "def benchmark_compiled_module(times=10, repeat=10):\n"
            "    from torch._dynamo.testing import rand_strided\n"
            "    arg0_1 = 640\n"
            "    arg1_1 = rand_strided((640, 2048), (2048, 1), device='cuda:0', dtype=torch.float32)\n"
        )
        assert compiled_sizes(text) == {"s77": 640}

    def test_of_a_size_that_is_taken_from_a_tensor(self) -> None:
        text = HEAD + (
            "def call(args):\n"
            "    x_1_size = x_1.size()\n"
            "    s30 = x_1_size[0]\n"
            "    x_1_stride = x_1.stride()\n"
            "    s31 = x_1_stride[0]\n"
            "    s32 = x_1_size[7]\n"
            "def get_args():\n"
            "    x_1 = rand_strided((640, 2048), (4096, 1), device='cuda:0', dtype=torch.float32)\n"
            "    return [x_1]\n"
        )
        assert compiled_sizes(text) == {"s30": 640, "s31": 4096}

    def test_of_a_size_that_is_checked(self) -> None:
        text = HEAD + (
            "class Runner:\n"
            "    def call(self, args):\n"
            "        assert_size_stride(x_1, (s0, s1), (s1, 1), 'input')\n"
            "def get_args():\n"
            "    x_1 = rand_strided((640, 2048), (2048, 1), device='cuda:0', dtype=torch.float32)\n"
        )
        assert compiled_sizes(text) == {"s0": 640, "s1": 2048}

    def test_without_a_benchmark_part_are_not_known(self) -> None:
        assert compiled_sizes(HEAD + "def call(args):\n    s0 = arg0_1\n") == {}

    def test_of_what_the_installed_torch_writes(self, fresh_wrappers: Path) -> None:
        found = compiled_sizes((fresh_wrappers / "softmax_dynamic.py").read_text())
        assert list(found.values()) == [4096]

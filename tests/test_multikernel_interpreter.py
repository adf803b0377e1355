"""Generated modules run: in Triton's interpreter, which needs no GPU and has to be chosen before triton is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkexplorer.catalog.catalog import open_catalog

ROOT = Path(__file__).parents[1]

PROGRAM = """
import sys
from pathlib import Path

import torch

from mkexplorer.multikernel import Call, GeneratedModule, Tensor, freeze, write_module
from mkexplorer.multikernel.modules import load_module
from tests.multikernel_kernels import softmax

cache = Path(sys.argv[1])
numbers = {"row_stride": 128, "n_rows": 8, "n_cols": 100}
layout = ((8, 100), (128, 1))
module = GeneratedModule(
    (Call(softmax(), numbers),),
    (Tensor("x_ptr", "float32", *layout),),
    (Tensor("out_ptr", "float32", *layout),),
    ("out_ptr",),
    device="cpu",
    asserts_finite=True,
)
first_pass = load_module(write_module(module, cache))


def check(generated):
    (x,) = generated.get_args()
    (out,) = generated.call([x])
    torch.testing.assert_close(out.double(), torch.softmax(x.double(), 1), rtol=1e-5, atol=1e-6)
    assert (x.stride(), out.stride()) == ((128, 1), (128, 1))
"""


def run(program: str, cache: Path) -> str:
    paths = [str(ROOT), str(ROOT / "widgets")]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", PROGRAM + program, str(cache)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_passes_compute_what_torch_computes(tmp_path: Path) -> None:
    told = run(
        """
check(first_pass)
picked = first_pass.multi_kernel_0.picked
second_pass = freeze(first_pass)
check(second_pass)
assert not hasattr(second_pass, "multi_kernel_0")
for index in range(2):
    check(freeze(first_pass, {"multi_kernel_0": index}))
print(picked)
""",
        tmp_path,
    )
    assert int(told) in (0, 1)
    assert len(open_catalog(tmp_path).multi_kernels) == 1  # a second pass has none


@pytest.mark.parametrize(("value", "message"), [("nan", "x_ptr holds NaN"), ("-inf", "x_ptr holds an infinity")])
def test_what_is_not_finite_is_caught_before_the_call(tmp_path: Path, value: str, message: str) -> None:
    told = run(
        f"""
(x,) = first_pass.get_args()
x[3, 7] = float("{value}")
try:
    first_pass.call([x])
except AssertionError as error:
    print(error)
""",
        tmp_path,
    )
    assert told.strip() == message


def test_a_tensor_of_another_layout_is_refused(tmp_path: Path) -> None:
    told = run(
        """
try:
    first_pass.call([torch.zeros(8, 101)])
except AssertionError as error:
    print(error)
""",
        tmp_path,
    )
    assert told.strip() == "expected size (8, 100), stride (128, 1); got size (8, 101), stride (101, 1)"

"""`mkexplorer.install` before torch is imported, and with releases that it is not made for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkexplorer.inductor.releases import ADAPTERS, adapter_of

ROOT = Path(__file__).parents[1]


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets")])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCH")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_installing_imports_no_torch_and_waits_for_it() -> None:
    program = """
import sys
import mkexplorer
mkexplorer.install()
assert not {"torch", "triton"} & set(sys.modules)
import torch._inductor.config as config
assert config.triton.multi_kernel == 1
assert "torch._inductor.codegen.multi_kernel" not in sys.modules
from torch._inductor.codegen.multi_kernel import MultiKernelCall
assert MultiKernelCall.__module__ == "mkexplorer.inductor.call", MultiKernelCall
import torch._inductor.codegen.cpp_wrapper_gpu as early
assert early.MultiKernelCall is MultiKernelCall
import threading
seen = []
thread = threading.Thread(target=lambda: seen.append(config.triton.multi_kernel))
thread.start()
thread.join()
assert seen == [1]
mkexplorer.uninstall()
from torch._inductor.codegen.multi_kernel import MultiKernelCall as stock
assert stock.__module__ == "torch._inductor.codegen.multi_kernel"
assert early.MultiKernelCall is stock
assert config.triton.multi_kernel == 0
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("mkexplorer")]
"""
    assert run(program).stderr == ""


@pytest.mark.parametrize("first", ["call", "size_hints"])
def test_a_program_may_import_what_takes_the_place_of_torch_s_before_torch_s(first: str) -> None:
    program = f"""
import mkexplorer
mkexplorer.install()
import mkexplorer.inductor.{first}
from mkexplorer.inductor import call, size_hints
from torch._inductor.codegen import multi_kernel
assert multi_kernel.MultiKernelCall is call.MultiKernelCall
assert multi_kernel.SizeHintMultiKernelCall is size_hints.SizeHintMultiKernelCall
mkexplorer.uninstall()
assert multi_kernel.MultiKernelCall.__module__ == multi_kernel.__name__
"""
    assert run(program).stderr == ""


def test_it_can_be_installed_again_and_again() -> None:
    program = """
import mkexplorer
import torch._inductor.config as config
import torch._inductor.codegen.multi_kernel as stock
before = stock.MultiKernelCall
for _ in range(3):
    with mkexplorer.installed():
        assert config.triton.multi_kernel == 1
        assert stock.MultiKernelCall is not before
        with mkexplorer.installed():
            pass
        assert config.triton.multi_kernel == 1
    assert config.triton.multi_kernel == 0
    assert config._is_default("triton.multi_kernel")
    assert stock.MultiKernelCall is before
"""
    run(program)


@pytest.mark.parametrize("value", [1, 3])
def test_what_the_program_sets_while_it_is_installed_stays(value: int) -> None:
    program = f"""
import mkexplorer
import torch._inductor.config as config
mkexplorer.install()
config.triton.multi_kernel = {value}
mkexplorer.uninstall()
assert config.triton.multi_kernel == {value}
"""
    run(program)


def test_threads_leave_nothing_installed() -> None:
    program = """
import sys
import threading
import mkexplorer
import torch._inductor.config as config
import torch._inductor.codegen.multi_kernel as stock
before = stock.MultiKernelCall
sys.setswitchinterval(1e-6)

def again_and_again():
    for _ in range(50):
        with mkexplorer.installed():
            pass

threads = [threading.Thread(target=again_and_again) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert stock.MultiKernelCall is before
assert config.triton.multi_kernel == 0
"""
    run(program)


def test_what_the_program_or_its_environment_says_of_multi_kernels_holds() -> None:
    program = """
import mkexplorer
import torch._inductor.config as config
config.triton.multi_kernel = 0
mkexplorer.install()
assert config.triton.multi_kernel == 0
"""
    run(program)
    program = """
import mkexplorer
mkexplorer.install()
import torch._inductor.config as config
assert config.triton.multi_kernel == 0
"""
    run(program, TORCHINDUCTOR_MULTI_KERNEL="0")


def test_an_unknown_release_gets_a_warning_and_stays_as_it_is() -> None:
    program = """
import torch.version
torch.version.__version__ = "9.0.1+cu999"
import mkexplorer
mkexplorer.install()
import torch._inductor.config as config
assert config.triton.multi_kernel == 0
from torch._inductor.codegen.multi_kernel import MultiKernelCall
assert MultiKernelCall.__module__.startswith("torch.")
mkexplorer.uninstall()
"""
    told = run(program).stderr
    assert told.count("RuntimeWarning") == 1
    assert "mkexplorer chooses for torch 2.9 to 2.13, and this is 9.0.1+cu999: multi-kernels stay" in told


TOLD_AT_ONCE = """\
import torch.version
torch.version.__version__ = "9.0.1"
import mkexplorer
mkexplorer.install()  # asks
"""
TOLD_LATER = """\
import sys
import mkexplorer
sys.modules["mkexplorer.inductor.size_hints"] = None
with mkexplorer.installed():  # asks
    import torch._inductor.codegen.multi_kernel
"""


@pytest.mark.parametrize("text", [TOLD_AT_ONCE, TOLD_LATER])
def test_a_warning_names_the_line_that_asked_for_the_run_time(tmp_path: Path, text: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(text)
    told = run(f"import runpy; runpy.run_path({str(program)!r})").stderr
    assert f"{program}:4: RuntimeWarning: mkexplorer " in told
    assert "# asks" in told


def test_a_build_that_is_not_what_its_version_says_gets_a_warning() -> None:
    program = """
import torch._inductor.codegen.multi_kernel as stock
del stock.MultiKernelCall.benchmark_sub_kernels
import mkexplorer
mkexplorer.install()
assert stock.MultiKernelCall.__module__.startswith("torch.")
"""
    assert (
        "it has no MultiKernelCall.benchmark_sub_kernels: multi-kernels stay as torch has them" in run(program).stderr
    )


def test_whatever_fails_while_it_is_put_in_place_leaves_torch_as_it_is() -> None:
    program = """
import sys
sys.modules["mkexplorer.inductor.size_hints"] = None
import mkexplorer
mkexplorer.install()
import torch._inductor.config as config
assert config.triton.multi_kernel == 1
import torch._inductor.codegen.multi_kernel as stock
assert stock.MultiKernelCall.__module__.startswith("torch.")
assert config.triton.multi_kernel == 0
"""
    assert "cannot work with this build of torch" in run(program).stderr


@pytest.mark.parametrize(
    "fault",
    [
        "sys.modules['mkexplorer.inductor.size_hints'] = None",
        "import torch.version; torch.version.__version__ = '9.0.1'",
    ],
)
def test_where_warnings_are_errors_torch_can_still_be_imported(fault: str) -> None:
    program = f"""
import sys
import warnings
import mkexplorer
mkexplorer.install()
{fault}
import torch
with warnings.catch_warnings():
    warnings.simplefilter("error", RuntimeWarning)
    import torch._inductor.config as config
    import torch._inductor.codegen.multi_kernel as stock
assert stock.MultiKernelCall.__module__.startswith("torch.")
assert config.triton.multi_kernel == 0
"""
    assert run(program).stderr.count("multi-kernels stay as torch has them") == 1


def test_settings_that_are_none_are_refused() -> None:
    program = """
import mkexplorer
try:
    mkexplorer.install(measure="sometimes")
except ValueError as error:
    print(error)
"""
    assert "sometimes" in run(program).stdout


@pytest.mark.parametrize(
    ("version", "is_known"),
    [
        ("2.8.0", False),
        ("2.9.1+cu128", True),
        ("2.11.0", True),
        ("2.13.0a0+git", True),
        ("2.14.1", False),
        ("x", False),
    ],
)
def test_releases(version: str, is_known: bool) -> None:
    assert (adapter_of(version) is not None) is is_known


def test_adapters_leave_no_release_out() -> None:
    ends = [(each.first, each.last) for each in ADAPTERS]
    assert all(last[1] + 1 == first[1] for (_, last), (first, _) in zip(ends, ends[1:], strict=False))

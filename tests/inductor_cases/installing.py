"""What the run time does to torch while it is installed, and that nothing of it stays."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest import mock

from torch._inductor import config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module

import mkexplorer
from mkexplorer.inductor.settings import settings
from tests.inductor_cases.programs import StockCall


def case_install_and_uninstall_leave_torch_as_it_was(folder: Path) -> None:
    names_of = [name for name in ("MultiKernelCall", "SizeHintMultiKernelCall") if hasattr(stock_module, name)]
    before = {name: getattr(stock_module, name) for name in names_of}
    value = inductor_config.triton.multi_kernel
    mkexplorer.install()
    assert all(getattr(stock_module, name) is not before[name] for name in names_of)
    assert all(issubclass(getattr(stock_module, name), before[name]) for name in names_of)
    assert inductor_config.triton.multi_kernel == 1
    mkexplorer.install(measure="always")
    mkexplorer.uninstall()
    assert {name: getattr(stock_module, name) for name in names_of} == before
    assert inductor_config.triton.multi_kernel == value == 0
    mkexplorer.uninstall()


def case_threads_that_compiled_before_do_not_mistake_what_is_compiled_meanwhile_for_their_own(folder: Path) -> None:
    """Torch keeps in every thread what it makes the keys of its caches of."""
    with ThreadPoolExecutor(1) as other:
        before = other.submit(inductor_config.get_hash).result()
        with mkexplorer.installed():
            assert other.submit(inductor_config.get_hash).result() != before
        assert other.submit(inductor_config.get_hash).result() == before


def case_another_thread_can_uninstall_it(folder: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        mkexplorer.install()
        other.submit(mkexplorer.uninstall).result()
        assert stock_module.MultiKernelCall is StockCall
        assert setting() == other.submit(setting).result() == (0, True)


def case_a_patch_of_the_setting_meanwhile_leaves_nothing(folder: Path) -> None:
    """It puts back what it found as if the program had set that."""
    with mkexplorer.installed():
        with inductor_config.patch({"triton.multi_kernel": 0}):
            pass
        assert setting() == (1, False)
    assert setting() == (0, True)


def setting() -> tuple[int, bool]:
    """And whether it is torch's default."""
    return inductor_config.triton.multi_kernel, inductor_config._is_default("triton.multi_kernel")


def case_installed_is_for_as_long_as_it_lasts(folder: Path) -> None:
    with mkexplorer.installed():
        with mkexplorer.installed(measure="never"):
            assert stock_module.MultiKernelCall is not StockCall
        assert stock_module.MultiKernelCall is not StockCall
    assert stock_module.MultiKernelCall is StockCall


def case_blocks_that_overlap_leave_each_other_alone(folder: Path) -> None:
    """As those of two threads do, whichever ends first."""
    before = replace(settings)
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0)):
        blocks = [mkexplorer.installed(measure=measure) for measure in ("never", "always", "once")]
        for block in blocks:
            block.__enter__()
        still_open = ["never", "always", "once"]
        for number in order:
            assert settings.measure == still_open[-1]
            assert stock_module.MultiKernelCall is not StockCall
            blocks[number].__exit__(None, None, None)
            still_open.remove(("never", "always", "once")[number])
        assert stock_module.MultiKernelCall is StockCall
        assert settings == before


def case_a_block_that_ends_first_leaves_what_was_installed_before_all_of_them(folder: Path) -> None:
    before = replace(settings)
    try:
        mkexplorer.install(measure="never")
        first, second = mkexplorer.installed(), mkexplorer.installed(measure="always")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert settings.measure == "never"
        assert stock_module.MultiKernelCall is not StockCall
    finally:
        mkexplorer.uninstall()
        settings.measure = before.measure


def case_the_environment_decides_whether_there_are_multi_kernels(folder: Path) -> None:
    with mock.patch.dict(os.environ, TORCHINDUCTOR_MULTI_KERNEL="0"), mkexplorer.installed():
        assert inductor_config.triton.multi_kernel == 0

"""What a generated module's kernels do when they are loaded and launched, here in Triton's interpreter."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from mkexplorer.multikernel import compiling, config, freeze, multi_kernel, sub_kernel
from mkexplorer.multikernel.compiling import AsyncCompile
from mkexplorer.multikernel.modules import load_module

from ..stub_kernels import Stopwatch
from . import kernels


@pytest.fixture
def wrapper(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of two sub-kernels, of which the second is chosen."""
    monkeypatch.setattr(config, "measure", Stopwatch(scale_looped=31.0, scale_persistent=22.0))
    function = multi_kernel(kernels.tuned, sub_kernel(kernels.scale_persistent, COUNT=64), key=(), name="scale")
    function[(1,)](torch.ones(50), torch.empty(50), torch.zeros(1), 50, 3.0)
    (found,) = (each for each in own_cache.glob("*/*.py") if "def get_args" in each.read_text())
    return found


def call(module: Any) -> None:
    x, out, total = module.get_args()
    before = total.clone()
    module.call([x, out, total])
    assert torch.equal(out, x * 3)
    assert torch.equal(total, before + 1)


def test_a_module_is_loaded_while_its_sub_kernels_still_are(wrapper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = threading.Event()
    load = AsyncCompile._load

    def slowly(self: AsyncCompile, name: str, source: str) -> Any:
        assert may_load.wait(10)
        return load(self, name, source)

    monkeypatch.setattr(compiling.AsyncCompile, "_load", slowly)
    module = load_module(wrapper)
    assert isinstance(module.scale_looped, Future)
    assert "scale_persistent" in repr(module.multi_kernel_0) or module.multi_kernel_0.picked == 1
    may_load.set()
    call(module)


def test_a_frozen_module_calls_the_winner_itself(wrapper: Path) -> None:
    frozen = freeze(load_module(wrapper))
    assert not hasattr(frozen, "multi_kernel_0")
    assert not isinstance(frozen.scale_persistent, Future)  # a direct call needs it at once
    call(frozen)


def test_configurations_of_a_generated_kernel_are_remembered_beside_it(wrapper: Path) -> None:
    module = load_module(wrapper)
    kernel = module.scale_looped.result()
    assert kernel.best_config_file.parent.parent == wrapper.parents[1]
    assert kernel.best_config_file.name.endswith(".best_config")
    assert len(kernel.meta.configs) == 2

"""Multi-kernels that choose anew for each shape: those of size hints, and torch 2.9's of templates."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor.codegen import multi_kernel as stock_module

import mkexplorer
from mkexplorer.inductor import session, straight
from tests.inductor_cases.programs import StockCall, call_of
from tests.stand_in_gpu import launches, load, names, races, set_times

StockSizeHint: Any = getattr(stock_module, "SizeHintMultiKernelCall", None)
ARG_INDEX = {0: [slice(0, 2), slice(2, 4)], 1: [slice(0, 2), slice(4, 6)]}


def case_size_hints_choose_by_shape_and_are_verified_when_asked(folder: Path) -> None:
    if StockSizeHint is None:
        return
    set_times(looped=20.0, persistent=10.0)
    races.clear()
    with mkexplorer.installed():
        call = size_hint_call(folder)
        stock = StockSizeHint("multi_kernel_0", dict(zip(call._kernel_hints, call.kernels, strict=True)), ARG_INDEX)
        for rows in (64, 70, 5000, 64, 5000, 70):
            arguments = by_rows(rows)
            names()
            stock.run(*arguments, stream=0)
            call.run(*arguments, stream=0)
            theirs, ours = launches
            assert theirs[0] == ours[0]
            assert theirs[1][2:] == ours[1][2:]
            assert call.picked_kernel == stock.picked_kernel
        assert not pick_of_call(call).exists()
        assert races == []
        random_state = torch.get_rng_state()
        assert mkexplorer.verify() == 2, "the looped one was chosen for 64 and for 70 rows"
        assert torch.equal(torch.get_rng_state(), random_state), "the program's random numbers stay what they were"
        assert mkexplorer.verify() == 0
        names()
        for _ in range(3):
            call.run(*by_rows(64), stream=0)
        assert [name[:10] for name in names()] == ["triton_per"] * 3
    assert len(races) == 3


def case_the_choices_by_shape_are_told_as_far_as_anybody_reads_them(folder: Path) -> None:
    if StockSizeHint is None:
        return
    with mkexplorer.installed():
        call = size_hint_call(folder)
        session.decisions.clear()
        for rows in (64, 5000, 64):
            call.run(*by_rows(rows), stream=0)
        first, second = session.decisions
        assert (first.how, first.index, first.remark) == (session.How.DISTANCE, 0, "for 64×2048, 64×2048")
        assert (second.how, second.index, second.remark) == (session.How.DISTANCE, 1, "for 5000×2048, 5000×2048")
        assert "2 choices: 2 by shape" in session.summary(session.decisions)
        for rows in range(100, 150):
            call.run(*by_rows(rows), stream=0)
        assert len(session.decisions) == 16
        assert session.decisions[-1].remark.endswith("later shapes are not told")
        session.decisions.clear()
        with mkexplorer.installed(measure="always"):
            call.run(*by_rows(9000), stream=0)
        mkexplorer.verify()
    assert {each.how for each in session.decisions} == {session.How.VERIFIED}


def case_a_new_shape_binds_no_new_call(folder: Path) -> None:
    """Writing and compiling one takes many times as long as a launch, and a program may have ever new shapes."""
    if StockSizeHint is None:
        return
    with mkexplorer.installed():
        call = size_hint_call(folder)
        with mock.patch.object(straight, "defined", wraps=straight.defined) as defined:
            for rows in (64, 70, 5000, 80, 6000, 64):
                call.run(*by_rows(rows), stream=0)
        assert defined.call_count == 3, "one for each sub-kernel, and what looks up the shape"
        names()
        for rows in (90, 7000, 90, 7000):
            call.run(*by_rows(rows), stream=0)
        assert [name[:10] for name in names()] == ["triton_red", "triton_per"] * 2


def size_hint_call(folder: Path) -> Any:
    kernels = call_of(load("softmax", folder)).kernels
    hints = {((64, 2048), (64, 2048)): kernels[0], ((4096, 2048), (4096, 2048)): kernels[1]}
    return stock_module.SizeHintMultiKernelCall("multi_kernel_0", hints, ARG_INDEX)


def by_rows(rows: int) -> tuple[Any, ...]:
    return torch.ones((rows, 2048)), torch.empty((rows, 2048)), rows, 1, rows, 2


def case_torch_2_9_measures_templates_for_each_shape(folder: Path) -> None:
    if "shape_specialize" not in inspect.signature(StockCall.__init__).parameters:
        return
    set_times(looped=20.0, persistent=10.0)
    with mkexplorer.installed():
        kernels = list(call_of(load("softmax", folder)).kernels)
        races.clear()
        arg_index = {0: [slice(0, 4)], 1: [slice(0, 4)]}
        call = stock_module.MultiKernelCall("multi_kernel_0", kernels, arg_index, shape_specialize=True)
        for rows, picked in ((64, 1), (5000, 0), (64, 1), (5000, 0)):
            set_times(looped=20.0 if rows == 64 else 5.0, persistent=10.0)
            names()
            call.run(torch.ones((rows, 2048)), torch.empty((rows, 2048)), rows, 2048, stream=0)
            assert call.picked_kernel == picked
            assert [name[:10] for name in names()] == ["triton_per" if picked else "triton_red"]
    assert len(races) == 2


def pick_of_call(call: Any) -> Path:
    return Path(call.cache_file_path())

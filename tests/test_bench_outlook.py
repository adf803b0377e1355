"""Before anything runs, the app tells what a measurement would be made on, and what is missing for one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest
from textual.message import Message

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.model import TensorArgument
from mkexplorer.tui.bench import BenchKeeper, BenchMoved, Wanted
from mkexplorer.tui.bench_outlook import NO_GPU, PROBLEM, RECORDED, outlook
from mkexplorer.tui.picks import PickKeeper
from mkexplorer.tui.pythons import NoPython, Pythons
from tests.pick_places import PlayedCache


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return PlayedCache(tmp_path / "cache", "2.13.0").catalog


def test_of_a_cache_of_ones_own_it_tells_from_where_the_arguments_come(catalog: Catalog) -> None:
    assert outlook(catalog, catalog.multi_kernels[0], True) == ("arguments would come from the call in the wrapper",)


def test_without_a_gpu_it_tells_what_a_measurement_is_good_for(catalog: Catalog) -> None:
    assert outlook(catalog, catalog.multi_kernels[0], False)[0] == NO_GPU


def test_of_a_bundle_it_tells_that_one_is_asked(sent_bundle: Path) -> None:
    bundle = open_catalog(sent_bundle)
    assert outlook(bundle, bundle.multi_kernels[0], True)[-1].startswith("you are asked first")


def test_a_size_that_nobody_knows_is_told_with_what_to_do(catalog: Catalog) -> None:
    multi_kernel = catalog.multi_kernels[0]
    (call, *_) = multi_kernel.calls
    open_size = [
        replace(each, shape=("s77", 4), stride=(4, 1)) if isinstance(each, TensorArgument) else each
        for each in call.arguments
    ]
    symbolic = replace(multi_kernel, calls=(replace(call, arguments=tuple(open_size)),))
    (said,) = outlook(catalog, symbolic, True)
    assert said.startswith(PROBLEM)
    assert "s77" in said
    assert outlook(catalog, symbolic, True, call.arguments) == (RECORDED,)


def test_arguments_that_a_program_records_meanwhile_are_told(catalog: Catalog) -> None:
    told: SimpleQueue[Message] = SimpleQueue()
    keeper = BenchKeeper(NoPython(), PickKeeper(NoPython(), told.put), told.put)
    multi_kernel = catalog.multi_kernels[0]
    try:
        seen = []
        for recorded in ((), multi_kernel.calls[0].arguments):
            keeper.look_ahead(Wanted(catalog, multi_kernel, None, recorded))
            message = told.get(timeout=10)
            assert isinstance(message, BenchMoved)
            seen += [said[-1] for said in message.state.outlooks.values()]
    finally:
        keeper.close()
    assert seen == ["arguments would come from the call in the wrapper", RECORDED]


@pytest.mark.parametrize("value", ["", "-1"])
def test_hidden_gpus_are_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/dev/nvidiactl")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Pythons().sees_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert not Pythons().sees_gpu()

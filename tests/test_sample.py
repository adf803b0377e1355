"""The sample shows what was recorded with it: picks, times, and what the kernels use."""

from __future__ import annotations

import json
import zipfile
from pathlib import PurePosixPath
from typing import Any

import pytest

from mkexplorer.catalog.catalog import Catalog
from mkexplorer.catalog.model import Evidence
from mkexplorer.catalog.places import sample_path

Recorded = list[tuple[dict[str, Any], Evidence]]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    with zipfile.ZipFile(sample_path()) as bundle:
        data: dict[str, Any] = json.loads(bundle.read("record.json"))
    return data


@pytest.fixture(scope="module")
def recorded(record: dict[str, Any], sample: Catalog) -> Recorded:
    """Each multi-kernel as recorded, with the evidence that the catalog gives for it."""
    by_key = {(each.wrapper_key, each.name): sample.evidence(each) for each in sample.multi_kernels}
    keys = [(PurePosixPath(entry["wrapper"]).stem, entry["name"]) for entry in record["multi_kernels"]]
    pairs = [(entry, by_key[key]) for entry, key in zip(record["multi_kernels"], keys, strict=True)]
    return [(entry, evidence) for entry, evidence in pairs if evidence is not None]


def test_every_multi_kernel_has_evidence(recorded: Recorded, sample: Catalog) -> None:
    assert len(recorded) == len(sample.multi_kernels) == 41


def test_it_says_on_what_it_was_recorded(recorded: Recorded, record: dict[str, Any]) -> None:
    assert {(each.gpu, each.torch, each.triton) for _, each in recorded} == {
        (record["gpu"], record["torch"], record["triton"])
    }


def test_picks_are_those_in_the_pick_files(recorded: Recorded, sample: Catalog) -> None:
    for entry, evidence in recorded:
        assert evidence.picked == entry["pick"]
        assert evidence.pick_path is not None
        assert sample.store.read_text(evidence.pick_path) == str(entry["pick"])


def test_times_are_the_recorded_ones(recorded: Recorded) -> None:
    for entry, evidence in recorded:
        for heat in ("cold", "hot"):
            times = [getattr(sub, heat) for sub in evidence.sub_kernels]
            assert [time.median_us for time in times] == pytest.approx(entry[f"cupti_us_{heat}"], abs=1e-3)
            quartiles = [value for pair in entry[f"cupti_iqr_{heat}"] for value in pair]
            assert [value for time in times for value in (time.q1_us, time.q3_us)] == pytest.approx(quartiles, abs=1e-3)
            assert [time.n for time in times] == entry[f"cupti_n_{heat}"]
        stock = [1000 * time for time in entry["torch_ms"]]
        assert [sub.stock_us for sub in evidence.sub_kernels] == pytest.approx(stock, abs=1e-3)


def test_resources_and_configurations_are_the_recorded_ones(recorded: Recorded) -> None:
    for entry, evidence in recorded:
        for (config,), sub in zip(entry["picked_config"], evidence.sub_kernels, strict=True):
            used = sub.resources
            assert used is not None
            assert (used.registers, used.spills, used.shared_bytes) == (
                config["regs"],
                config["spills"],
                config["shared"],
            )
            counts = {name: config[name] for name in ("num_warps", "num_stages")}
            assert dict(sub.configuration) == config["kwargs"] | counts


def test_it_stays_small() -> None:
    assert sample_path().stat().st_size < 3_000_000

"""The manifest says what is known of each multi-kernel, and is read as carefully as anything from elsewhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.catalog.bundle import BundleStore
from mkexplorer.catalog.errors import BundleError
from mkexplorer.catalog.manifest import Manifest, read_manifest, write_manifest
from mkexplorer.catalog.model import Evidence, Resources, SubKernelEvidence, Timing

TIMING = Timing(31.1, 30.9, 31.4, 40)
SUB_KERNEL = SubKernelEvidence(TIMING, replace(TIMING, n=20), 380.0, Resources(38, 0, 64), (("XBLOCK", 1),))
UNKNOWN = SubKernelEvidence(None, None, None, None, ())
PICK_PATH = "ab/cab" + "7" * 49 + ".picked_kernel"
EVIDENCE = Evidence("measured", "H100", "2.11.0", "3.6.0", 1, PICK_PATH, (SUB_KERNEL, UNKNOWN))
MANIFEST = Manifest(
    "mkexplorer 0.1.0",
    gpu="H100",
    torch="2.11.0",
    evidence={("ckey", "multi_kernel_0"): EVIDENCE, ("ckey", "multi_kernel_1"): None},
)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Manifest]:
    def read(data: bytes) -> Manifest:
        path = tmp_path / "some.mkx"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("manifest.json", data)
        return read_manifest(BundleStore(str(path)))

    return read


def test_what_is_written_is_read(read: Callable[[bytes], Manifest]) -> None:
    assert read(write_manifest(MANIFEST)) == MANIFEST


def test_a_later_reader_may_know_more_keys(read: Callable[[bytes], Manifest]) -> None:
    data = json.loads(write_manifest(MANIFEST)) | {"weather": "fine"}
    assert read(json.dumps(data).encode()) == MANIFEST


def test_a_later_schema_asks_for_an_update(read: Callable[[bytes], Manifest]) -> None:
    data = write_manifest(MANIFEST).replace(b"mkexplorer-bundle/1", b"mkexplorer-bundle/2")
    with pytest.raises(BundleError, match="later mkexplorer") as caught:
        read(data)
    assert caught.value.advice == "Update mkexplorer."


def change_schema(data: dict[str, Any]) -> None:
    data["schema"] = "recipe/1"


def lose_the_list(data: dict[str, Any]) -> None:
    del data["multi_kernels"]


def name_by_number(data: dict[str, Any]) -> None:
    data["multi_kernels"][0]["name"] = 7


def pick_true(data: dict[str, Any]) -> None:
    data["multi_kernels"][0]["evidence"]["picked"] = True


@pytest.mark.parametrize("damage", [change_schema, lose_the_list, name_by_number, pick_true])
def test_a_wrong_value_is_told(read: Callable[[bytes], Manifest], damage: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(write_manifest(MANIFEST))
    damage(data)
    with pytest.raises(BundleError, match=r"some\.mkx: manifest\.json: '"):
        read(json.dumps(data).encode())


@pytest.mark.parametrize(
    "value", [0, -1, True, "1", float("inf"), float("nan"), 1e300, 1e-300, pytest.param(10**400, id="huge")]
)
@pytest.mark.parametrize("key", ["median_us", "stock_us"])
def test_a_time_is_one_that_a_kernel_can_take(read: Callable[[bytes], Manifest], key: str, value: object) -> None:
    data = json.loads(write_manifest(MANIFEST))
    sub_kernel = data["multi_kernels"][0]["evidence"]["sub_kernels"][0]
    (sub_kernel if key == "stock_us" else sub_kernel["cold"])[key] = value
    with pytest.raises(BundleError, match=f"'{key}' is no time"):
        read(json.dumps(data).encode())


@pytest.mark.parametrize("count", [0, -1, True, 1.5, pytest.param(10**400, id="huge")])
def test_a_number_of_samples_is_one(read: Callable[[bytes], Manifest], count: object) -> None:
    data = json.loads(write_manifest(MANIFEST))
    data["multi_kernels"][0]["evidence"]["sub_kernels"][0]["hot"]["n"] = count
    with pytest.raises(BundleError, match="'n' is "):
        read(json.dumps(data).encode())


@pytest.mark.parametrize(
    "path", ["../../../etc/passwd", "/" + PICK_PATH, PICK_PATH + "\n", "xy/" + PICK_PATH[3:], "ab/c.picked_kernel", ""]
)
def test_a_pick_stands_where_a_cache_keeps_picks(read: Callable[[bytes], Manifest], path: str) -> None:
    data = json.loads(write_manifest(MANIFEST))
    data["multi_kernels"][0]["evidence"]["pick_path"] = path
    with pytest.raises(BundleError, match="'pick_path' is not where"):
        read(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b'"\xff"', b'{"schema": 1}'])
def test_what_is_no_manifest_is_refused(read: Callable[[bytes], Manifest], data: bytes) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: "):
        read(data)

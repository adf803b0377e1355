"""Makes the sample bundle out of a recorded cache: ``python tests/make_sample.py CACHE RECORD OUTPUT``.

CACHE is an Inductor cache directory or a tar file of one. RECORD is the JSON written beside it on the GPU machine:
for every multi-kernel its pick, the device times of its sub-kernels, what torch itself measured, and what the
compiled kernels use. It goes into the bundle whole, as ``record.json``, so that tests can check against it.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.export import collect, write_bundle
from mkexplorer.catalog.manifest import Manifest
from mkexplorer.catalog.model import Evidence, Resources, SubKernelEvidence, Timing
from mkexplorer.version import __version__

_SOURCE = "recorded on the machine that compiled: device times by CUPTI, picks by torch"
_US_PER_MS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    record = options.record.read_bytes()
    if options.cache.is_dir():
        make_sample(options.cache, record, options.output)
        return
    with tempfile.TemporaryDirectory() as folder, tarfile.open(options.cache) as archive:
        archive.extractall(folder, filter="data")
        make_sample(Path(folder), record, options.output)


def make_sample(cache: Path, record: bytes, output: Path) -> None:
    catalog = open_catalog(cache)
    manifest = manifest_of(catalog, json.loads(record))
    members = dict(collect(catalog, catalog.multi_kernels, manifest))
    members["record.json"] = lambda: record
    write_bundle(output, members, manifest)


def manifest_of(catalog: Catalog, record: dict[str, Any]) -> Manifest:
    recorded = {(PurePosixPath(entry["wrapper"]).stem, entry["name"]): entry for entry in record["multi_kernels"]}
    keys = [(each.wrapper_key, each.name) for each in catalog.multi_kernels]
    if set(keys) != set(recorded):
        raise SystemExit("the record speaks of other multi-kernels than the cache holds")
    return Manifest(
        made_by=f"mkexplorer {__version__}",
        gpu=record["gpu"],
        torch=record["torch"],
        triton=record["triton"],
        python=record["python"],
        evidence={key: evidence_of(recorded[key], record) for key in keys},
    )


def evidence_of(entry: dict[str, Any], record: dict[str, Any]) -> Evidence:
    return Evidence(
        source=_SOURCE,
        gpu=record["gpu"],
        torch=record["torch"],
        triton=record["triton"],
        picked=entry["pick"],
        pick_path=str(PurePosixPath(entry["pick_path"]).relative_to(record["cache_dir"])),
        sub_kernels=tuple(sub_kernel_evidence(entry, index) for index in range(len(entry["subs"]))),
    )


def sub_kernel_evidence(entry: dict[str, Any], index: int) -> SubKernelEvidence:
    (config,) = entry["picked_config"][index]
    return SubKernelEvidence(
        cold=timing(entry, "cold", index),
        hot=timing(entry, "hot", index),
        stock_us=round(entry["torch_ms"][index] * _US_PER_MS, 3),
        resources=Resources(config["regs"], config["spills"], config["shared"]),
        configuration=(
            *config["kwargs"].items(),
            ("num_warps", config["num_warps"]),
            ("num_stages", config["num_stages"]),
        ),
    )


def timing(entry: dict[str, Any], heat: str, index: int) -> Timing:
    """CUPTI counts whole nanoseconds; the record's further digits are rounding noise."""
    first, third = entry[f"cupti_iqr_{heat}"][index]
    median = entry[f"cupti_us_{heat}"][index]
    return Timing(round(median, 4), round(first, 4), round(third, 4), entry[f"cupti_n_{heat}"][index])


if __name__ == "__main__":
    main()

"""Compares what an offline compile tells with what a GPU machine recorded: ``compare_resources.py [--python PYTHON]``.

For every sub-kernel of the sample: registers, spills and shared memory of the configuration that ran, compiled anew on
no GPU by the torch and triton of PYTHON. With the releases that made the record all of them are equal, and the program
ends with 0; other compilers choose other registers.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from typing import Any

from mkexplorer.catalog import open_catalog
from mkexplorer.catalog.places import sample_path
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.requests import kernels_under_test
from mkexplorer.measure.resources import ResourceReport

_H100 = "cuda:90:32"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the Python whose torch and triton compile; by default this one")
    parser.add_argument("--target", default=_H100, help=f"by default the recorded one, {_H100}")
    options = parser.parse_args()
    catalog = open_catalog(sample_path())
    recorded = recorded_configurations()
    compared = different = 0
    with Bencher(options.python) as bencher:
        for multi_kernel in catalog.multi_kernels:
            kernels = kernels_under_test(catalog, multi_kernel)
            reports = bencher.resources(kernels, options.target)
            for kernel, report in zip(kernels, reports, strict=True):
                compared += 1
                text = difference(recorded[kernel.key], report)
                if text:
                    different += 1
                    print(f"{kernel.name}: {text}")
    print(f"{compared - different} of {compared} sub-kernels as recorded")
    return int(different > 0)


def recorded_configurations() -> dict[str, dict[str, Any]]:
    """By the stem of a sub-kernel's file, the configuration that ran and what it took."""
    with zipfile.ZipFile(sample_path()) as bundle:
        record = json.loads(bundle.read("record.json"))
    pairs = [
        pair for each in record["multi_kernels"] for pair in zip(each["files"], each["picked_config"], strict=True)
    ]
    return {path.rpartition("/")[2].removesuffix(".py"): configuration for path, (configuration,) in pairs}


def difference(recorded: dict[str, Any], report: ResourceReport) -> str:
    """'' if there is none."""
    if report.resources is None:
        return report.problem
    ran = {**recorded["kwargs"], "num_warps": recorded["num_warps"], "num_stages": recorded["num_stages"]}
    found = report.resources
    pairs = {
        "configuration": (ran, dict(report.configuration)),
        "registers": (recorded["regs"], found.registers),
        "spills": (recorded["spills"], found.spills),
        "shared": (recorded["shared"], found.shared_bytes),
    }
    return ", ".join(f"{name} {new}, recorded {old}" for name, (old, new) in pairs.items() if old != new)


if __name__ == "__main__":
    sys.exit(main())

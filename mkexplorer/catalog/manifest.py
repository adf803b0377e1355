"""``manifest.json`` of a bundle: who made it, and the recorded facts that files of a cache cannot hold.

{"schema": "mkexplorer-bundle/1",           a reader refuses a higher number and ignores unknown keys
 "made_by": "mkexplorer 0.1.0",
 "gpu": …, "torch": …, "triton": …, "python": …,      where the kernels were made; each text or null
 "multi_kernels": [                          those that the bundle is about; its wrappers may define more
   {"wrapper": <key of the wrapper>, "name": "multi_kernel_0",
    "evidence": null or
      {"source": …, "gpu": …, "torch": …, "triton": …,
       "picked": index or null, "pick_path": path of the pick file, relative to the cache, or null,
       "sub_kernels": [
         {"cold": {"median_us", "q1_us", "q3_us", "n"} or null, "hot": likewise,     microseconds on the device
          "stock_us": what torch itself measured, host time included, or null,
          "resources": {"registers", "spills", "shared_bytes"} or null,
          "configuration": {"XBLOCK": 1, …}}]}}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from .bundle import MANIFEST, BundleStore
from .errors import BundleError
from .model import Evidence, SubKernelEvidence
from .plain import may, need, of_kind, resources, time_us, timing

_SCHEMA = "mkexplorer-bundle/"
_VERSION = 1
# torch keeps a pick on the shelf of its own key.
_PICK_PATH = re.compile(r"([a-z2-7]{2})/c\1[a-z2-7]{49}\.picked_kernel")


@dataclass(frozen=True, slots=True)
class Manifest:
    """``evidence`` is keyed by a wrapper's key and a multi-kernel's name; one without facts has None there."""

    made_by: str
    gpu: str | None = None
    torch: str | None = None
    triton: str | None = None
    python: str | None = None
    evidence: Mapping[tuple[str, str], Evidence | None] = field(default_factory=dict)


def write_manifest(manifest: Manifest) -> bytes:
    multi_kernels = [
        {"wrapper": wrapper, "name": name, "evidence": evidence and _plain_evidence(evidence)}
        for (wrapper, name), evidence in sorted(manifest.evidence.items())
    ]
    data = {
        "schema": f"{_SCHEMA}{_VERSION}",
        "made_by": manifest.made_by,
        "gpu": manifest.gpu,
        "torch": manifest.torch,
        "triton": manifest.triton,
        "python": manifest.python,
        "multi_kernels": multi_kernels,
    }
    return json.dumps(data, indent=1).encode()


def read_manifest(store: BundleStore) -> Manifest:
    """Raises ``BundleError`` where the manifest is no such thing or of a later schema."""
    where = f"{store.path}: {MANIFEST}"
    try:
        data = json.loads(store.read_bytes(MANIFEST))
        if not isinstance(data, dict):
            raise TypeError("an object is needed")
        _check_schema(where, data)
        return _manifest(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{where}: {error}", "Have the bundle exported again.") from error


def _plain_evidence(evidence: Evidence) -> dict[str, object]:
    sub_kernels = [asdict(each) | {"configuration": dict(each.configuration)} for each in evidence.sub_kernels]
    return asdict(evidence) | {"sub_kernels": sub_kernels}


def _check_schema(where: str, data: dict[str, object]) -> None:
    name, _, version = need(data, "schema", str).rpartition("/")
    if f"{name}/" != _SCHEMA or not version.isdecimal():
        raise TypeError(f"'schema' is not {_SCHEMA}{_VERSION}")
    if int(version) > _VERSION:
        raise BundleError(f"{where}: made for a later mkexplorer (schema {version})", "Update mkexplorer.")


def _manifest(data: dict[str, object]) -> Manifest:
    evidence = {}
    for entry in need(data, "multi_kernels", list):
        each = of_kind(entry, dict, "multi_kernels")
        facts = may(each, "evidence", dict)
        evidence[need(each, "wrapper", str), need(each, "name", str)] = _evidence(facts) if facts else None
    return Manifest(
        made_by=need(data, "made_by", str),
        gpu=may(data, "gpu", str),
        torch=may(data, "torch", str),
        triton=may(data, "triton", str),
        python=may(data, "python", str),
        evidence=evidence,
    )


def _evidence(data: dict[str, object]) -> Evidence:
    sub_kernels = (of_kind(entry, dict, "sub_kernels") for entry in need(data, "sub_kernels", list))
    return Evidence(
        source=need(data, "source", str),
        gpu=may(data, "gpu", str),
        torch=may(data, "torch", str),
        triton=may(data, "triton", str),
        picked=may(data, "picked", int),
        pick_path=_pick_path(data),
        sub_kernels=tuple(_sub_kernel(each) for each in sub_kernels),
    )


def _sub_kernel(data: dict[str, object]) -> SubKernelEvidence:
    cold, hot, taken = (may(data, key, dict) for key in ("cold", "hot", "resources"))
    configuration = need(data, "configuration", dict)
    return SubKernelEvidence(
        cold=timing(cold) if cold else None,
        hot=timing(hot) if hot else None,
        stock_us=None if data.get("stock_us") is None else time_us(data["stock_us"], "stock_us"),
        resources=resources(taken) if taken else None,
        configuration=tuple((key, need(configuration, key, int)) for key in configuration),
    )


def _pick_path(data: dict[str, object]) -> str | None:
    path = may(data, "pick_path", str)
    if path is not None and not _PICK_PATH.fullmatch(path):
        raise TypeError("'pick_path' is not where a cache keeps picks")
    return path

"""Faults of torch itself that programs with multi-kernels run into, and whether this interpreter and environment do.

Found in the sources of the releases and reproduced with 2.11 and 2.13; none is mended up to 2.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mkexplorer.catalog import Catalog
from mkexplorer.picks.interpreter import Identity
from mkexplorer.picks.rules import Release, release_of
from mkexplorer.report.findings import Finding, Level

_LAUNCHER = "TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER"
_FX_CACHE = "TORCHINDUCTOR_FX_GRAPH_CACHE"
_NO_PICKS = "TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE"
_MULTI_KERNEL = "TORCHINDUCTOR_MULTI_KERNEL"
_CPP_WRAPPER = "TORCHINDUCTOR_CPP_WRAPPER"
_TABLES = "TORCHINDUCTOR_ENABLED_METRIC_TABLES"
_WARM = "multi-kernels out of a warm FX graph cache, with the static launcher"
_TABLE = "persistent_red_perf"


def upstream_findings(
    identity: Identity | None, environment: Mapping[str, str], catalog: Catalog | None
) -> Iterator[Finding]:
    torch = release_of(identity.torch or "") if identity else None
    triton = release_of(identity.triton or "") if identity else None
    if torch is None or triton is None:
        yield Finding(Level.WARNING, "which faults of torch count here cannot be told without its version")
        return
    if torch < (2, 9) or triton < (3, 5):
        yield Finding(Level.OK, f"{_WARM}: not in this torch and triton")
    else:
        yield _warm_cache(environment, catalog)
    yield _cpp_wrapper(torch, environment)
    yield _metric_table(torch, environment)


def _warm_cache(environment: Mapping[str, str], catalog: Catalog | None) -> Finding:
    if way := _way_round(environment):
        return Finding(Level.OK, f"{_WARM}: avoided, because {way}")
    what = (
        f"{_WARM}: the program ends with TypeError: 'NoneType' object does not support the context manager protocol "
        "(torch 2.9 and later with triton 3.5 and later)"
    )
    fix = f"export {_LAUNCHER}=0 (or {_FX_CACHE}=0) where programs with multi-kernels run"
    is_warm = catalog is not None and bool(catalog.multi_kernels) and _has_graphs(catalog)
    where = "this cache is warm and has multi-kernels" if is_warm else "as soon as the cache is warm"
    return Finding(Level.PROBLEM if is_warm else Level.WARNING, what, fix, (where,))


def _way_round(environment: Mapping[str, str]) -> str:
    """The setting that avoids the fault, if one does."""
    if environment.get(_LAUNCHER, "1") != "1":
        return f"{_LAUNCHER}={environment[_LAUNCHER]}"
    if environment.get(_FX_CACHE) == "0":
        return f"{_FX_CACHE}=0"
    if environment.get(_NO_PICKS) == "1":
        return f"{_NO_PICKS}=1"
    if environment.get(_MULTI_KERNEL) in ("2", "3"):
        return f"{_MULTI_KERNEL}={environment[_MULTI_KERNEL]}"
    return ""


def _has_graphs(catalog: Catalog) -> bool:
    return next(iter(catalog.store.files("fxgraph")), None) is not None


def _cpp_wrapper(torch: Release, environment: Mapping[str, str]) -> Finding:
    name = "multi-kernels with the C++ wrapper"
    if torch < (2, 12):
        return Finding(Level.OK, f"{name}: works in this torch")
    fault = "compiling with torch.compile ends with AssertionError (torch 2.12 and later; AOTInductor is not affected)"
    if environment.get(_CPP_WRAPPER) != "1":
        return Finding(Level.OK, f"{name}: {_CPP_WRAPPER} is not set; with it, {fault}")
    asks = environment.get(_MULTI_KERNEL, "0") not in ("", "0")
    what = f"{name}: {_CPP_WRAPPER}=1 is set, and {fault}"
    return Finding(Level.PROBLEM if asks else Level.WARNING, what, f"unset {_CPP_WRAPPER}, or {_MULTI_KERNEL}")


def _metric_table(torch: Release, environment: Mapping[str, str]) -> Finding:
    name = f"the metric table {_TABLE}"
    is_on = _TABLE in {each.strip() for each in environment.get(_TABLES, "").split(",")}
    if torch < (2, 7):
        return Finding(Level.OK, f"{name}: works in this torch")
    fault = "choosing a sub-kernel ends with AssertionError or AttributeError (torch 2.7 and later)"
    if not is_on:
        return Finding(Level.OK, f"{name}: it is not switched on; with it, {fault}")
    return Finding(Level.PROBLEM, f"{name}: {_TABLES} has it, and {fault}", f"take {_TABLE} out of {_TABLES}")

"""Writes bundles: of the chosen multi-kernels all that belongs to them, under its name in the cache.

A bundle is written beside its final name, synced and then renamed, so it is there whole or not at all; a rename puts
a file in the place of whatever stood there, so only a file or nothing may. The same input gives the same bytes.
Triton's ``.source`` and ``__grp__`` files stay out: nothing here reads them.
"""

from __future__ import annotations

import contextlib
import os
import stat as stat_bits
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mkexplorer.version import __version__

from .artifacts import ArtifactIndex
from .bundle import MANIFEST, BundleStore
from .errors import MkexplorerError
from .manifest import Manifest, write_manifest
from .model import MultiKernel, SubKernel, Wrapper
from .places import shelves
from .store import Store

if TYPE_CHECKING:
    from .catalog import Catalog

Members = Mapping[str, Callable[[], bytes]]
_SOME_DATE = (1980, 1, 1, 0, 0, 0)
_ORDINARY_FILE = 0o100644 << 16
_ON_UNIX = 3
_ANOTHER = "Name another file with -o."


def export_bundle(catalog: Catalog, output: str | Path, only: Sequence[MultiKernel] | None = None) -> None:
    """Writes a bundle of ``only``, by default of every multi-kernel; replaces ``output`` if that is a file."""
    chosen = catalog.multi_kernels if only is None else only
    if not chosen:
        raise MkexplorerError(f"{catalog.place.path}: holds no multi-kernel to export", "Open another place.")
    manifest = describe(catalog, chosen)
    write_bundle(output, collect(catalog, chosen, manifest), manifest)


def describe(catalog: Catalog, chosen: Sequence[MultiKernel]) -> Manifest:
    """The manifest for ``chosen``, with all that the catalog knows of them.

    The files of a cache name the Triton that compiled, but neither the GPU nor a release of torch.
    """
    made_by = f"mkexplorer {__version__}"
    before = catalog.manifest or Manifest(made_by)
    return replace(
        before,
        made_by=made_by,
        triton=before.triton or _triton_version(catalog, chosen),
        evidence={(each.wrapper_key, each.name): catalog.evidence(each) for each in chosen},
    )


def collect(catalog: Catalog, chosen: Sequence[MultiKernel], manifest: Manifest) -> Members:
    """The files of a bundle by name, each with what reads it."""
    store = catalog.store
    members: dict[str, Callable[[], bytes]] = {}
    for wrapper in {each.wrapper_key: catalog.wrapper(each) for each in chosen}.values():
        # Also where the text came out of a log: then a cache would keep it here.
        members[f"{wrapper.key[1:3]}/{wrapper.key}.py"] = partial(_wrapper_bytes, catalog, wrapper)
    index = ArtifactIndex(store)
    sub_kernels = {sub.kernel_file: sub for each in chosen for sub in each.sub_kernels if sub.kernel_file}
    paths = {path for sub in sub_kernels.values() for path in _paths_of(store, index, sub)}
    paths.update(_pick_paths(store, chosen, manifest))
    return members | {path: partial(store.read_bytes, path) for path in paths if path not in members}


def write_bundle(output: str | Path, members: Members, manifest: Manifest) -> None:
    target = _target(output)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            with zipfile.ZipFile(file, "w") as bundle:
                _add(bundle, MANIFEST, write_manifest(manifest))
                for path, read in sorted(members.items()):
                    _add(bundle, path, read())
            file.flush()
            os.fsync(file.fileno())
        BundleStore(str(temporary))  # what cannot be opened again is not handed out
        os.replace(temporary, target)
    except OSError as error:
        raise MkexplorerError(f"{output}: {error.strerror}", _ANOTHER) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _target(output: str | Path) -> Path:
    """Where the bundle goes, behind all links; raises ``MkexplorerError`` where something else than a file stands."""
    name = os.fspath(output) or os.curdir
    try:
        # As given: what '/dev/stdout' leads to can be asked about, but has no path.
        may_be_replaced = stat_bits.S_ISREG(os.stat(name).st_mode)
    except FileNotFoundError:
        may_be_replaced = not name.endswith("/")
    except (OSError, ValueError) as error:
        raise MkexplorerError(f"{name}: {getattr(error, 'strerror', None) or error}", _ANOTHER) from error
    if not may_be_replaced:
        raise MkexplorerError(f"{name}: is not a file", _ANOTHER)
    return Path(os.path.realpath(name))


def _triton_version(catalog: Catalog, chosen: Sequence[MultiKernel]) -> str | None:
    configs = (config for each in chosen for sub in each.sub_kernels for config in catalog.configs(sub))
    return next((config.triton_version for config in configs if config.triton_version), None)


def _wrapper_bytes(catalog: Catalog, wrapper: Wrapper) -> bytes:
    return catalog.wrapper_text(wrapper).encode()


def _paths_of(store: Store, index: ArtifactIndex, sub_kernel: SubKernel) -> Iterator[str]:
    kernel = f"{sub_kernel.kernel_file[1:3]}/{sub_kernel.kernel_file}"
    if store.exists(kernel):
        yield kernel
    configs = index.configs(sub_kernel)
    yield from index.best_config_paths(sub_kernel, configs)
    for config in configs:
        for _, path in config.stages:
            yield path
            metadata = path.rpartition(".")[0] + ".json"
            if store.exists(metadata):
                yield metadata


def _pick_paths(store: Store, chosen: Sequence[MultiKernel], manifest: Manifest) -> Iterator[str]:
    """The picks of ``chosen``; all picks of the place where one's file is not known, since it may be among them."""
    known = [evidence.pick_path for evidence in manifest.evidence.values() if evidence and evidence.pick_path]
    if len(known) == len(chosen):
        yield from filter(store.exists, known)
        return
    for shelf in shelves(store):
        yield from (f"{shelf}/{name}" for name in store.names(shelf) if name.endswith(".picked_kernel"))


def _add(bundle: zipfile.ZipFile, path: str, data: bytes) -> None:
    member = zipfile.ZipInfo(path, _SOME_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = _ON_UNIX
    member.external_attr = _ORDINARY_FILE
    bundle.writestr(member, data, compresslevel=9)

"""Whether an interpreter can be the one that wrote a cache: what the cache's files say for it and against it.

A computed place is right only for the torch and triton that computed it, so a cache that others wrote must be told
from their own. A pick file's name is a hash of all that counts, so a file that stands at the computed place is proof.
"""

from __future__ import annotations

from functools import cached_property

from mkexplorer.catalog.artifacts import ArtifactIndex
from mkexplorer.catalog.model import MultiKernel, SubKernel
from mkexplorer.catalog.places import shelves
from mkexplorer.catalog.store import Store

from .interpreter import Identity
from .remembered import Computed
from .rules import Release, Releases, release_of

PICK_SUFFIX = ".picked_kernel"
# From here on the names of the files that keep the autotuner's results depend on torch.
_TUNED_BY: Release = (2, 8)


class CacheFiles:
    """The files of one cache; what is asked again and again is listed once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._artifacts = ArtifactIndex(store)
        self._names: dict[str, frozenset[str]] = {}

    @cached_property
    def picks(self) -> frozenset[str]:
        """Paths of the pick files, and of whatever else stands in the place of one."""
        folders = ((shelf, name) for shelf in shelves(self._store) for name in self.names(shelf))
        return frozenset(f"{shelf}/{name}" for shelf, name in folders if name.endswith(PICK_SUFFIX))

    def names(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            self._names[folder] = frozenset(self._store.names(folder))
        return self._names[folder]

    def triton_versions(self, multi_kernel: MultiKernel) -> set[str]:
        """The versions that compiled its sub-kernels (triton 3.3 and later leave theirs)."""
        configs = (config for sub_kernel in multi_kernel.sub_kernels for config in self._artifacts.configs(sub_kernel))
        return {config.triton_version for config in configs if config.triton_version}

    def is_tuned(self, sub_kernel: SubKernel) -> bool:
        """Whether any torch has left the winner among its configurations."""
        return bool(self._artifacts.best_config_paths(sub_kernel))


def is_proven(multi_kernel: MultiKernel, computed: Computed, identity: Identity, files: CacheFiles) -> bool:
    """Whether a pick, or else a tuning result, stands where this very torch puts it."""
    return computed.path in files.picks or any(_tuned_here(multi_kernel, computed, identity, files))


def objection(multi_kernel: MultiKernel, computed: Computed, identity: Identity, files: CacheFiles) -> str | None:
    """What shows that another torch or triton wrote this multi-kernel's files, as a reason; None if nothing does."""
    if not all(written is None or written == own for written, own in computed.backends):
        # The hash covers triton's binaries too, so for another Python it differs though the version be the same.
        versions = files.triton_versions(multi_kernel)
        if identity.triton not in versions:
            with_triton = "triton " + " or ".join(sorted(versions)) if versions else "another build of triton"
            return another(identity, with_triton)
    tuned = any(files.is_tuned(sub_kernel) for sub_kernel in multi_kernel.sub_kernels)
    if tuned and _is_recorded_by_torch(identity) and not any(_tuned_here(multi_kernel, computed, identity, files)):
        return another(identity, f"another torch than {identity.torch}")
    return None


def form_objection(
    releases: Releases | None, identity: Identity, multi_kernel: MultiKernel, files: CacheFiles
) -> str | None:
    """As `objection`, from the form of the wrapper alone."""
    release = release_of(identity.torch or "")
    if releases is None or release is None or release in releases:
        return None
    versions = files.triton_versions(multi_kernel)
    return another(identity, " and ".join([releases.text, *(f"triton {version}" for version in sorted(versions))]))


def another(identity: Identity, written_with: str) -> str:
    own = f"{identity.executable} has torch {identity.torch} and triton {identity.triton}"
    return f"this cache was written with {written_with}, but {own}; run with --python and the Python that wrote it"


def _tuned_here(multi_kernel: MultiKernel, computed: Computed, identity: Identity, files: CacheFiles) -> list[bool]:
    if not _is_recorded_by_torch(identity):
        return []
    pairs = zip(multi_kernel.sub_kernels, computed.best_configs, strict=True)
    return [name in files.names(sub_kernel.kernel_file[1:3]) for sub_kernel, name in pairs]


def _is_recorded_by_torch(identity: Identity) -> bool:
    release = release_of(identity.torch or "")
    return release is not None and release >= _TUNED_BY

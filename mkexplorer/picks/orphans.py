"""Pick files of a cache that belong to no multi-kernel in it, and what killed writers left."""

from __future__ import annotations

from collections.abc import Mapping

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import PlaceKind
from mkexplorer.catalog.places import shelves
from mkexplorer.catalog.store import Store

from .files import ENDING
from .rules import has_no_file
from .writing import LEFTOVER


def find_orphans(catalog: Catalog, places: Mapping[str, str | None]) -> tuple[str, ...]:
    """The pick files of the cache that are nobody's, as paths; ``places`` has each multi-kernel's, by its id.

    Raises `MkexplorerError` where that cannot be told, because some pick file's owner may not be known.
    """
    if catalog.place.kind is not PlaceKind.CACHE:
        message = f"{catalog.place.path}: only a whole cache directory tells which pick files are nobody's"
        raise MkexplorerError(message, "Open the cache directory itself.")
    owners = (each for each in catalog.multi_kernels if not has_no_file(each))
    unknown = sum(places.get(each.id) is None for each in owners)
    if unknown:
        message = f"which pick files are nobody's cannot be told: those of {unknown} multi-kernels are not known"
        raise MkexplorerError(message, "Run with --python and the interpreter that wrote the cache.")
    if catalog.diagnostics:
        message = f"which pick files are nobody's cannot be told: {catalog.diagnostics[0].path} could not be read whole"
        raise MkexplorerError(message, "`mkexplorer list` says what is wrong with it.")
    found = pick_paths(catalog.store)
    # In this order: torch writes a wrapper before its pick, so that the owner of all that was found is seen here.
    if catalog.refresh() is not catalog:
        raise MkexplorerError(f"{catalog.place.path}: has changed since it was opened", "Open it again.")
    known = set(places.values())
    return tuple(path for path in found if path not in known)


def pick_paths(store: Store) -> tuple[str, ...]:
    """Every pick file of a cache, also one that is a directory or a link."""
    return tuple(f"{shelf}/{name}" for shelf in shelves(store) for name in store.names(shelf) if name.endswith(ENDING))


def find_leftovers(store: Store) -> tuple[str, ...]:
    """The pick files beside which a killed writer left something; `writing.remove_leftover` takes these paths."""
    return tuple(
        f"{shelf}/{name[1:].removesuffix(LEFTOVER)}"
        for shelf in shelves(store)
        for name in store.names(shelf)
        if name.startswith(".") and name.endswith(ENDING + LEFTOVER)
    )

"""Whether code of a place may run without asking: measuring executes it as whoever runs mkexplorer."""

from __future__ import annotations

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import PlaceKind
from mkexplorer.catalog.places import is_sample
from mkexplorer.catalog.users import foreign_owner


def consent_needed(catalog: Catalog) -> str:
    """Why somebody has to agree first, as a sentence; '' where the code is their own, or came with mkexplorer."""
    if is_sample(catalog.place.path):
        return ""
    if catalog.place.kind is PlaceKind.BUNDLE:
        return f"{catalog.place.path} is a bundle: its code comes from whoever made it, and would run as you."
    if owner := foreign_owner(catalog.place.path):
        return f"{catalog.place.path} belongs to {owner}: its code would run as you."
    return ""

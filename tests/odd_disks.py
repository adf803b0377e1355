"""Pins on disks that no test can have without mounting: ``python -m tests.odd_disks full|read-only FOLDER``.

Runs in a mount namespace of its own (``unshare``), mounts there what it needs, and prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mkexplorer.catalog.errors import MkexplorerError
from tests.pick_cache import PickCache

PAGE = 4096


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def attempt(cache: PickCache, index: int) -> dict[str, object]:
    """What became of a pin, and what is there after it."""
    try:
        cache.pin(index)
        error = None
    except MkexplorerError as refused:
        error = [refused.message, refused.advice]
    found = cache.read()
    happened = sum(entry.happened for entry in found.history.entries)
    content = (found.held.content or b"").decode()
    return {
        "error": error,
        "content": content,
        "happened": happened,
        "problems": found.history.problems,
        "names": cache.names,
    }


def full(folder: Path) -> Iterator[dict[str, object]]:
    """A pin with no page free, with one, and so on, over a history of every length up to a page and more."""
    mount("-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(folder))
    for free_pages in range(4):
        for changes in range(6):
            cache = PickCache(folder / f"{free_pages}-{changes}")
            for number in range(changes):
                cache.pin(1 - number % 2)
            before = cache.read().held.content
            filler = folder / "filler"
            disk = os.statvfs(folder)
            filler.write_bytes(b"x" * (disk.f_bavail * disk.f_frsize - free_pages * PAGE))
            told = attempt(cache, 0 if before == b"1" else 1)
            filler.unlink()
            yield told | {"old": (before or b"").decode(), "changes": changes}
            subprocess.run(["rm", "-r", str(cache.root)], check=True)


def read_only(folder: Path) -> Iterator[dict[str, object]]:
    cache = PickCache(folder)
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,ro,bind", str(folder))
    yield attempt(cache, 1)


if __name__ == "__main__":
    scenes = {"full": full, "read-only": read_only}
    print(json.dumps(list(scenes[sys.argv[1]](Path(sys.argv[2])))))

"""Cache directories whose picks can be found without torch: by the rule of torch 2.4, or by a Python that plays one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.picks.book import PickBook, open_book
from mkexplorer.picks.interpreter import Interpreter
from tests.conftest import DATA
from tests.fake_python import fake_python

# In torch 2.4 the persistent sub-kernel comes first, from 2.6 on the looped one.
OLD, NEW = "2.4.1", "2.13.0"

# Where torch 2.4.1 itself says the picks of its recorded wrappers are.
TORCH_2_4 = [
    "3u/c3u7rqc2q2wa3q2ht452yzrk22ocbfenxhuqmpspaeymljfsgsih.picked_kernel",
    "eq/ceqi53n45jb6t3mlghuztgp6za5d2gysiez2mtjpjiecbqygeyme.picked_kernel",
    "hs/chshbtqggn7532del6koiptscix4avf62zynmxkgcwonl422bdcr.picked_kernel",
    "vo/cvoiskkmo5gxe3xomaicgf3irmajfencsptl6uiczgc2xpsm2zax.picked_kernel",
]

# Makes names by the rules of torch 2.5, and of 2.6 and later, of the names of the kernels' files.
_JOB = """\
import base64, hashlib
names = ("written_backend", "own_backend", "best_config")
parts = [{"cache_key": kernel["key"], "size_hints": "", "triton_meta": "", **dict.fromkeys(names)}
         for kernel in request["sub_kernels"]]
digest = hashlib.sha256(",".join(part["cache_key"] for part in parts).encode()).digest()
key = parts[0]["cache_key"] if RAW_KEY else "c" + base64.b32encode(digest).decode().lower()[:51]
answer(result={"parts": parts, "path": f"{key[1:3]}/{key}.picked_kernel"})
"""


def fill_cache(root: Path, wrappers: Path) -> Path:
    """Puts the wrappers where torch would, under the names that it gives them."""
    for path in sorted(wrappers.glob("*.py")):
        text = path.read_text()
        key = code_hash(text)
        (root / key[1:3]).mkdir(parents=True, exist_ok=True)
        (root / key[1:3] / f"{key}.py").write_text(text)
    return root


def never_run(root: Path) -> Path:
    """Four multi-kernels of torch 2.13, never run."""
    return fill_cache(root, DATA / "wrappers" / "torch-2.13.0")


class PlayedCache:
    """A cache of one multi-kernel each for layernorm, rmsnorm, softmax and scratch; two sub-kernels each."""

    def __init__(self, root: Path, release: str) -> None:
        self.root = root
        fill_cache(root, DATA / "wrappers" / f"torch-{release}")

    @property
    def catalog(self) -> Catalog:
        return open_catalog(self.root)

    def book(self, python: str | None = None) -> PickBook:
        with Interpreter(python) as interpreter:
            return open_book(self.catalog, interpreter)

    def pick_file(self, number: int, python: str | None = None) -> Path:
        """The pick file of the ``number``-th multi-kernel."""
        book = self.book(python)
        return self.root / book.of(book.catalog.multi_kernels[number]).file.path

    def write_pick(self, number: int, content: bytes, python: str | None = None) -> Path:
        """As torch would."""
        path = self.pick_file(number, python)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path


def default_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    """The default place: four multi-kernels of torch 2.4, whose picks every Python finds; none is picked yet."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "cache"))
    return PlayedCache(folder / "cache", OLD)


def ids(cache: PlayedCache) -> list[str]:
    return [each.id for each in cache.catalog.multi_kernels]


def played_python(path: Path, torch: str = "2.13.0", triton: str = "3.9.0", **hello: object) -> str:
    """A Python that knows where this torch keeps its picks."""
    greeting = {"executable": str(path), "torch": torch, "triton": triton, **hello}
    return fake_python(path, hello=greeting, job=_JOB.replace("RAW_KEY", str(torch.startswith("2.5."))))

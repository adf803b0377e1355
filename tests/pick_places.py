"""Cache directories whose picks can be found without torch: by the rule of torch 2.4, or by a Python that plays one."""

from __future__ import annotations

from pathlib import Path

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.picks.book import PickBook, open_book
from mkexplorer.picks.interpreter import Interpreter
from tests.conftest import DATA
from tests.fake_python import fake_python

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


def fill_cache(root: Path, wrappers: Path) -> None:
    """Puts the wrappers where torch would."""
    for path in sorted(wrappers.glob("*.py")):
        text = path.read_text()
        key = code_hash(text)
        (root / key[1:3]).mkdir(parents=True, exist_ok=True)
        (root / key[1:3] / f"{key}.py").write_text(text)


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


def played_python(path: Path, torch: str = "2.13.0", triton: str = "3.9.0", **hello: object) -> str:
    """A Python that knows where this torch keeps its picks."""
    greeting = {"executable": str(path), "torch": torch, "triton": triton, **hello}
    return fake_python(path, hello=greeting, job=_JOB.replace("RAW_KEY", str(torch.startswith("2.5."))))

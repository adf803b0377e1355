"""Whatever a file holds, reading it ends soon, raises nothing and runs nothing."""

from __future__ import annotations

import builtins
import random
import time
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkexplorer.catalog.metadata import read_metadata
from mkexplorer.catalog.model import Origin, Wrapper
from mkexplorer.catalog.places import sample_path
from mkexplorer.catalog.wrapper_parser import parse_wrapper

from .conftest import DATA, recorded_wrappers

MUTANTS = 20_000
TOKENS = [
    "'''",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\n",
    " = ",
    "multi_kernel_0.run(",
    "\\",
    "\0",
    "\x1b[2J",
    "#",
    "é",
    "\t",
]
TOKENS += [
    " = async_compile.triton('x', '''",
    " = async_compile.multi_kernel('x', [",
    "slice(0, 99999, None)",
    "9" * 30,
]


with zipfile.ZipFile(sample_path()) as bundle:
    SAMPLES = [bundle.read(name).decode() for name in sorted(bundle.namelist()) if name.endswith(".py")]
SAMPLES = [text for text in SAMPLES if "async_compile.multi_kernel(" in text and len(text) < 60_000]


def mutants(seed: int) -> Iterator[str]:
    """Recorded wrappers with pieces cut, doubled, moved and replaced; always the same for a seed."""
    chance = random.Random(seed)
    texts = [path.read_text() for path in [*recorded_wrappers(), *sorted((DATA / "odd").glob("*.py"))]]
    texts += SAMPLES
    for _ in range(MUTANTS):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 6)):
            begin = chance.randrange(len(text) + 1)
            end = min(len(text), begin + int(chance.expovariate(1 / 40)))
            match chance.randrange(6):
                case 0:
                    text = text[:begin]
                case 1:
                    text = text[:begin] + text[end:]
                case 2:
                    text = text[:end] + text[begin:]
                case 3:
                    text = text[:begin] + chance.choice(TOKENS) + text[end:]
                case 4:
                    other = chance.choice(texts)
                    text = text[:begin] + other[begin : end + 400] + text[end:]
                case _:
                    text = text[:begin] + text[begin:end][::-1] + text[end:]
            if not text:
                break
        yield text


def check(text: str, wrapper: Wrapper) -> None:
    """What must hold for any wrapper: spans and lines lie inside the text, indices count up."""
    lines = text.count("\n") + 1
    for multi_kernel in wrapper.multi_kernels:
        assert 1 <= multi_kernel.definition.first <= multi_kernel.definition.last <= lines
        assert [s.index for s in multi_kernel.sub_kernels] == list(range(len(multi_kernel.sub_kernels)))
        for sub_kernel in multi_kernel.sub_kernels:
            span = sub_kernel.source
            assert (span.first, span.last) == (0, 0) or 1 <= span.first <= span.last <= lines + 1
        for call in multi_kernel.calls:
            assert 1 <= call.line <= lines
    for diagnostic in wrapper.diagnostics:
        assert diagnostic.line is not None
        assert 1 <= diagnostic.line <= lines


def test_twenty_thousand_mutated_wrappers(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the parser ran something")

    slowest = 0.0
    with monkeypatch.context() as patch:
        for name in ("exec", "eval", "__import__"):
            patch.setattr(builtins, name, forbidden)
        for number, text in enumerate(mutants(seed=20261122)):
            begin = time.perf_counter()
            wrapper = parse_wrapper(text, Origin("mutant.py"))
            slowest = max(slowest, time.perf_counter() - begin)
            check(text, wrapper)
            if number % 20 == 0:
                read_metadata(text)
    # Not a measurement: a hang of the parser, were it to come, would be seconds.
    assert slowest < 5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*TOKENS, "buf0", "x", "4096", " "]), max_size=60).map("".join))
def test_any_sequence_of_its_own_tokens(text: str) -> None:
    check(text, parse_wrapper(text, Origin("x.py")))


LONG = {
    "openings in one line": "x = async_compile.triton(" * 100_000,
    "openings in lines": "x = async_compile.triton('x', '''\n" * 100_000,
    "many small kernels": "x = async_compile.triton('x', '''a''')\n" * 100_000,
    "definitions that never close": "m = async_compile.multi_kernel('m', [\n" * 100_000,
    "definitions in one line": "m = async_compile.multi_kernel('m', [" * 100_000,
    "a nested call": "m = async_compile.multi_kernel('m', [x])\nm.run(" + "reinterpret_tensor(" * 100_000,
    "a chain of names": "m = async_compile.multi_kernel('m', [x])\n"
    + "".join(f"b{n + 1} = b{n}\n" for n in range(50_000))
    + "m.run(b50000)\n" * 200,
    "one name set often": "m = async_compile.multi_kernel('m', [x])\n" + "b = b\n" * 50_000 + "m.run(b)\n" * 200,
    "a long line": "m = async_compile.multi_kernel('m', [x])\nm.run(" + "a, " * 500_000 + ")",
    "one line of digits": "m = async_compile.multi_kernel('m', [x])\nx = " + "9" * 400_000 + "\nm.run(x)",
    "a name of other functions": "m = async_compile.multi_kernel('m', [x])\n"
    + "b = c\n" * 40_000
    + "def f(args):\n"
    + "m.run(b)\n" * 20_000,
    "quotes": "x = async_compile.triton('x', '''" + "\\'''" * 300_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_megabytes_made_to_be_slow_are_read_in_time(text: str) -> None:
    begin = time.perf_counter()
    check(text, parse_wrapper(text, Origin("x.py")))

    # Linear reading takes a fraction of a second, quadratic reading minutes.
    assert time.perf_counter() - begin < 20

"""Where pick files are: equal to what torch itself says, and unknown with a reason wherever that could be wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.model import Evidence
from mkexplorer.catalog.places import sample_path
from mkexplorer.picks.interpreter import (
    Identity,
    Interpreter,
    InterpreterClosed,
    InterpreterError,
    KernelFile,
    PickParts,
    UnusableInterpreter,
)
from mkexplorer.picks.places import Progress, find_places
from tests.conftest import DATA
from tests.make_places import log_of
from tests.pick_places import TORCH_2_4, fill_cache, never_run
from tests.stub_interpreter import H100, NEWEST, Stub, by_id, paths, reasons


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return never_run(tmp_path / "few")


class TestAgainstTorch:
    @pytest.fixture(scope="class")
    def interpreter(self) -> Iterator[Interpreter]:
        with Interpreter() as running:
            yield running

    def test_every_place_is_where_torch_keeps_it(
        self, fresh_wrappers: Path, tmp_path: Path, interpreter: Interpreter
    ) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.real_pick_places", str(fresh_wrappers)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        truth = json.loads(done.stdout)
        catalog = open_catalog(fill_cache(tmp_path / "cache", fresh_wrappers))
        keys = {code_hash(path.read_text()): path.name for path in fresh_wrappers.glob("*.py")}

        found = paths(catalog, interpreter)

        assert len(found) >= len(keys) >= 6
        for wrapper in catalog.wrappers:
            assert [found[each.id] for each in wrapper.multi_kernels] == truth[keys[wrapper.key]]

    def test_the_cache_is_left_as_it_was(self, few: Path, interpreter: Interpreter) -> None:
        before = {path: path.stat().st_mtime_ns for path in few.rglob("*")}
        list(find_places(open_catalog(few), interpreter))
        assert {path: path.stat().st_mtime_ns for path in few.rglob("*")} == before


class TestWithoutAnInterpreter:
    NOBODY = "/nowhere/python"

    def test_a_bundle_tells_what_it_recorded(self, sample: Catalog) -> None:
        with zipfile.ZipFile(sample_path()) as bundle:
            record = json.loads(bundle.read("record.json"))["multi_kernels"]
        expected = {
            sample.find(f"{Path(each['wrapper']).stem}/{each['name']}").id: each["pick_path"] for each in record
        }

        found = paths(sample, Interpreter(self.NOBODY))

        assert len(found) == 41
        assert all(path and expected[identity].endswith(f"/{path}") for identity, path in found.items())

    def test_a_bundle_s_code_is_never_run(self, sample: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Catalog, "evidence", lambda *_: None)
        (reason,) = reasons(sample, Interpreter(self.NOBODY))
        assert "if you trust the code, unpack the bundle" in reason

    @pytest.mark.parametrize(
        "path", ["../b.picked_kernel", "/a/b.picked_kernel", "aa/../c.picked_kernel", "aa/b.py", "aa/b.picked_kernel\n"]
    )
    def test_a_bundle_that_lies_is_not_believed(
        self, sample: Catalog, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        evidence = Evidence("x", None, None, None, 0, path, ())
        monkeypatch.setattr(Catalog, "evidence", lambda *_: evidence)
        assert len(reasons(sample, Interpreter(self.NOBODY))) == 1

    def test_a_log_holds_no_picks(self, tmp_path: Path) -> None:
        log = tmp_path / "log.txt"
        log.write_text(log_of((DATA / "wrappers" / "torch-2.13.0" / "softmax.py").read_text()))
        (reason,) = reasons(open_catalog(log), Interpreter(self.NOBODY))
        assert reason == "a TORCH_LOGS text holds no picks; open the cache directory in which they are"

    def test_a_loose_wrapper_holds_no_picks(self) -> None:
        catalog = open_catalog(DATA / "wrappers" / "torch-2.13.0" / "softmax.py")
        (reason,) = reasons(catalog, Interpreter(self.NOBODY))
        assert "open the cache directory" in reason

    def test_torch_2_4_keeps_picks_beside_the_run_module(self, tmp_path: Path) -> None:
        catalog = open_catalog(fill_cache(tmp_path, DATA / "wrappers" / "torch-2.4.1"))
        assert sorted(filter(None, paths(catalog, Interpreter(self.NOBODY)).values())) == TORCH_2_4

    def test_templates_have_no_file(self, tmp_path: Path) -> None:
        text = (DATA / "wrappers" / "torch-2.9.1" / "softmax.py").read_text()
        wrappers = tmp_path / "wrappers"
        wrappers.mkdir()
        for decorator in ("@triton_heuristics.reduction(", "@triton_heuristics.persistent_reduction("):
            text = text.replace(decorator, "@triton_heuristics.template(")
        (wrappers / "x.py").write_text(text)
        (reason,) = reasons(open_catalog(fill_cache(tmp_path / "cache", wrappers)), Interpreter(self.NOBODY))
        assert reason.startswith("a multi-kernel of templates has no pick file")


class TestWhatIsLoaded:
    def test_is_the_source_with_the_line_breaks_around_it(self, few: Path) -> None:
        stub = Stub(NEWEST)
        list(find_places(open_catalog(few), stub))
        kernels = [kernel for kernels in stub.asked for kernel in kernels]
        assert all(kernel.text.startswith("\nimport triton\n") for kernel in kernels)
        assert all(kernel.text.endswith("\n") and not kernel.text.endswith("\n\n\n") for kernel in kernels)
        assert all(code_hash(kernel.text) == kernel.key for kernel in kernels)

    def test_is_the_kernel_s_own_file_if_somebody_edited_it(self, few: Path) -> None:
        """torch never writes over a kernel's file, so what stands there is what it loads."""
        before = Stub(NEWEST)
        list(find_places(open_catalog(few), before))
        kernel = before.asked[0][0]
        own = few / kernel.key[1:3] / f"{kernel.key}.py"
        own.parent.mkdir(exist_ok=True)
        own.write_text(kernel.text + "# edited\n")

        after = Stub(NEWEST)
        list(find_places(open_catalog(few), after))

        assert after.asked[0][0] == replace(kernel, text=kernel.text + "# edited\n")

    def test_has_its_escapes_resolved(self, few: Path) -> None:
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("import triton\n", "import triton # \\'\\\\\n"))
        stub = Stub(NEWEST)
        list(find_places(open_catalog(few), stub))
        assert any("import triton # '\\\n" in kernel.text for kernels in stub.asked for kernel in kernels)

    def test_is_named_as_its_source_names_it(self, tmp_path: Path) -> None:
        """Up to torch 2.5 every function is called ``triton_``, whatever the wrapper calls the kernel."""
        cache = fill_cache(tmp_path / "old", DATA / "wrappers" / "torch-2.5.1")
        for wrapper in cache.rglob("*.py"):
            wrapper.write_text(re.sub(r"^def triton_\w+\(", "def triton_(", wrapper.read_text(), flags=re.MULTILINE))
        stub = Stub(replace(H100, torch="2.5.1"))
        list(find_places(open_catalog(cache), stub))
        assert {kernels[0].name for kernels in stub.asked} == {"triton_"}


class TestFailures:
    def test_of_one_multi_kernel_leave_the_others(self, few: Path) -> None:
        catalog = open_catalog(few)
        poison = catalog.multi_kernels[1].sub_kernels[0].name

        class Picky(Stub):
            def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
                if poison in kernels[0].text and "rsqrt" in kernels[0].text:
                    raise InterpreterError("ImportError: nothing")
                return super().pick_parts(kernels)

        found = by_id(find_places(catalog, Picky(NEWEST)))
        failed = [place for place in found.values() if place.path is None]
        assert 0 < len(failed) < 4
        assert {place.reason for place in failed} == {"ImportError: nothing"}

    def test_of_the_interpreter_are_everybody_s_reason(self, few: Path) -> None:
        class Broken(Stub):
            def hello(self) -> Identity:
                self.started += 1
                raise UnusableInterpreter("it cannot be started", "run with --python")

        broken = Broken(NEWEST)
        assert reasons(open_catalog(few), broken) == {"it cannot be started; run with --python"}
        assert broken.started == 1

    def test_lacking_torch_is_everybody_s_reason(self, few: Path) -> None:
        (reason,) = reasons(open_catalog(few), Stub(replace(H100, torch=None, missing="/x/python has no torch: …")))
        assert reason == "/x/python has no torch: …; run with --python and the Python that compiled"

    def test_a_rule_that_torch_changed_is_not_guessed(self, few: Path) -> None:
        class Newer(Stub):
            def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
                return replace(super().pick_parts(kernels), path="aa/elsewhere.picked_kernel")

        (reason,) = reasons(open_catalog(few), Newer(replace(NEWEST, torch="2.19.0")))
        assert reason.startswith("torch 2.19.0 keeps picks by a rule that this mkexplorer does not know")

    def test_a_wrapper_that_vanished_has_no_place(self, few: Path) -> None:
        catalog = open_catalog(few)
        (few / catalog.wrappers[0].origin.path).unlink()
        found = by_id(find_places(catalog, Stub(NEWEST)))
        assert [place.path is None for place in found.values()].count(True) == 1

    def test_a_wrapper_that_lacks_a_kernel_has_no_place(self, few: Path) -> None:
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("\ntriton_per_", "\nother_per_", 1))
        found = by_id(find_places(open_catalog(few), Stub(NEWEST)))
        (failed,) = (place for place in found.values() if place.path is None)
        assert failed.reason.startswith("its wrapper does not define triton_per_")

    def test_closing_the_interpreter_ends_the_search(self, few: Path) -> None:
        class Closing(Stub):
            def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
                raise InterpreterClosed("closed")

        with pytest.raises(InterpreterClosed):
            list(find_places(open_catalog(few), Closing(NEWEST)))


def test_progress_counts_every_multi_kernel_once(few: Path) -> None:
    fill_cache(few, DATA / "wrappers" / "torch-2.4.1")
    told: list[Progress] = []
    list(find_places(open_catalog(few), Stub(NEWEST), on_progress=told.append))
    assert [progress.done for progress in told] == [1, 2, 3, 4, 4, 5, 6, 7, 8]
    assert {progress.total for progress in told} == {8}
    assert told[4].doing == "starting /stub/python"


def test_a_moved_cache_has_the_same_places(few: Path, tmp_path: Path) -> None:
    before = paths(open_catalog(few), Stub(NEWEST))
    shutil.move(few, tmp_path / "moved")
    assert paths(open_catalog(tmp_path / "moved"), Stub(NEWEST)) == before

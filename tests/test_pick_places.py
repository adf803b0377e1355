"""Where pick files are: equal to what torch itself says, and unknown with a reason wherever that could be wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
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
    Part,
    PickParts,
    UnusableInterpreter,
)
from mkexplorer.picks.places import PickPlace, Progress, find_places
from mkexplorer.picks.rules import Rule, pick_path

from .conftest import DATA
from .make_places import log_of, unpack_sample

H100 = Identity(
    python="3.12.3",
    executable="/h100/python",
    torch="2.11.0+cu130",
    triton="3.6.0",
    missing="",
    torch_key="aa",
    gpus=(),
    driver=None,
    files=(),
)


class Stub(Interpreter):
    """Answers without a process: by default with keys that depend on the kernels' texts."""

    def __init__(self, identity: Identity = H100, part: Callable[[KernelFile], Part] | None = None) -> None:
        super().__init__("/stub/python")
        self.who = identity
        self.part = part or (lambda kernel: part_of(kernel))
        self.asked: list[tuple[KernelFile, ...]] = []
        self.started = 0

    def hello(self) -> Identity:
        self.started += 1
        return self.who

    def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
        self.asked.append(tuple(kernels))
        parts = tuple(self.part(kernel) for kernel in kernels)
        return PickParts(parts, pick_path(Rule.KEYS_AND_META, parts))


def part_of(kernel: KernelFile, backend: str | None = None, best_config: str | None = None) -> Part:
    return Part(code_hash(kernel.text), "{}", "{}", "WRITTEN" if backend else None, backend, best_config)


def unlike(kernel: KernelFile) -> Part:
    """What an interpreter answers whose triton is another one than the kernel's."""
    return part_of(kernel, backend="OTHER")


def cache_of(folder: Path, wrappers: Path) -> Path:
    """A cache directory with these wrappers, under the names that torch gives them."""
    for path in sorted(wrappers.glob("*.py")):
        text = path.read_text()
        key = code_hash(text)
        (folder / key[1:3]).mkdir(parents=True, exist_ok=True)
        (folder / key[1:3] / f"{key}.py").write_text(text)
    return folder


def by_id(places: Iterator[PickPlace]) -> dict[str, PickPlace]:
    return {place.multi_kernel_id: place for place in places}


def paths(catalog: Catalog, interpreter: Interpreter) -> dict[str, str | None]:
    return {place.multi_kernel_id: place.path for place in find_places(catalog, interpreter)}


def reasons(catalog: Catalog, interpreter: Interpreter) -> set[str]:
    """Of places that must all be unknown."""
    places = list(find_places(catalog, interpreter))
    assert len(places) == len(catalog.multi_kernels)
    assert all(place.path is None for place in places)
    return {place.reason for place in places}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The cache of an H100, its picks included."""
    return unpack_sample(tmp_path / "recorded")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four multi-kernels of torch 2.13, never run."""
    return cache_of(tmp_path / "few", DATA / "wrappers" / "torch-2.13.0")


NEWEST = replace(H100, torch="2.13.0", triton="3.9.0")


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
        catalog = open_catalog(cache_of(tmp_path / "cache", fresh_wrappers))
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
        """These paths are what torch 2.4.1 itself said of these wrappers."""
        catalog = open_catalog(cache_of(tmp_path, DATA / "wrappers" / "torch-2.4.1"))
        assert sorted(filter(None, paths(catalog, Interpreter(self.NOBODY)).values())) == TORCH_2_4

    def test_templates_have_no_file(self, tmp_path: Path) -> None:
        text = (DATA / "wrappers" / "torch-2.9.1" / "softmax.py").read_text()
        wrappers = tmp_path / "wrappers"
        wrappers.mkdir()
        for decorator in ("@triton_heuristics.reduction(", "@triton_heuristics.persistent_reduction("):
            text = text.replace(decorator, "@triton_heuristics.template(")
        (wrappers / "x.py").write_text(text)
        (reason,) = reasons(open_catalog(cache_of(tmp_path / "cache", wrappers)), Interpreter(self.NOBODY))
        assert reason.startswith("a multi-kernel of templates has no pick file")


TORCH_2_4 = [
    "3u/c3u7rqc2q2wa3q2ht452yzrk22ocbfenxhuqmpspaeymljfsgsih.picked_kernel",
    "eq/ceqi53n45jb6t3mlghuztgp6za5d2gysiez2mtjpjiecbqygeyme.picked_kernel",
    "hs/chshbtqggn7532del6koiptscix4avf62zynmxkgcwonl422bdcr.picked_kernel",
    "vo/cvoiskkmo5gxe3xomaicgf3irmajfencsptl6uiczgc2xpsm2zax.picked_kernel",
]


class TestWhoWroteTheCache:
    def test_another_torch_by_the_form_of_its_wrappers(self, recorded: Path) -> None:
        """Nothing is run, not even where that torch would compute the same key."""
        stub = Stub(NEWEST)
        (reason,) = reasons(open_catalog(recorded), stub)
        assert stub.asked == []
        assert reason == (
            "this cache was written with torch 2.10 or 2.11 and triton 3.6.0, but /h100/python has torch 2.13.0 "
            "and triton 3.9.0; run with --python and the Python that wrote it"
        )

    def test_another_triton_by_what_it_compiled(self, recorded: Path) -> None:
        (reason,) = reasons(open_catalog(recorded), Stub(replace(H100, triton="3.7.0"), unlike))
        assert reason.startswith(
            "this cache was written with triton 3.6.0, but /h100/python has torch 2.11.0+cu130 and"
        )

    def test_another_triton_though_it_compiled_nothing(self, few: Path) -> None:
        (reason,) = reasons(open_catalog(few), Stub(NEWEST, unlike))
        assert reason.startswith("this cache was written with another build of triton, but")

    def test_another_triton_though_the_kernels_do_not_name_theirs(self, recorded: Path) -> None:
        """As where the code generator could not ask the driver."""
        (reason,) = reasons(open_catalog(recorded), Stub(replace(H100, triton="3.7.0")))
        assert reason.startswith("this cache was written with triton 3.6.0, but")

    def test_another_python_of_the_same_versions_is_no_objection(self, recorded: Path) -> None:
        """Triton's hash of itself covers its binaries, which differ between Pythons; keys do not depend on them."""
        catalog = open_catalog(recorded)
        pick = paths_computed(catalog, unlike)[catalog.multi_kernels[0].id]
        place_pick(recorded, pick)
        assert by_id(find_places(catalog, Stub(H100, unlike)))[catalog.multi_kernels[0].id].path == pick

    def test_another_torch_by_where_it_kept_tuning_results(self, recorded: Path) -> None:
        """Where there are such results for a multi-kernel, and none under this torch's name for them."""
        for path in recorded.rglob("*.picked_kernel"):
            path.unlink()
        found = by_id(find_places(open_catalog(recorded), Stub()))
        unknown = [place for place in found.values() if place.path is None]
        assert 0 < len(unknown) < 41
        assert all("written with another build of torch" in place.reason for place in unknown)

    def test_this_torch_by_where_it_kept_tuning_results(self, recorded: Path) -> None:
        for path in recorded.rglob("*.picked_kernel"):
            path.unlink()
        tuned = next(recorded.rglob("*.best_config"))

        def part(kernel: KernelFile) -> Part:
            return part_of(kernel, best_config=tuned.name if kernel.key[1:3] == tuned.parent.name else None)

        place_pick(recorded, "aa/caaaa.picked_kernel")
        found = by_id(find_places(open_catalog(recorded), Stub(H100, part)))
        # Proven for one multi-kernel, so those without any evidence are this torch's too.
        assert sum(place.path is not None for place in found.values()) > 1

    def test_nobody_known_where_all_picks_lie_elsewhere(self, few: Path) -> None:
        place_pick(few, "aa/caaaa.picked_kernel")
        (reason,) = reasons(open_catalog(few), Stub(NEWEST))
        assert "another torch or triton: none of its 1 picks is where these keep it" in reason

    def test_one_pick_where_it_is_computed_proves_the_rest(self, few: Path) -> None:
        catalog = open_catalog(few)
        expected = paths_computed(catalog)
        place_pick(few, "aa/caaaa.picked_kernel")
        place_pick(few, expected[catalog.multi_kernels[2].id])
        assert paths(catalog, Stub(NEWEST)) == expected

    def test_anything_in_the_place_of_a_pick_proves_it(self, few: Path) -> None:
        catalog = open_catalog(few)
        expected = paths_computed(catalog)
        place_pick(few, "aa/caaaa.picked_kernel")
        (few / str(expected[catalog.multi_kernels[0].id])).mkdir(parents=True)
        assert paths(catalog, Stub(NEWEST)) == expected

    def test_a_cache_without_picks_is_anybody_s(self, few: Path) -> None:
        catalog = open_catalog(few)
        assert paths(catalog, Stub(NEWEST)) == paths_computed(catalog)

    def test_picks_of_torch_2_4_say_nothing_about_the_others(self, few: Path) -> None:
        cache_of(few, DATA / "wrappers" / "torch-2.4.1")
        place_pick(few, TORCH_2_4[0])
        assert all(paths(open_catalog(few), Stub(NEWEST)).values())


def paths_computed(catalog: Catalog, part: Callable[[KernelFile], Part] | None = None) -> dict[str, str | None]:
    """What `Stub` computes, whoever wrote the cache."""
    stub = Stub(part=part)
    list(find_places(catalog, Stub(replace(H100, torch=None, missing="no torch"))))
    from mkexplorer.catalog.kernel_files import KernelFiles

    kernels = KernelFiles(catalog)
    return {each.id: stub.pick_parts(kernels.of(each)).path for each in catalog.multi_kernels}


def place_pick(cache: Path, path: str | None) -> None:
    assert path
    (cache / path).parent.mkdir(exist_ok=True)
    (cache / path).write_text("0")


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
        cache = cache_of(tmp_path / "old", DATA / "wrappers" / "torch-2.5.1")
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
    cache_of(few, DATA / "wrappers" / "torch-2.4.1")
    told: list[Progress] = []
    list(find_places(open_catalog(few), Stub(NEWEST), on_progress=told.append))
    assert [progress.done for progress in told] == [1, 2, 3, 4, 4, 5, 6, 7, 8]
    assert {progress.total for progress in told} == {8}
    assert told[4].doing == "starting /stub/python"


class TestMemory:
    @pytest.fixture
    def torch_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "torch.py"
        path.write_text("")
        return path

    def identity(self, file: Path, torch_key: str = "aa") -> Identity:
        found = file.stat()
        return replace(NEWEST, torch_key=torch_key, files=((str(file), found.st_size, found.st_mtime_ns),))

    def test_spares_the_interpreter(self, few: Path, torch_file: Path) -> None:
        catalog = open_catalog(few)
        first = paths(catalog, Stub(self.identity(torch_file)))
        again = Stub(self.identity(torch_file))
        assert paths(catalog, again) == first
        assert again.started == 0

    def test_computes_only_what_is_new(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("import triton\n", "import triton # new\n"))
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 1

    def test_survives_a_reinstallation_of_the_same_torch(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        os.utime(torch_file, ns=(1, 1))
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert (again.started, again.asked) == (1, [])

    def test_is_dropped_with_another_torch(self, few: Path, torch_file: Path) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        os.utime(torch_file, ns=(1, 1))
        again = Stub(self.identity(torch_file, torch_key="bb"))
        paths(open_catalog(few), again)
        assert len(again.asked) == 4

    def test_that_is_proven_wrong_stops_the_search(self, few: Path, torch_file: Path) -> None:
        """The files are the same, and yet the interpreter is another one by now: what it says is not mixed."""
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        wrapper = next(few.rglob("c*.py"))
        wrapper.write_text(wrapper.read_text().replace("import triton\n", "import triton # new\n"))
        other = self.identity(torch_file, torch_key="bb")

        found = by_id(find_places(open_catalog(few), Stub(other)))
        assert any("now finds another torch or triton than before" in place.reason for place in found.values())
        again = Stub(other)
        assert all(paths(open_catalog(few), again).values())
        assert len(again.asked) == 4

    def test_that_is_damaged_counts_as_none(self, few: Path, torch_file: Path) -> None:
        first = paths(open_catalog(few), Stub(self.identity(torch_file)))
        (memory,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("interpreter-*.json")
        for damage in (b"", b"{", b"[]", b'{"version": 1}', memory.read_bytes()[:-40]):
            memory.write_bytes(damage)
            assert paths(open_catalog(few), Stub(self.identity(torch_file))) == first

    def test_that_cannot_be_written_costs_only_time(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert all(paths(open_catalog(few), Stub(NEWEST)).values())

    def test_of_one_environment_is_not_another_s(
        self, few: Path, torch_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths(open_catalog(few), Stub(self.identity(torch_file)))
        monkeypatch.setenv("PYTHONPATH", "/another/torch")
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 4

    def test_is_kept_when_the_search_is_broken_off(self, few: Path, torch_file: Path) -> None:
        place_pick(few, paths_computed(open_catalog(few))[open_catalog(few).multi_kernels[0].id])
        search = find_places(open_catalog(few), Stub(self.identity(torch_file)))
        next(search)
        search.close()  # type: ignore[attr-defined]  # it is a generator
        again = Stub(self.identity(torch_file))
        paths(open_catalog(few), again)
        assert len(again.asked) == 3


def test_a_moved_cache_has_the_same_places(few: Path, tmp_path: Path) -> None:
    before = paths(open_catalog(few), Stub(NEWEST))
    shutil.move(few, tmp_path / "moved")
    assert paths(open_catalog(tmp_path / "moved"), Stub(NEWEST)) == before

"""The doctor: what it looks at, what it calls a problem, and what it says to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks import measurements
from mkexplorer.picks.interpreter import Identity
from mkexplorer.picks.model import Who
from mkexplorer.picks.writing import LEFTOVER, Occasion
from mkexplorer.report.checkup import Owner, Patient, examine
from mkexplorer.report.findings import Finding, Level, worst
from mkexplorer.report.upstream import upstream_findings
from tests.command_line import Run
from tests.fake_bencher import bench_result
from tests.pick_places import PlayedCache, default_cache, played_python

HEALTHY = Identity(
    python="3.12.3",
    executable="/some/python",
    torch="2.8.0",
    triton="3.4.0",
    missing="",
    torch_key="aa",
    gpus=("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3"),
    driver="570.1",
    files=(),
)
SOMEBODY = Patient(HEALTHY, None, None, MkexplorerError("/x: no such file", "Name another one."), None, {})
MINE = Owner("me", is_me=True, is_writable=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    return default_cache(tmp_path, monkeypatch)


def section(patient: Patient, title: str) -> tuple[Finding, ...]:
    return next((each.findings for each in examine(patient) if each.title == title), ())


def said(patient: Patient, title: str) -> dict[str, Level]:
    return {finding.what: finding.level for finding in section(patient, title)}


class TestInterpreter:
    def test_versions_and_gpus(self) -> None:
        assert said(SOMEBODY, "Interpreter") == {
            "Python 3.12.3: /some/python": Level.OK,
            "torch 2.8.0": Level.OK,
            "triton 3.4.0": Level.OK,
            "GPU 2 × NVIDIA H100 80GB HBM3, driver 570.1": Level.OK,
        }

    @pytest.mark.parametrize(
        ("torch", "level"),
        [("2.2.1", Level.PROBLEM), ("2.3.0", Level.OK), ("2.13.1+cu130", Level.OK), ("2.14.0", Level.WARNING)],
    )
    def test_releases(self, torch: str, level: Level) -> None:
        assert section(replace(SOMEBODY, identity=replace(HEALTHY, torch=torch)), "Interpreter")[1].level is level

    def test_without_torch(self) -> None:
        identity = replace(HEALTHY, torch=None, triton=None, missing="/some/python has no torch: gone")
        patient = replace(SOMEBODY, identity=identity)
        assert said(patient, "Interpreter")["/some/python has no torch: gone"] is Level.PROBLEM
        assert worst(each.level for each in section(patient, "Faults of torch")) is Level.WARNING

    def test_none_at_all(self) -> None:
        error = MkexplorerError("/x cannot be started", "run with --python and the Python that has your torch")
        (finding,) = section(replace(SOMEBODY, identity=None, interpreter_error=error), "Interpreter")
        assert finding == Finding(
            Level.PROBLEM, "/x cannot be started", "Run with --python and the Python that has your torch."
        )

    def test_without_a_gpu_nothing_is_wrong(self) -> None:
        patient = replace(SOMEBODY, identity=replace(HEALTHY, gpus=(), driver=None))
        assert section(patient, "Interpreter")[-1].level is Level.OK


class TestCache:
    def test_one_that_is_not_there_is_only_a_warning(self) -> None:
        assert section(SOMEBODY, "Cache") == (Finding(Level.WARNING, "/x: no such file", "Name another one."),)

    @pytest.mark.parametrize(
        ("owner", "words"),
        [
            (MINE, None),
            (replace(MINE, is_writable=False), "it cannot be written"),
            (Owner("bob", is_me=False, is_writable=True), "it belongs to bob"),
        ],
    )
    def test_whose_it_is(self, cache: PlayedCache, owner: Owner, words: str | None) -> None:
        found = section(replace(SOMEBODY, book=cache.book(), owner=owner), "Cache")
        assert found[0].what == f"{cache.root} (cache directory): 4 multi-kernels in 4 wrappers"
        warnings = [each.what for each in found if each.level is Level.WARNING]
        assert len(warnings) == (words is not None)
        assert all(what.startswith(words or "") for what in warnings)

    def test_who_wrote_it(self, cache: PlayedCache) -> None:
        assert (
            said(replace(SOMEBODY, book=cache.book(), owner=MINE), "Cache")["written by torch 2.3 or 2.4"] is Level.OK
        )

    def test_files_that_could_not_be_used(self, cache: PlayedCache) -> None:
        wrapper = sorted(cache.root.rglob("*.py"))[0]
        wrapper.write_text(wrapper.read_text().replace(" = async_compile.triton(", " = gone("))
        (finding,) = [each for each in section(replace(SOMEBODY, book=cache.book()), "Cache") if each.details]
        assert finding.level is Level.WARNING


class TestPicks:
    def test_all_kinds_of_trouble_each_with_its_fix(self, cache: PlayedCache) -> None:
        cache.write_pick(0, b"")
        path = cache.write_pick(1, b"1")
        path.with_name(f".{path.name}{LEFTOVER}").write_bytes(b"0")
        (cache.root / "ab").mkdir()
        (cache.root / "ab" / "cab.picked_kernel").write_bytes(b"0")
        found = section(replace(SOMEBODY, book=cache.book()), "Picks")
        assert [(each.level, each.what.partition(":")[0], each.fix) for each in found] == [
            (Level.OK, "1 picked, 2 none, 1 invalid", ""),
            (Level.PROBLEM, "1 invalid pick", "mkexplorer clear --invalid"),
            (Level.OK, "1 pick that nobody measured", ""),
            (Level.WARNING, "1 temporary file of a mkexplorer that was killed", "mkexplorer clear --leftovers"),
            (Level.WARNING, "1 pick file belongs to no multi-kernel of this cache", "mkexplorer clear --orphans"),
        ]
        assert "The file is empty" in found[1].details[0]

    def test_what_picks_are_known_to_cost(self, cache: PlayedCache) -> None:
        cache.write_pick(0, b"0")
        book = cache.book()
        multi_kernel = book.catalog.multi_kernels[0]
        result = bench_result(multi_kernel.id, 31.1, 22.6)
        measurements.store(book.catalog, book.of(multi_kernel), result, Occasion(Who.PERSON))
        found = section(replace(SOMEBODY, book=book.reread()), "Picks")
        assert found[1] == Finding(
            Level.WARNING,
            "1 pick surely slower than another sub-kernel: loses 8.50 µs per run",
            "mkexplorer audit --recorded --apply",
        )

    def test_a_fix_names_another_place(self, tmp_path: Path) -> None:
        cache = PlayedCache(tmp_path / "a cache", "2.4.1")
        cache.write_pick(0, b"")
        found = section(replace(SOMEBODY, book=cache.book()), "Picks")
        assert found[1].fix == f"mkexplorer clear --invalid --place '{cache.root}'"

    def test_unknown_ones_are_a_warning_with_the_reason(self, tmp_path: Path) -> None:
        cache = PlayedCache(tmp_path, "2.13.0")
        found = section(replace(SOMEBODY, book=cache.book("/no/such/python")), "Picks")
        assert found[1].level is Level.WARNING
        assert found[1].what.startswith("4 picks are not known: /no/such/python cannot be started")


class TestEnvironment:
    def test_what_makes_programs_ignore_picks(self) -> None:
        patient = replace(SOMEBODY, environment={"TORCHINDUCTOR_MULTI_KERNEL": "2"})
        (finding,) = section(patient, "Environment")
        assert (finding.level, finding.fix) == (Level.WARNING, "unset TORCHINDUCTOR_MULTI_KERNEL")

    def test_nothing_set(self) -> None:
        assert [each.level for each in section(SOMEBODY, "Environment")] == [Level.OK]


LAUNCHER, CPP_WRAPPER, METRIC_TABLE = range(3)
AFFECTED = replace(HEALTHY, torch="2.12.0", triton="3.6.0")


class TestFaultsOfTorch:
    @pytest.mark.parametrize(
        ("torch", "triton", "level"),
        [
            ("2.8.0", "3.4.0", Level.OK),
            ("2.8.0", "3.5.0", Level.OK),
            ("2.9.0", "3.4.0", Level.OK),
            ("2.9.0", "3.5.0", Level.WARNING),
            ("2.13.0", "3.9.0", Level.WARNING),
        ],
    )
    def test_warm_graph_cache_by_version(self, torch: str, triton: str, level: Level) -> None:
        identity = replace(HEALTHY, torch=torch, triton=triton)
        assert list(upstream_findings(identity, {}, None))[LAUNCHER].level is level

    @pytest.mark.parametrize(
        "way",
        [
            {"TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0"},
            {"TORCHINDUCTOR_FX_GRAPH_CACHE": "0"},
            {"TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE": "1"},
            {"TORCHINDUCTOR_MULTI_KERNEL": "3"},
        ],
    )
    def test_warm_graph_cache_avoided(self, way: dict[str, str]) -> None:
        finding = list(upstream_findings(AFFECTED, way, None))[LAUNCHER]
        assert finding.level is Level.OK
        assert "=".join(*way.items()) in finding.what

    def test_a_warm_cache_with_multi_kernels_is_a_problem(self, cache: PlayedCache) -> None:
        assert list(upstream_findings(AFFECTED, {}, cache.catalog))[LAUNCHER].level is Level.WARNING
        (cache.root / "fxgraph" / "ab" / "fab").mkdir(parents=True)
        (cache.root / "fxgraph" / "ab" / "fab" / "entry").write_bytes(b"pickled")
        finding = list(upstream_findings(AFFECTED, {}, cache.catalog))[LAUNCHER]
        assert finding.level is Level.PROBLEM
        assert finding.fix.startswith("export TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER=0")

    @pytest.mark.parametrize(
        ("torch", "environment", "level"),
        [
            ("2.11.0", {"TORCHINDUCTOR_CPP_WRAPPER": "1", "TORCHINDUCTOR_MULTI_KERNEL": "1"}, Level.OK),
            ("2.12.0", {"TORCHINDUCTOR_CPP_WRAPPER": "1", "TORCHINDUCTOR_MULTI_KERNEL": "1"}, Level.PROBLEM),
            ("2.12.0", {"TORCHINDUCTOR_CPP_WRAPPER": "1"}, Level.WARNING),
            ("2.12.0", {"TORCHINDUCTOR_MULTI_KERNEL": "1"}, Level.OK),
        ],
    )
    def test_cpp_wrapper(self, torch: str, environment: dict[str, str], level: Level) -> None:
        identity = replace(AFFECTED, torch=torch)
        assert list(upstream_findings(identity, environment, None))[CPP_WRAPPER].level is level

    @pytest.mark.parametrize(
        ("torch", "tables", "level"),
        [
            ("2.6.0", "persistent_red_perf", Level.OK),
            ("2.7.0", "persistent_red_perf", Level.PROBLEM),
            ("2.13.0", "kernel_metadata, persistent_red_perf", Level.PROBLEM),
            ("2.13.0", "kernel_metadata", Level.OK),
        ],
    )
    def test_metric_table(self, torch: str, tables: str, level: Level) -> None:
        environment = {"TORCHINDUCTOR_ENABLED_METRIC_TABLES": tables}
        identity = replace(AFFECTED, torch=torch)
        assert list(upstream_findings(identity, environment, None))[METRIC_TABLE].level is level


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _avoid_upstream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TORCHINDUCTOR_MULTI_KERNEL", "TORCHINDUCTOR_CPP_WRAPPER", "TORCHINDUCTOR_ENABLED_METRIC_TABLES"):
            monkeypatch.delenv(name, raising=False)

    def test_all_is_well(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        done = run("doctor", "--python", played_python(tmp_path / "python", "2.4.1", "3.0.0"))
        assert (done.code, done.err) == (0, "")
        assert done.lines[0] == "Interpreter"
        assert "  ✓ ok: torch 2.4.1" in done.lines
        assert "  ✓ ok: 4 none" in done.lines
        assert done.lines[-1] == "all is well"

    def test_a_problem_ends_it_with_1(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"x\x1b[31m")
        done = run("doctor", "--python", played_python(tmp_path / "python", "2.4.1", "3.0.0"))
        assert done.code == 1
        assert "  ✗ problem: 1 invalid pick: programs that load it end" in done.lines
        assert "      fix: mkexplorer clear --invalid" in done.lines
        assert "\x1b" not in done.out
        assert done.lines[-1] == "1 problem"

    def test_json(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"")
        document = run("doctor", "--json", "--python", played_python(tmp_path / "python", "2.4.1", "3.0.0")).json
        assert (document["schema"], document["level"]) == ("mkexplorer.doctor/1", "problem")
        assert document["place"] == str(cache.root)
        picks = next(each for each in document["sections"] if each["title"] == "Picks")
        assert picks["level"] == "problem"
        assert picks["findings"][1]["fix"] == "mkexplorer clear --invalid"

    def test_without_a_place_the_rest_is_looked_at(self, run: Run, tmp_path: Path) -> None:
        done = run(
            "doctor", str(tmp_path / "nothing"), "--python", played_python(tmp_path / "python", "2.8.0", "3.4.0")
        )
        assert done.code == 0
        assert "  ✓ ok: torch 2.8.0" in done.lines
        assert f"  ⚠ warning: {tmp_path / 'nothing'}: no such file or directory" in done.lines

    def test_starting_nothing(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python", "2.13.0")
        assert "nothing is remembered of this Python" in run("doctor", "--no-python", "--python", python).out
        new = PlayedCache(tmp_path / "new", "2.13.0")
        new.book(python)
        assert "  ✓ ok: torch 2.13.0" in run("doctor", "--no-python", "--python", python).lines

"""What a path is found to be, and which files of it are looked into."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

import pytest

from mkexplorer.catalog import places
from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.model import PlaceKind
from mkexplorer.catalog.places import default_place, detect, open_store, sample_path, wrapper_candidates

from .make_places import fxgraph_entry, log_of, module, trace_record

KEY = "c" + "ab" + "z" * 49


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a wrapper, an FX entry, an ahead-of-time tuning file, and things that are none of these."""
    root = tmp_path / "torchinductor_me"
    for path, text in {
        f"ab/{KEY}.py": module(),
        f"ab/{'0' * 64}.best_config": "{}",
        "zz/deeper/no.py": module(),
        "tmp1234.py": module(),
        "notes.py": module(),
        "triton/0/HASH/triton_.py": module(),
        "locks/a.lock": "",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    entry = root / "fxgraph" / "ke" / "fkey" / "content"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(fxgraph_entry(module()))
    return root


def candidates(path: Path) -> list[str]:
    place = detect(path)
    return [file.path for file in wrapper_candidates(open_store(place), place)]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKEXPLORER_CACHE_DIR", raising=False)


def test_the_default_is_where_torch_is_told_to_keep_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "mine"))
    assert default_place() == tmp_path / "mine"


def test_the_default_is_first_of_all_where_multi_kernels_of_ones_own_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    monkeypatch.setenv("MKEXPLORER_CACHE_DIR", str(tmp_path / "own"))
    assert default_place() == tmp_path / "own"
    monkeypatch.setenv("MKEXPLORER_CACHE_DIR", "")
    assert default_place() == tmp_path / "torch"


def test_the_default_is_else_a_folder_of_the_user_in_the_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: "DOMAIN\\me")
    assert default_place() == Path(tempfile.gettempdir()) / "torchinductor_DOMAIN_me"


def test_the_default_of_a_user_without_a_name_has_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(getpass, "getuser", nameless)
    assert default_place().name == f"torchinductor_uid_{os.getuid()}"


def test_the_default_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_utils = pytest.importorskip("torch._inductor.runtime.runtime_utils")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    assert str(default_place()) == runtime_utils.default_cache_dir()


def test_a_cache_gives_wrappers_first_and_fx_entries_last(cache: Path) -> None:
    assert detect(cache).kind is PlaceKind.CACHE
    assert candidates(cache) == [f"ab/{KEY}.py", "tmp1234.py", "fxgraph/ke/fkey/content"]


def test_an_empty_folder_is_a_cache_in_which_nothing_was_compiled_yet(tmp_path: Path) -> None:
    assert detect(tmp_path).kind is PlaceKind.CACHE
    assert candidates(tmp_path) == []


def test_a_cache_of_only_fx_entries_is_one(tmp_path: Path) -> None:
    (tmp_path / "fxgraph").mkdir()
    assert detect(tmp_path).kind is PlaceKind.CACHE


def test_a_wrapper_alone(tmp_path: Path) -> None:
    (tmp_path / "output_code.py").write_text(module())
    assert detect(tmp_path / "output_code.py").kind is PlaceKind.WRAPPER
    assert candidates(tmp_path / "output_code.py") == ["output_code.py"]


def test_a_wrapper_in_a_cache_comes_with_the_files_of_the_cache(cache: Path) -> None:
    wrapper = cache / "ab" / f"{KEY}.py"
    assert candidates(wrapper) == [f"ab/{KEY}.py"]
    assert open_store(detect(wrapper)).exists("triton/0/HASH/triton_.py")


def test_a_wrapper_under_a_name_without_py(tmp_path: Path) -> None:
    (tmp_path / "pasted.txt").write_text("\n\n" + module())
    assert detect(tmp_path / "pasted.txt").kind is PlaceKind.WRAPPER


def test_a_cpp_wrapper_module_is_one_wrapper(tmp_path: Path) -> None:
    tuning = 'r"""\nCompile-time auto-tuning block: \nimport torch\n"""\n'
    (tmp_path / "wrapper.py").write_text(tuning + module())
    assert detect(tmp_path / "wrapper.py").kind is PlaceKind.WRAPPER


def test_a_debug_directory_by_name_from_above_or_from_inside(tmp_path: Path) -> None:
    run = tmp_path / "torch_compile_debug" / "run_2026_01_01_00_00_00_000000-pid_7"
    graph = run / "torchinductor" / "model__0_inference_0.0"
    graph.mkdir(parents=True)
    (graph / "output_code.py").write_text(module())
    (graph / "fx_graph_runnable.py").write_text(module())
    for path in (tmp_path / "torch_compile_debug", tmp_path, run, graph):
        assert detect(path).kind is PlaceKind.DEBUG
        (found,) = candidates(path)
        assert found.endswith("output_code.py")
    assert detect(tmp_path).path == str(tmp_path / "torch_compile_debug")


@pytest.mark.parametrize(
    "text",
    [
        "starting\n" * 1000 + log_of(module()),
        log_of(module(), front="[rank0]:"),
        "Output code: \n" + module(),
        module(0) + module(1),
    ],
)
def test_a_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.log").write_text(text)
    assert detect(tmp_path / "run.log").kind is PlaceKind.LOG
    assert candidates(tmp_path / "run.log") == ["run.log"]


@pytest.mark.parametrize("text", [log_of(module()), "Output code: \n" + module(), module(0) + module(1)])
def test_a_log_that_begins_with_much_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(places, "_HEAD", 1000)
    (tmp_path / "run.log").write_text("epoch 1\n" * 1000 + text)
    assert detect(tmp_path / "run.log").kind is PlaceKind.LOG


def test_a_coloured_paste(tmp_path: Path) -> None:
    lines = (module(0) + module(1)).splitlines()
    (tmp_path / "run.log").write_text("".join(f"\x1b[32m{line}\x1b[0m\n" for line in lines))
    assert detect(tmp_path / "run.log").kind is PlaceKind.LOG


def test_a_trace_log_or_a_folder_of_them(tmp_path: Path) -> None:
    name = "dedicated_log_torch_trace_rank_0_abc.log"
    (tmp_path / name).write_text(trace_record({"inductor_output_code": {}}, module()))
    (tmp_path / "other.log").write_text("")
    for path in (tmp_path, tmp_path / name):
        assert detect(path).kind is PlaceKind.TRACE
        assert candidates(path) == [name]


def test_a_bundle() -> None:
    assert detect(sample_path()).kind is PlaceKind.BUNDLE
    assert len(candidates(sample_path())) == 104


def test_a_bundle_is_known_by_its_content_too(tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(sample_path().read_bytes())
    assert detect(tmp_path / "renamed").kind is PlaceKind.BUNDLE


def test_a_link_to_a_wrapper_elsewhere_opens(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "wrapper.py").write_text(module())
    (tmp_path / "link.py").symlink_to("real/wrapper.py")
    assert candidates(tmp_path / "link.py") == ["wrapper.py"]


def test_what_is_missing_says_so_and_what_can_be_opened(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match=r"none: no such file or directory") as caught:
        detect(tmp_path / "none")
    assert "Inductor cache directory" in caught.value.advice


def test_a_missing_default_place_says_that_nothing_was_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "none"))
    with pytest.raises(PlaceError) as caught:
        detect(default_place())
    assert caught.value.advice.startswith("Compile something first")


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    for path in ("de/messages.txt", "src/main.py"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("hello")
    with pytest.raises(PlaceError, match="holds nothing that torch"):
        detect(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95", b"\xff\xfe\x00"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.txt").write_bytes(content)
    with pytest.raises(PlaceError, match="holds no code that torch"):
        detect(tmp_path / "some.txt")


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(PlaceError, match="neither a file nor a directory"):
        detect(tmp_path / "pipe.py")


def test_an_unreadable_path_is_refused() -> None:
    with pytest.raises(PlaceError):
        detect("a\0b")

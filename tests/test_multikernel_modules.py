"""Generated modules as files of a cache that is laid out as Inductor's."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from mkexplorer.catalog.definitions import code_hash
from mkexplorer.multikernel.codegen import Call, GeneratedModule, Tensor
from mkexplorer.multikernel.environment import config
from mkexplorer.multikernel.errors import MultiKernelError
from mkexplorer.multikernel.modules import (
    PICK_ENDING,
    cache_of,
    default_cache,
    key_of,
    load_module,
    load_source,
    path_of,
    write_module,
    write_source,
)
from mkexplorer.multikernel.sources import kernel_text, run_module_text

from .multikernel_kernels import softmax

TEXT = "\nVALUE = 3\n\n\ndef function():\n    return VALUE\n\n"


def test_a_text_stands_under_its_hash(tmp_path: Path) -> None:
    path = write_source(TEXT, tmp_path)
    key = code_hash(TEXT)
    assert path == tmp_path / key[1:3] / f"{key}.py" == path_of(key_of(TEXT), tmp_path)
    assert path.read_text() == TEXT.strip() + "\n"
    assert path_of(key, tmp_path, PICK_ENDING) == path.with_suffix(".picked_kernel")


def test_what_is_there_stays_even_edited_but_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = write_source(TEXT, tmp_path)
    inode = path.stat().st_ino
    assert write_source(TEXT, tmp_path).stat().st_ino == inode
    path.write_text("VALUE = 4\n")
    assert load_source(TEXT, tmp_path).VALUE == 4
    path.write_text("")
    assert write_source(TEXT, tmp_path).read_text() == TEXT.strip() + "\n"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_files_have_the_rights_that_the_user_gives_new_files(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        path = write_source(TEXT, tmp_path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    threads = [threading.Thread(target=write_source, args=(TEXT, tmp_path)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = path_of(key_of(TEXT), tmp_path).parent.iterdir()
    assert path.read_text() == TEXT.strip() + "\n"


def test_a_module_is_loaded_from_its_path(tmp_path: Path) -> None:
    module = load_source(TEXT, tmp_path)
    assert module.function() == 3
    assert module.__file__ == str(path_of(key_of(TEXT), tmp_path))
    assert load_module(module.__file__) is not module


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MultiKernelError, match=re.escape(str(file))):
        write_source(TEXT, file)
    with caplog.at_level(logging.WARNING, "mkexplorer.multikernel"):
        assert load_source(TEXT, file).function() == 3
    assert "cannot be written" in caplog.text


def test_a_missing_module_is_told(tmp_path: Path) -> None:
    with pytest.raises(MultiKernelError, match="no such file"):
        load_module(tmp_path / "c.py")


def test_a_generated_file_knows_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_of(write_source(TEXT, tmp_path)) == tmp_path
    monkeypatch.setenv("MKEXPLORER_CACHE_DIR", str(tmp_path / "own"))
    assert cache_of(tmp_path / "output_code.py") == default_cache() == tmp_path / "own"
    monkeypatch.setattr(config, "cache_dir", tmp_path / "other")
    assert default_cache() == tmp_path / "other"
    monkeypatch.setattr(config, "cache_dir", None)
    monkeypatch.delenv("MKEXPLORER_CACHE_DIR")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    assert default_cache() == tmp_path / "torch"


def test_a_module_is_written_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    multi_kernel = softmax()
    numbers = {"row_stride": 128, "n_rows": 8, "n_cols": 100}
    tensors = tuple(Tensor(name, "float32", (8, 128)) for name in ("x_ptr", "out_ptr"))
    wrapper = write_module(GeneratedModule((Call(multi_kernel, numbers),), tensors), tmp_path)
    texts = [*(kernel_text(each) for each in multi_kernel.sub_kernels), run_module_text(multi_kernel)]
    expected = {path_of(key_of(text), tmp_path) for text in texts} | {wrapper}
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == expected
    assert wrapper.stem == code_hash(wrapper.read_text())

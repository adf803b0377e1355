"""The worker itself, in the interpreter that runs the tests: what loaded code can and cannot do to it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import triton

import mkexplorer
from mkexplorer.client.worker_process import WorkerProcess
from mkexplorer.picks.interpreter import Interpreter, InterpreterError, KernelFile

from .conftest import DATA, parse_file

WORKER = Path(mkexplorer.__file__).with_name("worker")


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess(sys.executable)
    yield process
    process.end()


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as running:
        yield running


def kernel(text: str = "") -> KernelFile:
    """A kernel's file that begins with ``text``."""
    path = DATA / "wrappers" / "torch-2.13.0" / "softmax.py"
    sub_kernel = parse_file(path).multi_kernels[0].sub_kernels[0]
    lines = path.read_text().split("\n")[sub_kernel.source.first - 1 : sub_kernel.source.last]
    return KernelFile("c" + "a" * 51, sub_kernel.name, "\n".join([text, *lines, ""]))


class TestHello:
    def test_tells_the_versions(self, interpreter: Interpreter) -> None:
        identity = interpreter.hello()
        assert identity.torch == torch.__version__
        assert identity.triton == triton.__version__
        assert identity.executable == sys.executable
        assert identity.missing == ""
        assert len(bytes.fromhex(identity.torch_key or "")) == 32

    def test_names_the_files_that_keys_depend_on(self, interpreter: Interpreter) -> None:
        files = {path: (size, mtime_ns) for path, size, mtime_ns in interpreter.hello().files}
        for module in ("torch._inductor.runtime.triton_helpers", "triton.runtime.jit", "triton.language.standard"):
            path = sys.modules[module].__file__ if module in sys.modules else None
            path = path or str(Path(triton.__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py"))
            assert files[path] == (os.stat(path).st_size, os.stat(path).st_mtime_ns)

    def test_says_whether_there_is_a_gpu_if_asked(self, process: WorkerProcess) -> None:
        assert "cuda" not in process.ask({"job": "hello", "with_keys": False}, 120)["result"]
        found = process.ask({"job": "hello", "with_keys": False, "with_cuda": True}, 120)["result"]["cuda"]
        assert found is True if torch.cuda.is_available() else found is False

    def test_computes_no_key_where_none_is_wanted(self, process: WorkerProcess) -> None:
        """What stands in for a GPU's driver meanwhile would keep kernels from running on it."""
        assert process.ask({"job": "hello", "with_keys": False}, 120)["result"]["torch_key"] is None

    def test_needs_neither_mkexplorer_nor_torch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
        venv.create(tmp_path / "bare", with_pip=False)
        with Interpreter(str(tmp_path / "bare" / "bin" / "python")) as bare:
            assert "has no torch: ModuleNotFoundError" in bare.hello().missing


class TestLoadedCode:
    def test_may_print_and_read(self, interpreter: Interpreter) -> None:
        noisy = kernel("import os, sys\nprint('{}')\nos.write(1, b'{}')\nassert sys.stdin.read() == ''\n")
        assert len(interpreter.pick_parts([noisy]).parts) == 1

    def test_of_the_same_name_is_loaded_anew(self, interpreter: Interpreter) -> None:
        one, other = kernel(), kernel("\n\n")
        assert one.key == other.key
        first, second, third = (interpreter.pick_parts([each]).parts[0].cache_key for each in (one, other, one))
        assert first == third != second

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("(", "SyntaxError: '(' was never closed"),
        ],
    )
    def test_that_fails_gives_its_reason(self, interpreter: Interpreter, text: str, reason: str) -> None:
        with pytest.raises(InterpreterError) as caught:
            interpreter.pick_parts([kernel(text)])
        assert reason in caught.value.message
        assert interpreter.pick_parts([kernel()]).parts

    def test_that_lacks_its_function_says_so(self, interpreter: Interpreter) -> None:
        with pytest.raises(InterpreterError, match="defines no triton_"):
            interpreter.pick_parts([KernelFile("c1", "triton_", "x = 1")])

    def test_that_ends_the_process_costs_a_restart(self) -> None:
        with Interpreter() as interpreter:
            with pytest.raises(InterpreterError, match="ended with exit status 9: last words"):
                interpreter.pick_parts([kernel("import os, sys\nsys.stderr.write('last words\\n')\nos._exit(9)")])
            assert interpreter.pick_parts([kernel()]).parts


def test_ends_with_its_client_though_a_job_hangs(tmp_path: Path) -> None:
    """The client is killed, so nothing but the closed pipe tells the worker."""
    hanging = kernel("import time\ntime.sleep(1000)")
    script = f"""\
import sys
sys.path.insert(0, {str(WORKER.parents[1])!r})
from mkexplorer.picks.interpreter import *
interpreter = Interpreter()
interpreter.hello()
print(interpreter._process._process.pid, flush=True)
interpreter.pick_parts([KernelFile({hanging.key!r}, {hanging.name!r}, {hanging.text!r})])
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert client.stdout
    with client.stdout:
        worker = int(client.stdout.readline())
    time.sleep(0.5)
    client.kill()
    client.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted(WORKER.glob("*.py")), ids=lambda path: path.stem)
def test_is_written_for_python_3_8(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    assert "from __future__ import annotations" in path.read_text() or path.name == "__init__.py"
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any(name.startswith("mkexplorer") for name in imported)


def test_an_unknown_job_is_refused(process: WorkerProcess) -> None:
    answer = process.ask({"job": "dance"}, 60)
    assert json.dumps(answer["error"]["message"]) == "\"this worker knows no job 'dance'\""

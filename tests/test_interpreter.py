"""The client's side: an interpreter that is none, crashes, hangs or talks nonsense gives a reason and never a hang."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mkexplorer.picks.interpreter import (
    Interpreter,
    InterpreterClosed,
    InterpreterError,
    KernelFile,
    UnusableInterpreter,
)

from .fake_python import HELLO, fake_python, script

KERNEL = KernelFile("c1", "triton_", "text")
ONE_PART = """answer(result={"path": "aa/b.picked_kernel", "parts": [{
    "cache_key": "k", "size_hints": "{}", "triton_meta": "{}",
    "written_backend": None, "own_backend": None, "best_config": None}]})"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return tmp_path / "python"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers get their folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def failure(interpreter: Interpreter) -> UnusableInterpreter:
    with interpreter, pytest.raises(UnusableInterpreter) as caught:
        interpreter.hello()
    return caught.value


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestGoodInterpreter:
    def test_says_who_it_is(self, python: Path) -> None:
        with Interpreter(fake_python(python, hello={"gpus": ["H100"], "files": [["a", 1, 2]]})) as interpreter:
            identity = interpreter.hello()
        assert (identity.torch, identity.triton, identity.missing) == ("2.11.0", "3.6.0", "")
        assert identity.gpus == ("H100",)
        assert identity.files == (("a", 1, 2),)

    def test_lacking_torch_says_why(self, python: Path) -> None:
        lacking = {"torch": None, "torch_error": "ImportError: libcudart", "triton": None, "triton_error": "x"}
        with Interpreter(fake_python(python, hello=lacking)) as interpreter:
            assert interpreter.hello().missing == "/somewhere/python has no torch: ImportError: libcudart"

    def test_is_started_by_the_first_call_and_once(self, python: Path, tmp_path: Path) -> None:
        count = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')"
        interpreter = Interpreter(fake_python(python, start=count, job=ONE_PART))
        assert not (tmp_path / "starts").exists()
        with interpreter:
            interpreter.hello()
            interpreter.pick_parts([KERNEL])
            interpreter.pick_parts([KERNEL])
        assert (tmp_path / "starts").read_text() == "x"

    def test_may_greet_before_it_starts(self, python: Path) -> None:
        greeting = "print('Loading modules …'); print('{}'); print('{\"id\": \"x\"}')"
        with Interpreter(fake_python(python, start=greeting)) as interpreter:
            assert interpreter.hello().torch == "2.11.0"

    def test_may_write_much_to_standard_error(self, python: Path) -> None:
        with Interpreter(fake_python(python, start="sys.stderr.write('warning\\n' * 200_000)")) as interpreter:
            assert interpreter.hello().torch == "2.11.0"

    def test_is_found_on_the_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        fake_python(tmp_path / "my-python")
        with Interpreter("my-python") as interpreter:
            assert interpreter.hello().torch == "2.11.0"

    def test_refuses_a_job_with_a_reason_and_goes_on(self, python: Path) -> None:
        refuse = "answer(error={'message': 'ImportError: nothing', 'detail': ''})"
        with Interpreter(fake_python(python, job=refuse)) as interpreter:
            for _ in range(5):
                with pytest.raises(InterpreterError, match="ImportError: nothing") as caught:
                    interpreter.pick_parts([KERNEL])
                assert not caught.value.is_fatal


class TestBadInterpreter:
    def test_that_is_missing(self) -> None:
        error = failure(Interpreter("/nowhere/python"))
        assert error.message == "/nowhere/python cannot be started: No such file or directory"
        assert "--python" in error.advice

    def test_that_is_another_program(self, python: Path) -> None:
        error = failure(Interpreter(script(python, "#!/bin/sh\necho wrong usage >&2\nexit 7\n")))
        assert error.message == f"{python} ended with exit status 7: wrong usage"

    def test_that_closes_its_output_and_stays(self, python: Path) -> None:
        error = failure(Interpreter(script(python, "#!/bin/sh\nexec >&- 2>&-\nsleep 1000\n")))
        assert error.message == f"{python} does not answer as a Python would"

    def test_that_talks_without_end(self, python: Path) -> None:
        error = failure(Interpreter(script(python, "#!/bin/sh\nexec yes\n")))
        assert error.message == f"{python} does not answer as a Python would: y | y | y"

    def test_that_never_answers(self, python: Path) -> None:
        error = failure(Interpreter(script(python, "#!/bin/sh\nsleep 1000\n"), start_s=0.2))
        assert "gave no answer within 0.2 s" in error.message

    def test_that_dies_of_a_signal(self, python: Path) -> None:
        dying = fake_python(python, start="sys.stderr.write('bad torch\\n'); os.kill(os.getpid(), signal.SIGSEGV)")
        assert failure(Interpreter(dying)).message == f"{python} was ended by SIGSEGV: bad torch"

    def test_whose_worker_is_of_another_version(self, python: Path) -> None:
        assert "another version" in failure(Interpreter(fake_python(python, hello={"protocol": 1}))).message

    def test_gives_the_same_reason_again(self, python: Path) -> None:
        interpreter = Interpreter(script(python, "#!/bin/sh\nexit 7\n"))
        with interpreter:
            for _ in range(5):
                with pytest.raises(UnusableInterpreter, match="ended with exit status 7"):
                    interpreter.hello()

    def test_whose_worker_cannot_say_who_it_is_leaves_no_process(self, python: Path, temporary: Path) -> None:
        refuse = (
            "request = {'id': 1}; answer(error={'message': 'OSError: no such disk', 'detail': ''}); time.sleep(1000)"
        )
        interpreter = Interpreter(fake_python(python, start=refuse))
        with interpreter, pytest.raises(UnusableInterpreter, match="OSError: no such disk"):
            interpreter.hello()
        assert os.listdir(temporary) == []


class TestWorkerThatFails:
    def test_is_replaced(self, python: Path, tmp_path: Path) -> None:
        died = str(tmp_path / "died")
        die_once = f"if not os.path.exists({died!r}):\n    open({died!r}, 'w')\n    os._exit(3)\n"
        with Interpreter(fake_python(python, job=die_once + ONE_PART)) as interpreter:
            with pytest.raises(InterpreterError, match="ended with exit status 3") as caught:
                interpreter.pick_parts([KERNEL])
            assert not caught.value.is_fatal
            assert interpreter.pick_parts([KERNEL]).path == "aa/b.picked_kernel"

    def test_again_and_again_is_given_up(self, python: Path) -> None:
        with Interpreter(fake_python(python, job="os._exit(3)")) as interpreter:
            for _ in range(3):
                with pytest.raises(InterpreterError, match="exit status 3"):
                    interpreter.pick_parts([KERNEL])
            with pytest.raises(
                UnusableInterpreter, match="3 times in a row, the last time it ended with exit status 3"
            ):
                interpreter.pick_parts([KERNEL])

    def test_by_hanging_is_killed(self, python: Path) -> None:
        hanging = Interpreter(fake_python(python, job="time.sleep(1000)"), call_s=0.2)
        with hanging, pytest.raises(InterpreterError, match="gave no answer within 0.2 s"):
            hanging.pick_parts([KERNEL])

    def test_by_not_reading_is_killed(self, python: Path) -> None:
        large = KernelFile("c1", "triton_", "x" * 1_000_000)
        # It answers hello before it is asked, and reads nothing of the megabyte that its pipe does not hold.
        hello = f"request = {{'id': 1}}; answer(result={HELLO}); time.sleep(1000)"
        deaf = Interpreter(fake_python(python, start=hello), call_s=0.2)
        with deaf, pytest.raises(InterpreterError, match="gave no answer within 0.2 s"):
            deaf.pick_parts([large])


class TestClosing:
    def test_ends_a_call_in_another_thread(self, python: Path) -> None:
        interpreter = Interpreter(fake_python(python, job="time.sleep(1000)"))
        interpreter.hello()
        caught: list[BaseException] = []

        def call() -> None:
            try:
                interpreter.pick_parts([KERNEL])
            except InterpreterClosed as error:
                caught.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        interpreter.close()
        thread.join(10)
        assert len(caught) == 1

    def test_ends_a_start_in_another_thread(self, python: Path, temporary: Path) -> None:
        interpreter = Interpreter(script(python, "#!/bin/sh\nsleep 1000\n"))
        caught: list[BaseException] = []

        def start() -> None:
            try:
                interpreter.hello()
            except InterpreterClosed as error:
                caught.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        assert eventually(lambda: os.listdir(temporary) != [])
        interpreter.close()
        thread.join(10)
        assert len(caught) == 1

    def test_is_final(self, python: Path) -> None:
        interpreter = Interpreter(fake_python(python))
        interpreter.close()
        interpreter.close()
        with pytest.raises(InterpreterClosed):
            interpreter.hello()

    def test_leaves_no_process_and_no_folder(self, python: Path, temporary: Path, tmp_path: Path) -> None:
        child = "child = subprocess.Popen(['sleep', '1000'])"
        tell = f"open({str(tmp_path / 'numbers')!r}, 'w').write(f'{{child.pid}} {{os.getpid()}}')"
        with Interpreter(fake_python(python, start=f"{child}; {tell}")) as interpreter:
            interpreter.hello()
            processes = [int(number) for number in (tmp_path / "numbers").read_text().split()]
            assert all(is_alive(process) for process in processes)
        assert eventually(lambda: not any(is_alive(process) for process in processes))
        assert os.listdir(temporary) == []


def test_the_worker_sees_no_gpu_and_no_cache_but_its_own(
    python: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_TRACE", "/somewhere")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/precious")
    monkeypatch.setenv("PYTHONPATH", "relative:/absolute")
    names = ("CUDA_VISIBLE_DEVICES", "TORCH_TRACE", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "PYTHONPATH")
    tell = f"answer(error={{'message': '|'.join(str(os.environ.get(name)) for name in {names}), 'detail': ''}})"
    with Interpreter(fake_python(python, job=tell)) as interpreter, pytest.raises(InterpreterError) as caught:
        interpreter.pick_parts([KERNEL])
    devices, trace, cache, triton, path = caught.value.message.split("|")
    assert devices == ""
    assert trace == "None"
    assert cache.startswith(str(temporary))
    assert triton.startswith(str(temporary))
    assert path == f"{Path.cwd()}/relative:/absolute"

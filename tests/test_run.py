"""``mkexplorer run``: a program sees what it would see if Python had been started with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TELL = """\
import json, sys
print(json.dumps([__name__, __file__, sys.argv, sys.path[0], sys.modules["__main__"].__dict__ is globals()]))
"""


def start(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets")])
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


def both(*command: str, folder: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Started by mkexplorer; what Python itself makes of it has to be the same."""
    ours = start("-m", "mkexplorer", "run", *options, *command, folder=folder)
    theirs = start(*command, folder=folder)
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
    return ours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "helper.py").write_text("name = __name__\n")
    return tmp_path


def program(folder: Path, text: str) -> str:
    (folder / "programs" / "program.py").write_text(text)
    return "programs/program.py"


def test_a_script_sees_its_own_arguments_and_folder(folder: Path) -> None:
    script = program(folder, TELL + "import helper\nprint(helper.name)\n")
    done = both(script, "--measure", "-m", "x", "--report", folder=folder, options=("--measure", "never"))
    assert '["programs/program.py", "--measure", "-m", "x", "--report"]' in done.stdout


def test_a_module_too(folder: Path) -> None:
    program(folder, TELL)
    both("-m", "programs.program", "--flag", folder=folder)


def test_a_folder_with_a_main_module_too(folder: Path) -> None:
    (folder / "programs" / "__main__.py").write_text("import sys\nprint(sys.argv, sys.path[0])\nimport helper\n")
    assert both("programs", "1", folder=folder).returncode == 0


LATE = """\
import atexit, pickle, sys
class Kept: pass
atexit.register(lambda: print("still", type(pickle.loads(pickle.dumps(Kept()))).__module__))
"""


def test_its_main_module_is_there_until_the_end(folder: Path) -> None:
    program(folder, LATE)
    (folder / "programs" / "plain").write_text(LATE)
    (folder / "programs" / "__main__.py").write_text(LATE)
    for command in (("programs/plain",), ("-m", "programs.program"), ("-m", "programs"), ("programs",)):
        assert "still __main__" in both(*command, folder=folder).stdout


def test_a_script_may_come_through_a_pipe(folder: Path) -> None:
    command = [sys.executable, "-m", "mkexplorer", "run", "/dev/stdin"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, input="print('here')", capture_output=True, text=True, timeout=60, env=environment)
    assert (done.stdout, done.stderr) == ("here\n", "")


@pytest.mark.parametrize("text", ["import sys\nprint(sys.argv)\n", "import not_there\n", "raise RuntimeError('no')\n"])
def test_the_package_of_a_module_is_imported_once_and_as_python_does(folder: Path, text: str) -> None:
    program(folder, "raise ValueError('the module itself')\n")
    (folder / "programs" / "__init__.py").write_text(text)
    ours = start("-m", "mkexplorer", "run", "-m", "programs.program", "1", folder=folder)
    theirs = start("-m", "programs.program", "1", folder=folder)
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.exit(7)\n",
        "import sys\nsys.exit('a reason')\n",
        "raise SystemExit\n",
        "def fail():\n    raise ValueError('no')\n\nfail()\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError('x') from error\n",
        "x = (\n",
        "import atexit\natexit.register(lambda: print(len(globals()) > 3))\nx = y = 1\n",
        "import sys\nsys.excepthook = lambda *found: print(found[0])\n1 / 0\n",
        "import gc\nprint(gc.isenabled())\n",
        "print(__builtins__.len('abc'))\n",
        "print(type(1 if True else 2), globals().get('__annotations__'))\nx: int = 1\n",
    ],
)
def test_it_ends_as_python_ends(folder: Path, text: str) -> None:
    both(program(folder, text), folder=folder)


# Python leaves the signal alone where it was started with it ignored, as shells start what runs in the background.
INTERRUPTED = """\
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(30)
"""


def test_an_interrupt_ends_it_as_it_ends_python(folder: Path) -> None:
    script = program(folder, INTERRUPTED)
    done = start("-m", "mkexplorer", "run", script, folder=folder)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.strip().endswith("KeyboardInterrupt")
    assert "mkexplorer" not in done.stderr


def test_a_program_without_torch_does_not_pay_for_it(folder: Path) -> None:
    text = "import sys\nprint(sorted({'torch', 'triton', 'textual'} & set(sys.modules)))\n"
    assert both(program(folder, text), folder=folder).stdout == "[]\n"


def test_the_run_time_is_there_when_the_program_imports_torch(folder: Path) -> None:
    text = "from torch._inductor import config\nprint(config.triton.multi_kernel == 1)\n"
    done = start("-m", "mkexplorer", "run", "--report", program(folder, text), folder=folder)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert done.stderr == "mkexplorer: no multi-kernel was called.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.py",), "nowhere.py: there is no such file"),
        (("-m", "nowhere"), "there is no module nowhere"),
        ((), "give the program to run"),
        (("--measure", "sometimes", "x.py"), "invalid choice: 'sometimes'"),
        (("--mesure", "always"), "unknown argument: --mesure (did you mean --measure?)"),
    ],
)
def test_what_cannot_be_run_is_told(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    done = start("-m", "mkexplorer", "run", *arguments, folder=folder)
    assert done.returncode == 2
    assert told in done.stderr

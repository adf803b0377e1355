"""What several test files share: recorded wrappers, fresh ones, the sample, and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mkexplorer.catalog.catalog import Catalog, open_catalog
from mkexplorer.catalog.model import Origin, Wrapper
from mkexplorer.catalog.places import sample_path
from mkexplorer.catalog.wrapper_parser import parse_wrapper
from tests.at_rest import wait_for_rest
from tests.command_line import Run, runner, runner_at_terminal
from tests.once import once_per_run

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what mkexplorer remembers for the person who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))


@pytest.fixture(scope="session", autouse=True)
def _apps_are_awaited_until_they_are_at_rest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "textual.pilot" in sys.modules:  # else no test that was collected runs an app
            patch.setattr("textual.app.wait_for_idle", wait_for_rest)
            patch.setattr("textual.pilot.wait_for_idle", wait_for_rest)
        yield


def recorded_wrappers() -> list[Path]:
    """Wrappers that torch 2.4.1, 2.5.1, 2.6.0, 2.7.1, 2.9.1 and 2.13.0 generated."""
    return sorted((DATA / "wrappers").glob("torch-*/*.py"))


def parse_file(path: Path) -> Wrapper:
    return parse_wrapper(path.read_text(), Origin(path.name))


@pytest.fixture(scope="session")
def fresh_wrappers(request: pytest.FixtureRequest) -> Path:
    """A folder of wrappers that the installed torch generates now, without a GPU."""

    def generate(out: Path) -> None:
        program = Path(__file__).with_name("generate_wrappers.py")
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(out / "cache")}
        done = subprocess.run(
            [sys.executable, str(program), str(out / "wrappers")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    return once_per_run(request, "fresh", generate) / "wrappers"


@pytest.fixture(scope="session")
def sample() -> Catalog:
    """The recorded cache of an H100 that comes with mkexplorer."""
    return open_catalog(sample_path())


@pytest.fixture
def sent_bundle(tmp_path: Path) -> Path:
    """A bundle that somebody sent: nobody knows that it is the sample."""
    return Path(shutil.copy(sample_path(), tmp_path / "sent.mkx"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, without a terminal."""
    return runner(capsys)


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same with somebody at the terminal."""
    return runner_at_terminal(monkeypatch)

"""What `make setup` and `make setup-dev` install, from a package index of this test's own.

The Makefile and the script are the project's. The project that they set up, its locks and its packages are small and made
here: packages are pure wheels, and the index is a folder that is served on this machine, so that it can hold releases that
the locks do not know. `make` and pip are real; pip is the one that this Python puts into a new environment.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pty
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKEND = """\
import zipfile

REQUIRES = "Requires-Dist: tool\\nRequires-Dist: part\\n"

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "small-0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("small-0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 0\\n" + REQUIRES)
        wheel.writestr("small-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("small-0.dist-info/RECORD", "")
    return name
"""
"""A build backend that needs no setuptools."""

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@dataclass(frozen=True)
class Index:
    """Packages, as pip finds them (PEP 503).

    Attributes:
        folder: What is served.
        url: Where pip finds it.

    """

    folder: Path
    url: str

    def add(self, name: str, version: str, *metadata: str) -> str:
        """Release a package without content: the line that pins it in a lock."""
        file = f"{name}-{version}-py3-none-any.whl"
        described = "".join(
            f"{line}\n" for line in ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata)
        )
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / file, "w") as wheel:
            wheel.writestr(f"{name}-{version}.dist-info/METADATA", described)
            wheel.writestr(
                f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")
        links = "".join(f'<a href="{wheel.name}">{wheel.name}</a>\n' for wheel in sorted(folder.glob("*.whl")))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")
        return f"{name}=={version} --hash=sha256:{hashlib.sha256((folder / file).read_bytes()).hexdigest()}\n"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Requests are no part of a test's output."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Index(folder, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


@dataclass(frozen=True)
class SmallProject:
    """A project with this one's Makefile.

    Attributes:
        folder: Where it is.
        environment: Variables that let pip know the index, and nothing else.

    """

    folder: Path
    environment: dict[str, str]

    @property
    def ready(self) -> Path:
        return self.folder / ".venv" / ".ready"

    def lock(self, name: str, *requirements: str) -> None:
        (self.folder / f"requirements{name}.lock").write_text("".join(requirements))

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--no-print-directory", target, f"PYTHON={sys.executable}"]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def installed(self) -> dict[str, str]:
        """Version of every package but those that a new environment comes with."""
        (packages,) = self.folder.glob(".venv/lib/python3.*/site-packages")
        versions = dict(path.stem.rsplit("-", 1) for path in packages.glob("*.dist-info"))
        return {name: version for name, version in versions.items() if name not in {"pip", "setuptools"}}


@dataclass(frozen=True)
class Pins:
    """Lines of the locks: the project needs a tool, and that a part with an extra, as pytest-cov needs coverage[toml]."""

    build: str
    tool: str
    part: str
    dev: str


@pytest.fixture(scope="module")
def pins(index: Index) -> Pins:
    part = index.add("part", "1.0", "Provides-Extra: more")
    index.add("part", "1.1", "Provides-Extra: more")  # released after the lock was written
    tool = index.add("tool", "1.0", "Requires-Dist: part[more]>=1.0")
    return Pins(index.add("builder", "1.0"), tool, part, index.add("checker", "1.0", "Requires-Dist: tool"))


def small_project(folder: Path, index: Index, pins: Pins) -> SmallProject:
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", folder)
    shutil.copy(PROJECT / "scripts" / "install_lock.py", folder / "scripts")
    (folder / "scripts" / "archive_classes.py").touch()  # which is of no use where there is no Spark
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    settings = {"PIP_INDEX_URL": index.url, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "NO_PROXY": "127.0.0.1"}
    project = SmallProject(folder, environment | settings)
    project.lock("-build", pins.build)
    project.lock("", pins.tool, pins.part)
    project.lock("-dev", pins.dev)
    return project


@pytest.fixture
def project(tmp_path: Path, index: Index, pins: Pins) -> SmallProject:
    return small_project(tmp_path / "small", index, pins)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory, index: Index, pins: Pins) -> SmallProject:
    """After `make setup`, for tests that add nothing to it."""
    project = small_project(tmp_path_factory.mktemp("set_up") / "small", index, pins)
    made = project.make("setup")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "3 packages installed in " in made.stdout
    return project


def test_a_release_newer_than_the_lock_is_passed_over_though_it_is_required_with_an_extra(set_up: SmallProject) -> None:
    assert set_up.installed() == {"builder": "1.0", "tool": "1.0", "part": "1.0", "small": "0"}
    assert set_up.ready.exists()


def test_a_second_setup_does_nothing(set_up: SmallProject) -> None:
    before = set_up.ready.stat().st_mtime_ns
    again = set_up.make("setup")
    assert again.returncode == 0
    assert "install" not in again.stdout.lower()
    assert set_up.ready.stat().st_mtime_ns == before


def test_dev_packages_are_installed_when_they_are_wanted_and_checked_as_well(project: SmallProject, index: Index) -> None:
    assert project.make("setup").returncode == 0
    assert "checker" not in project.installed()
    made = project.make("setup-dev")
    assert made.returncode == 0, made.stdout + made.stderr
    assert project.installed()["checker"] == "1.0"
    assert "builder" not in made.stdout, "the run-time part is installed twice"
    assert "install" not in project.make("setup-dev").stdout.lower()

    project.lock("-dev", index.add("linter", "1.0", "Requires-Dist: absent"))
    project.ready.with_name(".ready-dev").unlink()  # it may be as old as the lock, to the clock of some file systems
    made = project.make("setup-dev")
    assert made.returncode != 0
    assert "linter 1.0 requires absent, which is not installed." in made.stderr
    assert not project.ready.with_name(".ready-dev").exists()


def test_a_file_that_is_not_the_locked_one_stops_the_setup(project: SmallProject, pins: Pins) -> None:
    right = pins.tool.rpartition(":")[2].strip()
    project.lock("", pins.tool.replace(right, "0" * 64), pins.part)
    made = project.make("setup")
    assert made.returncode != 0
    assert "DO NOT MATCH THE HASHES" in made.stderr
    assert f"Got        {right}" in made.stderr, "pip's error is not shown whole"
    assert "Error: pip has stopped with exit code 1" in made.stderr
    assert not project.ready.exists()


def test_a_lock_that_lacks_a_dependency_is_found_out(project: SmallProject, pins: Pins) -> None:
    """One of the project itself, and of one of its packages."""
    project.lock("", pins.tool)
    made = project.make("setup")
    assert made.returncode != 0
    assert "tool 1.0 requires part, which is not installed." in made.stderr
    assert "small 0 requires part, which is not installed." in made.stderr
    assert "Error: the packages in .venv do not fit together" in made.stderr
    assert not project.ready.exists()


def test_a_terminal_shows_a_count_that_moves(set_up: SmallProject, index: Index, tmp_path: Path) -> None:
    one, many = tmp_path / "one.lock", tmp_path / "many.lock"
    one.write_text(index.add("one", "1.0"))
    many.write_text("".join(index.add(f"many{number}", "1.0") for number in range(30)))
    environment = tmp_path / "environment"
    shutil.copytree(set_up.folder / ".venv", environment, symlinks=True)
    terminal, end = pty.openpty()
    command = [environment / "bin" / "python", PROJECT / "scripts" / "install_lock.py", one, many]
    with subprocess.Popen(command, cwd=tmp_path, env=set_up.environment | {"TERM": "xterm"}, stdout=end, stderr=end) as run:
        os.close(end)
        shown = b""
        while piece := read(terminal):
            shown += piece
    os.close(terminal)
    assert run.returncode == 0, shown.decode()
    assert b" of 31 packages fetched: many" in shown, "the second lock is not counted anew"
    assert shown.count(b"\r\x1b[K") > 2, "one line, written over and over"
    assert shown.splitlines()[-1].lstrip(b"\r\x1b[K").startswith(b"31 packages installed in ")


def read(terminal: int) -> bytes:
    """What a terminal shows next; nothing once its program has ended."""
    try:
        return os.read(terminal, 2**16)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


def test_without_an_environment_nothing_is_installed(tmp_path: Path) -> None:
    """Into the system's Python, that is."""
    python = os.path.realpath(sys.executable)
    command = [python, "-I", PROJECT / "scripts" / "install_lock.py", PROJECT / "requirements-dev.lock"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "belongs to no virtual environment" in run.stderr

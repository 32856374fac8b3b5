"""Install the packages of lock files into a virtual environment: exactly those, and nothing that pip would choose itself.

    .venv/bin/python scripts/install_lock.py requirements-build.lock requirements.lock --editable .

It is run by the Python of the environment, with the standard library alone, since nothing else is there yet.

pip is told not to look for dependencies (`--no-deps`), because a lock has them all. Where pip looks for them, it may prefer a
release that is newer than the lock: pip 23.2.1 does so for a package that is required with an extra, such as
`coverage[toml]`, and then stops because the lock has no hash for that release. Whether a dependency is missing is found out
afterwards, by `pip check`.

pip is silent for minutes where it unpacks large packages. So this counts what it does: in a line of its own in a terminal,
and elsewhere in a line every quarter of a minute. The count is only shown; nothing depends on the words that pip prints.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

# -I: what lies on a PYTHONPATH of the user is not in .venv, and says nothing about whether .venv is complete.
PIP = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color")
INSTALL = (*PIP, "install", "--no-deps", "--no-build-isolation")
INSTALL_LOCK = (*INSTALL, "--progress-bar=off", "--require-hashes", "--use-pep517", "-r")
"""`--use-pep517`: without it, pip before 23.1 builds PySpark with `setup.py install`, which setuptools is giving up."""

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LOG_LINES = 15
SECONDS_TO_STOP = 10
"""How long pip may clean up after Ctrl-C before it is ended."""

MEBIBYTE = 2**20
"""What `du -m` counts in."""

SECTOR = 512
"""Bytes of a block as `os.stat` counts them."""

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_SAID_BY_PIP = re.compile(r"^ *(Collecting|Building wheel for|Ignoring) ([A-Za-z0-9][\w.-]*[A-Za-z0-9])")


class Progress:
    """A line that says how far pip is, and the errors of pip between such lines.

    Attributes:
        names: Normalized names of all packages in the locks, among them those that only other systems need, and how often
            each is pinned: more than once where its version depends on Python's.

    """

    def __init__(self, names: Counter[str]) -> None:
        self.names = names
        self._fetched: set[str] = set()
        self._ignored: Counter[str] = Counter()
        self._building = ""
        self._last = ""
        self._n_before = 0
        self._started = time.monotonic()
        self._is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._next_log_line = SECONDS_BETWEEN_LOG_LINES

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def begin(self) -> None:
        """Take note of what is installed before pip is started, which fetches all that a lock has before it installs it."""
        self._n_before = len(installed(self.names))

    def read(self, line: str) -> None:
        """Take note of a line that pip has printed."""
        said = _SAID_BY_PIP.match(line)
        if said is None:
            return
        what, name = said[1], normalized(said[2])
        self._building = name if what == "Building wheel for" else ""
        if what == "Ignoring":
            self._ignored[name] += 1
        elif what == "Collecting":
            self._fetched.add(name)
            self._last = name

    def show(self) -> None:
        """Show the count: at once in a terminal, now and then in a log."""
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\033[K{self._count()}"[: width + len("\r\033[K") - 1])
        elif self.seconds() >= self._next_log_line:
            self._next_log_line += SECONDS_BETWEEN_LOG_LINES
            self._write(f"{self._count()}\n")

    def clear(self) -> None:
        """Take the count off the terminal, to make room for other lines."""
        if self._is_terminal:
            self._write("\r\033[K")

    def _count(self) -> str:
        there = installed(self.names)
        total = sum(self._ignored[name] < times for name, times in self.names.items())
        if len(there) > self._n_before:
            did = f"{len(there)} of {total} packages installed"
        elif self._building:
            did = f"{len(self._fetched)} of {total} packages fetched, building {self._building}"
        else:
            did = f"{len(self._fetched)} of {total} packages fetched: {self._last}"
        return f"{self.seconds():4.0f} s  {did.removesuffix(': ')}"

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def normalized(name: str) -> str:
    """Spell a package's name as everybody else does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(locks: list[Path]) -> Counter[str]:
    """Names of all packages in the locks, and how often each is pinned there."""
    return Counter(normalized(name) for lock in locks for name in _REQUIREMENT.findall(lock.read_text()))


def installed(names: Iterable[str]) -> set[str]:
    """Which of the packages are in the environment."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    there = {normalized(path.name.split("-")[0]) for folder in folders for path in Path(folder).glob("*.dist-info")}
    return there.intersection(names)


def size_on_disk(folder: Path) -> int:
    """Bytes that a folder takes, as `du` counts them."""
    sizes = {}
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118 - tens of thousands of them
            found = os.lstat(path)
            sizes[found.st_dev, found.st_ino] = found.st_blocks * SECTOR
    return sum(sizes.values())


def run_pip(command: tuple[str, ...], progress: Progress) -> None:
    """Run pip, show how far it is and at once all that it prints as an error or a warning.

    Raises:
        SystemExit: pip has failed, with its exit code.

    """
    # pip writes into files, not into pipes: those would have to be emptied by threads, lest pip waits.
    with tempfile.TemporaryDirectory(prefix="install_lock-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as to_out, err.open("wb") as to_err, out.open("rb") as said, err.open("rb") as errors:
            progress.begin()
            pip = subprocess.Popen(command, stdout=to_out, stderr=to_err)
            try:
                while is_running(pip):
                    look(said, errors, progress)
                    progress.show()
            except KeyboardInterrupt:  # Ctrl-C reaches pip as well, which removes what it has half installed
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pip.wait(SECONDS_TO_STOP)
                raise
            finally:
                if pip.poll() is None:
                    pip.terminate()
                    pip.wait()
                look(said, errors, progress)
                progress.clear()
    if pip.returncode:
        print(f"Error: pip has stopped with exit code {pip.returncode}; what it says is above.", file=sys.stderr)
        print(f"It was run as: {shlex.join(command)}", file=sys.stderr)
        raise SystemExit(exit_code(pip.returncode))


def is_running(pip: subprocess.Popen[bytes]) -> bool:
    """Wait a moment for pip to end."""
    try:
        pip.wait(SECONDS_BETWEEN_LOOKS)
    except subprocess.TimeoutExpired:
        return True
    return False


def look(said: BinaryIO, errors: BinaryIO, progress: Progress) -> None:
    """Read what pip has printed since the last look, and pass its errors on."""
    for line in said.read().decode(errors="replace").splitlines():
        progress.read(line)
    text = errors.read()
    if text:
        progress.clear()
        sys.stderr.buffer.write(text)
        sys.stderr.flush()


def exit_code(returncode: int) -> int:
    """The exit code of a process as a shell gives it: 128 and the signal's number for one that a signal has ended."""
    return returncode if returncode >= 0 else 128 - returncode


def check() -> None:
    """Ask pip whether every package finds what it requires.

    Raises:
        SystemExit: One does not.

    """
    checked = subprocess.run([*PIP, "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if checked.returncode:
        print(checked.stdout, end="", file=sys.stderr)
        print(
            f"Error: the packages in {environment()} do not fit together, see above. The lock files must hold all that "
            "pyproject.toml and their own packages require: `make lock` writes them anew.",
            file=sys.stderr,
        )
        raise SystemExit(exit_code(checked.returncode))


def environment() -> str:
    """The folder of the environment, as seen from the working directory."""
    return os.path.relpath(sys.prefix)


def end(number: int, _frame: object) -> None:
    """Leave by an exception when a signal says so, so that pip is ended as well."""
    raise SystemExit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description="Install the packages of lock files, and check that they fit together.")
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK", help="a lock file; they are installed in this order")
    parser.add_argument("--editable", metavar="FOLDER", help="a project to install afterwards, without its dependencies")
    parser.add_argument("--takes", metavar="TEXT", help="how big it is and how long it takes, to be said at the beginning")
    given = parser.parse_args()
    if sys.prefix == sys.base_prefix:
        sys.exit(f"Error: {sys.executable} belongs to no virtual environment, into which to install. Run `make setup`.")
    signal.signal(signal.SIGTERM, end)
    names = pinned(given.locks)
    progress = Progress(names)
    takes = f": {given.takes}" if given.takes else ""
    files = " and ".join(str(lock) for lock in given.locks)
    print(f"Installing the {len(names)} packages of {files} into {environment()}{takes}", flush=True)
    try:
        for lock in given.locks:
            run_pip((*INSTALL_LOCK, str(lock)), progress)
        if given.editable:
            run_pip((*INSTALL, "--editable", given.editable), progress)
        check()
    except KeyboardInterrupt:
        sys.exit(exit_code(-signal.SIGINT))
    n_installed = len(installed(names))
    others = f" ({len(names) - n_installed} for other systems left out)" if n_installed < len(names) else ""
    size = size_on_disk(Path(sys.prefix)) / MEBIBYTE
    print(
        f"{n_installed} packages installed{others} in {progress.seconds():.0f} seconds; {environment()} holds {size:,.0f} MB"
    )


if __name__ == "__main__":
    main()

"""Runs of the project as processes of their own, which can be killed at a chosen moment, and what is left of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.runs import Outputs

TIMEOUT = 300.0  # seconds that a run may take on a machine that has much else to do
LINGERING = 60.0  # seconds in which what a killed run started must have ended by itself
_POLLING_INTERVAL = 0.005  # seconds
MARK = "FRUIT_FEATURES_TEST_RUN"
PYTHON_DAEMON = "fruit_features.spark.worker_daemon"


@dataclass(frozen=True)
class Moment:
    """A moment of a run that can be seen from outside.

    Attributes:
        file: A file that the run makes or a folder that it changes, a glob below the output root.
        said: Or a line that it logs, a regular expression.

    """

    file: str | None = None
    said: str | None = None


@dataclass
class Run:
    """`kedro run` in a process of its own.

    Attributes:
        process: The driver, in Python.
        outputs: Where it writes.
        log: What it says.
        mark: Stands in the environment of every process that it starts, and of those that they start.
        started: When, in nanoseconds since the epoch.

    """

    process: subprocess.Popen[bytes]
    outputs: Outputs
    log: Path
    mark: str
    started: int = field(default_factory=time.time_ns)

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def number(self, pattern: str) -> int | None:
        """The number in the last line that it logged like this."""
        found = re.findall(pattern, self.text)
        return int(found[-1]) if found else None

    def processes(self) -> list[psutil.Process]:
        """All that live, the driver included: found by their mark, for a dead parent leaves no family tree."""
        return marked_processes(self.mark)

    def jvms(self) -> list[psutil.Process]:
        return [process for process in self.processes() if runs(process, "java")]

    def python_workers(self) -> list[psutil.Process]:
        """Spark's Python workers, without the daemons that fork them."""
        return [process for process in self._forked_and_daemons() if _is_forked(process)]

    def python_daemons(self) -> list[psutil.Process]:
        """The processes that fork Spark's Python workers."""
        return [process for process in self._forked_and_daemons() if not _is_forked(process)]

    def wait_for(self, moment: Moment) -> None:
        """Wait for a moment.

        Raises:
            AssertionError: The run ended before it came.

        """
        wait_until(lambda: self._has_come(moment), str(moment), self.process, lambda: self.text)

    def kill_after(self, moment: Moment, delay: float, choose: Callable[[Run], list[psutil.Process]]) -> None:
        """`kill -9`, some seconds after a moment, or as soon after that as there are any: Spark forks workers when it will.

        Raises:
            AssertionError: The run ended before.

        """
        self.wait_for(moment)
        time.sleep(delay)
        victims: list[psutil.Process] = []

        def are_there() -> bool:
            victims[:] = choose(self)
            return bool(victims)

        wait_until(are_there, f"any of them, {delay:.2f} s after {moment}", self.process, lambda: self.text)
        assert self.process.poll() is None, f"it ended within {delay:.2f} s after {moment}: {self.text}"
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()

    def wait(self) -> int:
        """Wait for the driver's end; its exit code."""
        return self.process.wait(TIMEOUT)

    def wait_for_the_last(self) -> None:
        """Wait until nothing is left of it.

        Raises:
            AssertionError: Something that it started goes on without it.

        """
        wait_until_gone(self.mark)

    def _forked_and_daemons(self) -> list[psutil.Process]:
        return [process for process in self.processes() if runs(process, PYTHON_DAEMON)]

    def _has_come(self, moment: Moment) -> bool:
        if moment.said is not None:
            return re.search(moment.said, self.text) is not None
        assert moment.file is not None
        with suppress(FileNotFoundError):  # it vanished as we looked
            return any(path.stat().st_mtime_ns > self.started for path in self.outputs.root.glob(moment.file))
        return False


@contextmanager
def started_run(images_root: Path, outputs: Outputs, *options: str, env: str = "test", parameters: str = "") -> Iterator[Run]:
    """Start `kedro run`; whatever the test does, nothing of it is alive afterwards."""
    mark = uuid.uuid4().hex
    outputs.root.mkdir(parents=True, exist_ok=True)
    log = outputs.root.with_name(f"{outputs.root.name}.{mark}.log")
    roots = f"images_root={images_root},output_root={outputs.root}"
    given = ",".join(filter(None, (roots, parameters)))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--env", env, "--params", given, *options],
            cwd=PROJECT,
            env=marked_environment(mark),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield Run(process, outputs, log, mark)
    finally:
        kill_all(mark)
        process.wait()


def complete_run(images_root: Path, outputs: Outputs, *options: str, env: str = "test") -> Run:
    """Run to the end, which must be a good one, and leave no process behind."""
    with started_run(images_root, outputs, *options, env=env) as run:
        assert run.wait() == 0, run.text
        run.wait_for_the_last()
    return run


def marked_environment(mark: str) -> dict[str, str]:
    """This process's environment, with a mark by which `marked_processes` finds whoever inherits it."""
    return {**os.environ, MARK: mark}


def marked_processes(mark: str) -> list[psutil.Process]:
    """All processes that have inherited a mark and are alive."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(
    has_come: Callable[[], object],
    meaning: str,
    process: subprocess.Popen[bytes],
    said: Callable[[], str],
    interval: float = _POLLING_INTERVAL,
) -> None:
    """Wait for a moment of a run.

    Args:
        has_come: Whether it has come.
        meaning: What it is, in words.
        process: What ends with the run.
        said: What the run has said so far.
        interval: Seconds between two looks.

    Raises:
        AssertionError: The run ended before it came, or it does not come.

    """
    deadline = time.monotonic() + TIMEOUT
    while not has_come():
        assert process.poll() is None, f"it ended before {meaning}: {said()}"
        assert time.monotonic() < deadline, f"{meaning} does not come: {said()}"
        time.sleep(interval)


def wait_until_gone(mark: str) -> None:
    """Wait until no marked process is left.

    Raises:
        AssertionError: Some do not end by themselves.

    """
    deadline = time.monotonic() + LINGERING
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(10 * _POLLING_INTERVAL)


def kill_all(mark: str) -> None:
    """Kill what has a mark, and what those started meanwhile."""
    while left := marked_processes(mark):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)


def runs(process: psutil.Process, program: str) -> bool:
    """Whether a live process runs a program: a module or class that its command line names, or an executable."""
    with suppress(psutil.Error):
        return process.name() == program or program in process.cmdline()
    return False


def _is_forked(process: psutil.Process) -> bool:
    """Whether a Python worker's daemon forked this one, and so left it its command line."""
    with suppress(psutil.Error):
        parent = process.parent()
        return parent is not None and runs(parent, PYTHON_DAEMON)
    return False

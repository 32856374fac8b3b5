"""Cold processes, timed from their start to their end, with the memory of everything that they start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SAMPLING_INTERVAL = 0.2  # seconds; a sample takes 2 ms of one core
TIMEOUT = 2 * 3600.0  # seconds
MEGABYTE = 2**20


class ContestantError(RuntimeError):
    """A process failed or hung: there is nothing to compare."""


@dataclass
class PeakMemory:
    """Largest resident set sizes seen, in MiB.

    A page that several processes share counts in each of them; so `total`, a sum at one moment, is an upper bound.

    Attributes:
        driver: The process that was started.
        jvm: The largest Java process under it.
        worker: The largest other process under it.
        total: All of them together.

    """

    driver: float = 0.0
    jvm: float = 0.0
    worker: float = 0.0
    total: float = 0.0

    def take_in(self, driver: float, jvm: float, worker: float, total: float) -> None:
        """Raise the peaks to this sample's."""
        self.driver, self.jvm = max(self.driver, driver), max(self.jvm, jvm)
        self.worker, self.total = max(self.worker, worker), max(self.total, total)


@dataclass(frozen=True)
class Measured:
    """A process that succeeded.

    Attributes:
        seconds: From its start to its end.
        cpu_seconds: Of all processes under it as well, as far as the samples saw them.
        peak_memory: See `PeakMemory`.

    """

    seconds: float
    cpu_seconds: float
    peak_memory: PeakMemory

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "peak_memory_mib": {role: round(size) for role, size in asdict(self.peak_memory).items()},
        }


def end_all_when_terminated() -> None:
    """Let SIGTERM end this process as Ctrl-C does, through every `finally`: what it started ends with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def run_cold(command: Sequence[str | Path], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end in a process of its own.

    Args:
        command: Program and arguments.
        cwd: Working folder.
        log: File that takes what it prints.
        env: Added to the environment.

    Raises:
        ContestantError: It failed, or did not end within `TIMEOUT`.

    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
        tree = _ProcessTree(psutil.Process(process.pid))
        try:
            exit_code = None
            while exit_code is None and time.perf_counter() - started < TIMEOUT:
                tree.sample()
                try:
                    exit_code = process.wait(SAMPLING_INTERVAL)
                except subprocess.TimeoutExpired:
                    continue
            seconds = time.perf_counter() - started
        finally:
            tree.kill()
    if exit_code != 0:
        reason = "was stopped: it took too long" if exit_code is None else f"failed (exit code {exit_code})"
        ending = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ContestantError(f"{' '.join(map(str, command))}\n{reason}; {log} ends with\n{ending}")
    return Measured(seconds, sum(tree.cpu_seconds.values()), tree.peak)


@dataclass
class _ProcessTree:
    root: psutil.Process
    peak: PeakMemory = field(default_factory=PeakMemory)
    cpu_seconds: dict[psutil.Process, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Look at every process of the tree once; those that just ended are left out."""
        driver = jvm = worker = total = 0.0
        mothers: dict[int, list[str]] = {}
        try:
            processes = [self.root, *self.root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                with process.oneshot():
                    command, times = process.cmdline(), process.cpu_times()
                    resident = process.memory_info().rss / MEGABYTE
                    unborn = mothers.get(process.ppid()) == command
            except psutil.Error:
                continue
            if unborn:  # forked, and not yet the program that it is to become: its memory is its mother's
                continue
            self.cpu_seconds[process] = times.user + times.system
            total += resident
            if process == self.root:
                driver, mothers[process.pid] = resident, command
            elif command and command[0].endswith("java"):
                jvm, mothers[process.pid] = max(jvm, resident), command
            else:
                worker = max(worker, resident)
        self.peak.take_in(driver, jvm, worker, total)

    def kill(self) -> None:
        """End whatever the command left running."""
        for process in (self.root, *self.cpu_seconds):
            try:
                process.kill()
            except psutil.Error:
                continue

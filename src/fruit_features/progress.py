"""How far a long featurization is: a live line in a terminal, and a line in the log now and then where there is none."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_UPDATES = 0.5
SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True)
class Counts:
    """How many photos are done.

    Attributes:
        done: Photos that became features or have a reason why not.
        rejected: Those with a reason.

    """

    done: int
    rejected: int


@contextmanager
def follow(total: int, count: Callable[[], Counts], console: Console | None = None) -> Iterator[None]:
    """Show how far the work in the `with` block is, from a thread of its own.

    Args:
        total: Photos to do.
        count: Asked again and again.
        console: Rich's, by default the one of this process.

    """
    console = console or rich.get_console()
    ended = threading.Event()
    show = _show_live if console.is_terminal else _log
    thread = threading.Thread(target=show, args=(total, count, ended, console), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def describe(total: int, counts: Counts, seconds: float | None = None) -> str:
    """Say in one line how far the work is and, given the seconds that it took, how fast, and how long the rest will take."""
    done = min(counts.done, total)  # a task that Spark had to repeat may count twice
    line = f"{done:,} of {total:,} photos featurized, {counts.rejected:,} of them rejected"
    if done and seconds:
        speed = done / seconds
        line += f"; {speed:,.0f} a second, {_duration((total - done) / speed)} left"
    return line


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _log(total: int, count: Callable[[], Counts], ended: threading.Event, _: Console) -> None:
    started = time.monotonic()
    while not ended.wait(SECONDS_BETWEEN_LINES):
        logger.info(describe(total, count(), time.monotonic() - started))


def _show_live(total: int, count: Callable[[], Counts], ended: threading.Event, console: Console) -> None:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("photos"),
        _SpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("left, {task.fields[rejected]} rejected"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("featurize", total=total, rejected=0)
        while not ended.wait(SECONDS_BETWEEN_UPDATES):
            counts = count()
            progress.update(task, completed=min(counts.done, total), rejected=counts.rejected)


class _SpeedColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} a second," if task.speed else "")

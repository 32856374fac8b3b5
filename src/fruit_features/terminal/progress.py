"""The progress of the run of this process: what its display shows, how many photos are saved, and how long it has taken."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fruit_features.terminal.display import Counts, Display, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

__all__ = ["Counts", "CurrentRun", "Saved", "current_run", "describe", "follow", "note_saved"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """How many photos a run has featurized and saved.

    Attributes:
        done: Photos that are in the feature store, with features or with the reason why they have none.
        total: Photos that this run found pending.

    """

    done: int
    total: int


class CurrentRun:
    """The run of this process; there is one at a time, as there is one Spark session.

    Attributes:
        display: Its display, or None before the run and after it.
        saved: What it has saved of the photos that it featurizes, or None as long as it featurizes none.

    """

    display: Display | None = None
    saved: Saved | None = None
    _started: float | None = None

    def start_clock(self) -> None:
        """Count the run's seconds from now, and none of its photos yet."""
        self._started = time.monotonic()
        self.saved = None

    def seconds(self) -> float | None:
        """Count the seconds since the clock was started, or None if it never was."""
        return None if self._started is None else time.monotonic() - self._started


current_run = CurrentRun()


def note_saved(done: int, total: int) -> None:
    """Note how many photos this run has saved, for what the command line says if the run is stopped."""
    current_run.saved = Saved(done, total)


@contextmanager
def follow(total: int, count: Callable[[], Counts], console: Console | None = None) -> Iterator[None]:
    """Show how far the work in the `with` block is: in the display of the run, or in one of its own where there is none.

    Args:
        total: Photos to do.
        count: Asked again and again.
        console: For a display of its own in any case.

    """
    shown = current_run.display
    if shown is not None and shown.is_shown and console is None:
        with shown.follow(total, count):
            yield
        return
    display = Display(logger, console)
    with display.follow(total, count):
        display.start()
        try:
            yield
        finally:
            display.stop()

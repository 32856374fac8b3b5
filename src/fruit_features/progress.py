"""How far a featurization is, and how long its run has taken: shown in the display of the run, if there is one."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fruit_features.display import Counts, Display, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

__all__ = ["Counts", "CurrentRun", "current_run", "describe", "follow"]

logger = logging.getLogger(__name__)


class CurrentRun:
    """The run of this process; there is one at a time, as there is one Spark session.

    Attributes:
        display: Its display, or None before the run and after it.

    """

    display: Display | None = None
    _started: float | None = None

    def start_clock(self) -> None:
        """Count the run's seconds from now."""
        self._started = time.monotonic()

    def seconds(self) -> float | None:
        """Count the seconds since the clock was started, or None if it never was."""
        return None if self._started is None else time.monotonic() - self._started


current_run = CurrentRun()


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

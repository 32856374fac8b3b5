"""Displays what a run is doing: one moving line at the bottom of a terminal, or lines in a log that is no terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self, TextIO

import rich
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.spinner import Spinner
from rich.table import Table

from fruit_features.terminal.wording import count_of, duration, speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

SECONDS_BETWEEN_FRAMES = 0.125
SECONDS_BETWEEN_LINES = 30.0

_BAR_WIDTH = 20


@dataclass(frozen=True)
class Counts:
    """How many photos are done.

    Attributes:
        done: Photos that became features or have a reason why not.
        rejected: Those with a reason.

    """

    done: int
    rejected: int


@dataclass(frozen=True)
class _Step:
    """What is being done, in words; where in the run it is; and since when, by `time.monotonic`."""

    words: str
    place: str
    since: float


@dataclass(frozen=True)
class _Photos:
    """How many photos are to be featurized, who knows how many are done, and when they were begun."""

    total: int
    count: Callable[[], Counts]
    since: float

    def read(self) -> tuple[Counts, float]:
        """Take the counts, and the seconds since the photos were begun."""
        counts = self.count()
        done = min(counts.done, self.total)  # Spark may repeat a task, which then counts its photos twice
        return Counts(done, counts.rejected), time.monotonic() - self.since


def describe(total: int, counts: Counts, seconds: float | None = None) -> str:
    """Say in one line how far the photos are and, given the seconds they took, how fast, and how long the rest will take."""
    done = min(counts.done, total)
    line = f"{done:,} of {count_of(total, 'photo')} featurized, {counts.rejected:,} of them rejected"
    return f"{line}; {_speed_and_rest(total, done, seconds)}" if done and seconds else line


def _speed_and_rest(total: int, done: int, seconds: float) -> str:
    per_second = done / seconds
    return f"{speed(per_second)}, {duration((total - done) / per_second)} left"


class Display:
    """Shows the step that a run is at, and how many photos are featurized.

    In a terminal this is one line below all other output, drawn several times a second by a thread. The thread is no daemon:
    it draws until `stop`, an interrupt, or the end of the main thread, so that no way out of the program leaves the line on
    the screen or the cursor hidden. Elsewhere the same thread writes a line to the log now and then.

    """

    def __init__(self, logger: logging.Logger, console: Console | None = None) -> None:
        """Prepare the display without showing it.

        Args:
            logger: Where lines go if there is no terminal.
            console: Rich's, by default the one of this process.

        """
        self._logger = logger
        self._console = console or rich.get_console()
        self._is_live = _draws_on_a_terminal(self._console)
        self._live = Live(
            self, console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._spinner = Spinner("dots" if self._console.encoding.startswith("utf") else "line")
        self._output = _OutputAboveDisplay(self._console)
        self._step = _Step("", "", time.monotonic())
        self._photos: _Photos | None = None
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._ended = threading.Event()
        self._is_interrupted = False
        self._thread = threading.Thread(target=self._keep_moving, name="progress")

    @property
    def is_shown(self) -> bool:
        """Whether the display was started and has not ended."""
        return self._thread.is_alive()

    def start(self) -> Self:
        """Show the display until `stop`."""
        if self._is_live:
            self._output.redirect()
            self._live.start(refresh=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the display and its thread. What was on the screen above it stays."""
        self._ended.set()
        self._thread.join()

    def interrupt(self) -> None:
        """Let the thread end the display soon. This takes no lock, so a signal handler may call it at any moment."""
        self._is_interrupted = True

    def begin(self, words: str, *, place: str = "", is_long: bool = False) -> None:
        """Show the next step.

        Args:
            words: What is being done, beginning with a capital.
            place: Where in the run this step is.
            is_long: Whether it may take long, so that its beginning is worth a line in the log.

        """
        self._step = _Step(words, place, time.monotonic())
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        if is_long and not self._is_live:
            self._logger.info(words)

    @contextlib.contextmanager
    def follow(self, total: int, count: Callable[[], Counts]) -> Iterator[None]:
        """Show how many of `total` photos are done, as `count` says again and again, while the `with` block runs."""
        self._photos = _Photos(total, count, time.monotonic())
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        try:
            yield
        finally:
            self._photos = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw one line, and move the cursor back to its beginning.

        Java and the workers write to the terminal by themselves. What they write begins at the cursor, so it covers the line
        instead of being appended to it.
        """
        line = Table.grid(padding=(0, 1, 0, 0))
        for is_bar in (False, False, True, False):  # where the terminal is narrow, the bar gets shorter first
            line.add_column(no_wrap=not is_bar, overflow="ellipsis")
        step, photos = self._step, self._photos
        spinner = self._spinner.render(console.get_time())
        if photos is None:
            seconds = duration(time.monotonic() - step.since)
            line.add_row(spinner, step.words, "", f"{seconds}  {step.place}")
        else:
            counts, seconds_taken = photos.read()
            numbers = f"{counts.done:,} of {photos.total:,}, {counts.rejected:,} rejected"
            if counts.done:
                numbers += f", {_speed_and_rest(photos.total, counts.done, seconds_taken)}"
            bar = ProgressBar(total=photos.total, completed=counts.done, width=_BAR_WIDTH)
            line.add_row(spinner, "Featurizing photos", bar, numbers)
        yield from console.render_lines(line, options, pad=False)[0]
        yield Control(ControlType.CARRIAGE_RETURN)

    def _keep_moving(self) -> None:
        try:
            while not self._is_over():
                self._ended.wait(SECONDS_BETWEEN_FRAMES)
                if self._is_live:
                    self._live.refresh()
                elif time.monotonic() >= self._next_line:
                    self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
                    self._logger.info(self._describe())
        finally:
            if self._is_live:
                self._live.stop()
                self._output.restore()

    def _is_over(self) -> bool:
        return self._ended.is_set() or self._is_interrupted or not threading.main_thread().is_alive()

    def _describe(self) -> str:
        step, photos = self._step, self._photos
        if photos is None:
            return f"{step.words}: {duration(time.monotonic() - step.since)} so far"
        counts, seconds = photos.read()
        return describe(photos.total, counts, seconds)


def _draws_on_a_terminal(console: Console) -> bool:
    """Whether lines can be redrawn. FORCE_COLOR makes rich take a file for a terminal, so the file itself is asked as well."""
    return console.is_terminal and console.is_interactive and console.file.isatty()


class _OutputAboveDisplay:
    """Sends all that Python writes to the terminal through rich's console, which redraws the display below it.

    That is `sys.stdout`, `sys.stderr` and the log's handlers, which keep the stream that was `sys.stdout` when logging was
    configured. A stream that is no terminal, such as a file that `2>` names, stays as it is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._streams: dict[str, TextIO] = {}
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._lines: list[_LinesAboveDisplay] = []

    def redirect(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None or not stream.isatty():
                continue
            lines = _LinesAboveDisplay(self._console, stream)
            self._lines.append(lines)
            self._streams[name] = stream
            setattr(sys, name, lines)
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                    self._handlers.append((handler, stream))
                    handler.setStream(lines)

    def restore(self) -> None:
        for handler, stream in self._handlers:
            handler.setStream(stream)
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        for lines in self._lines:
            lines.pass_on()


class _LinesAboveDisplay(io.TextIOBase):
    """A stream whose lines a console prints above its live display.

    Rich's own `FileProxy` breaks lines between words at the width of the terminal; here a path stays in one piece.
    """

    def __init__(self, console: Console, stream: TextIO) -> None:
        self._console = console
        self._stream = stream
        self._rest = ""
        self._is_passed_on = False
        self._lock = threading.RLock()

    @property
    def rich_proxied_file(self) -> IO[str]:
        """The stream below, by the name under which rich's console looks for it."""
        return self._stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own. Click writes to the buffer below a stream without one, past the display."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The stream's own, for the same reason."""
        return self._stream.errors

    def write(self, text: str) -> int:
        """Print whole lines, and keep the rest until it is one."""
        if self._is_passed_on:
            return self._stream.write(text)
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            # Of a line that was written over itself, such as a bar of Keras's, a terminal shows what came last.
            self._console.out(line.rstrip("\r").rsplit("\r", 1)[-1], highlight=False)
        return len(text)

    def flush(self) -> None:
        """Flush the stream below. An unfinished line waits for its end, as the display takes up the line it would be on."""
        self._stream.flush()

    def pass_on(self) -> None:
        """Write straight to the stream below from now on; some library may have kept this object."""
        with self._lock:
            self._is_passed_on = True
            rest, self._rest = self._rest, ""
        if rest:
            self._stream.write(rest)
            self._stream.flush()

    def fileno(self) -> int:
        """The stream's own."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream below is a terminal."""
        return self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

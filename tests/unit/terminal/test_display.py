"""The display by itself: it moves, other output stays whole above it, and nothing of it remains."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fruit_features.terminal import display as display_module
from fruit_features.terminal.display import Counts, Display
from tests.support.terminal import (
    HIDE_CURSOR,
    SHOW_CURSOR,
    TerminalFile,
    lines_on_screen,
    states_of_the_display,
    terminal_console,
)

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger("fruit_features.tests.display")

LONG_LINE = " ".join(["/a folder/of photos/that is wider than a terminal"] * 4)


@pytest.fixture(autouse=True)
def fast_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display_module, "SECONDS_BETWEEN_FRAMES", 0.01)


def written_to(console: Console) -> str:
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return written


def progress_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "progress"]


def test_it_moves_while_the_main_thread_does_something_else() -> None:
    console = terminal_console()
    display = Display(logger, console)
    display.begin("Building the network", place="step 3 of 17")
    display.start()
    time.sleep(1.3)
    display.stop()
    states = states_of_the_display(written_to(console))
    assert len({state[0] for state in states}) > 3, "frames of the spinner"
    assert {state[2:] for state in states} >= {f"Building the network  0:0{seconds}  step 3 of 17" for seconds in (0, 1)}


def test_photos_have_a_bar_and_all_their_numbers_and_the_step_comes_back() -> None:
    console = terminal_console()
    display = Display(logger, console)
    display.begin("Preparing")
    display.start()
    with display.follow(22_688, lambda: Counts(11_344, 12)):
        time.sleep(0.2)
    time.sleep(0.1)
    display.stop()
    states = states_of_the_display(written_to(console))
    assert any("Featurizing photos ━━━━━━━━━━╺━━━━━━━━━ 11,344 of 22,688, 12 rejected, " in state for state in states), states
    assert any(state.endswith(" a second, 0:00 left") for state in states)
    assert "Preparing" in states[-1]


@pytest.mark.parametrize("width", [100, 80, 50, 20])
def test_it_takes_one_line_however_narrow_the_terminal(width: int) -> None:
    console = terminal_console(width)
    display = Display(logger, console).start()
    with display.follow(123_456_789, lambda: Counts(12_345_678, 1_234_567)):
        time.sleep(0.1)
    display.begin("Looking for photos that are not in the feature store", place="step 4 of 17")
    time.sleep(0.1)
    display.stop()
    states = states_of_the_display(written_to(console))
    assert any("Feat" in state for state in states)
    assert max(map(len, states)) <= width
    assert lines_on_screen(written_to(console)) == [""]


def test_lines_of_log_output_and_warnings_stay_whole_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = TerminalFile()
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console(force_terminal=True, force_interactive=True, width=100)
    display = Display(logger, console)
    display.begin("Fitting the PCA")
    display.start()
    logger.warning("log: %s", LONG_LINE)
    sys.stdout.write("printed [bold]in\r" + "100% of pieces, ")
    time.sleep(0.05)
    sys.stdout.write("later\n")
    sys.stderr.write(warnings.formatwarning("a warning of Python's", UserWarning, "module.py", 1))  # as `warnings` does
    sys.stdout.write("unfinished")
    time.sleep(0.05)
    kept = sys.stdout
    display.stop()
    assert (sys.stdout, sys.stderr, handler.stream) == (terminal, terminal, terminal)
    kept.write(", and a library that kept the stream\n")
    shown = lines_on_screen(terminal.getvalue())
    assert shown[:2] == [f"log: {LONG_LINE}", "100% of pieces, later"]
    assert "UserWarning: a warning of Python's" in shown[2]
    assert shown[-1] == "unfinished, and a library that kept the stream"


def test_errors_that_go_to_a_file_still_go_there(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", TerminalFile())
    monkeypatch.setattr(sys, "stderr", errors)
    display = Display(logger, Console(force_terminal=True, force_interactive=True, width=100)).start()
    sys.stderr.write("wrong\n")
    display.stop()
    assert errors.getvalue() == "wrong\n"


def test_what_another_program_writes_covers_it() -> None:
    console = terminal_console()
    display = Display(logger, console)
    display.begin("Starting Spark")
    display.start()
    console.file.write("WARNING: Java writes to the terminal by itself\n")
    time.sleep(0.05)
    display.stop()
    assert lines_on_screen(written_to(console)) == ["WARNING: Java writes to the terminal by itself"]


@pytest.mark.parametrize("end", [Display.stop, Display.interrupt])
def test_nothing_of_it_remains(end: object) -> None:
    console = terminal_console()
    display = Display(logger, console)
    display.begin("Fitting the PCA")
    display.start()
    time.sleep(0.1)
    assert progress_threads() == ["progress"]
    end(display)  # type: ignore[operator]
    display._thread.join(timeout=5)
    assert progress_threads() == []
    written = written_to(console)
    assert lines_on_screen(written) == [""]
    assert written.index(HIDE_CURSOR) < written.index(SHOW_CURSOR)


def test_a_program_that_forgets_it_can_end(tmp_path: Path) -> None:
    program = (
        "import logging; from fruit_features.terminal.display import Display; Display(logging.getLogger()).start(); 1 / 0"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_without_a_terminal_long_steps_and_the_time_they_take_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(display_module, "SECONDS_BETWEEN_LINES", 0.1)
    console = Console(file=io.StringIO())
    with caplog.at_level(logging.INFO, "fruit_features"):
        display = Display(logger, console).start()
        display.begin("Plotting")
        display.begin("Fitting the PCA", is_long=True)
        time.sleep(0.35)
        display.stop()
    assert caplog.messages[:2] == ["Fitting the PCA", "Fitting the PCA: 0:00 so far"]
    assert 2 <= len(caplog.messages) <= 5
    assert written_to(console) == ""


def test_colours_that_are_forced_make_no_terminal_of_a_file(tmp_path: Path) -> None:
    program = """
import logging, time
from fruit_features.terminal.display import Display
display = Display(logging.getLogger()).start()
time.sleep(0.5)
display.stop()
"""
    run = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"FORCE_COLOR": "1"}, capture_output=True, check=True, timeout=60
    )
    assert run.stdout == b""

"""Progress: a live line in a terminal, lines in the log elsewhere, and no thread that outlives the work."""

from __future__ import annotations

import io
import logging
import re
import threading
import time

import pytest
from rich.console import Console

from fruit_features import progress
from fruit_features.progress import Counts, describe, follow


@pytest.mark.parametrize(
    ("total", "counts", "seconds", "line"),
    [
        (22_688, Counts(0, 0), 3.0, "0 of 22,688 photos featurized, 0 of them rejected"),
        (
            22_688,
            Counts(11_344, 12),
            50.0,
            "11,344 of 22,688 photos featurized, 12 of them rejected; 227 a second, 0:00:50 left",
        ),
        (
            1_000_000,
            Counts(1000, 1),
            10.0,
            "1,000 of 1,000,000 photos featurized, 1 of them rejected; 100 a second, 2:46:30 left",
        ),
        (100, Counts(120, 3), 10.0, "100 of 100 photos featurized, 3 of them rejected; 10 a second, 0:00:00 left"),
        (100, Counts(100, 3), None, "100 of 100 photos featurized, 3 of them rejected"),
    ],
)
def test_a_line_says_how_far_and_how_fast(total: int, counts: Counts, seconds: float | None, line: str) -> None:
    assert describe(total, counts, seconds) == line


def test_a_terminal_shows_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0.01)
    screen = io.StringIO()
    counts = Counts(0, 0)
    with follow(80, lambda: counts, Console(file=screen, force_terminal=True, width=100)):
        for done in range(0, 60, 10):
            counts = Counts(done, 7)
            time.sleep(0.05)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert re.search(r"50/80 +photos +[0-9,]+ a second, .* left, 7 rejected", shown)


def test_without_a_terminal_there_are_lines_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.02)
    screen = io.StringIO()
    with caplog.at_level(logging.INFO, "fruit_features"), follow(80, lambda: Counts(50, 7), Console(file=screen)):
        time.sleep(0.2)
    assert len(caplog.messages) > 1
    assert caplog.messages[0].startswith("50 of 80 photos featurized, 7 of them rejected; ")
    assert screen.getvalue() == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_work_that_fails_leaves_no_thread(is_terminal: bool) -> None:
    with (
        pytest.raises(OSError, match="power cut"),
        follow(80, lambda: Counts(0, 0), Console(file=io.StringIO(), force_terminal=is_terminal)),
    ):
        raise OSError("power cut")
    assert "progress" not in {thread.name for thread in threading.enumerate()}

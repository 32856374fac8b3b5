"""Progress: a live line in a terminal, lines in the log elsewhere, and no thread that outlives the work."""

from __future__ import annotations

import io
import logging
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.framework.project import pipelines
from rich.console import Console

from fruit_features.hooks.progress import LONG_NODES, NODE_WORDS, ProgressHooks
from fruit_features.terminal import display as display_module
from fruit_features.terminal.progress import Counts, describe, follow
from tests.support.terminal import (
    HIDE_CURSOR,
    SHOW_CURSOR,
    kedro_run_in_a_terminal,
    lines_on_screen,
    states_of_the_display,
    terminal_console,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pexpect

    from tests.support.photos import PhotoTree
    from tests.support.project_copy import DemoRun

pytest_plugins = ["tests.support.project_copy"]


def progress_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "progress"]


# --- photos -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "counts", "seconds", "line"),
    [
        (22_688, Counts(0, 0), 3.0, "0 of 22,688 photos featurized, 0 of them rejected"),
        (
            22_688,
            Counts(11_344, 12),
            50.0,
            "11,344 of 22,688 photos featurized, 12 of them rejected; 227 a second, 0:50 left",
        ),
        (
            1_000_000,
            Counts(1000, 1),
            10.0,
            "1,000 of 1,000,000 photos featurized, 1 of them rejected; 100 a second, 2:46:30 left",
        ),
        (100, Counts(120, 3), 10.0, "100 of 100 photos featurized, 3 of them rejected; 10.0 a second, 0:00 left"),
        (100, Counts(100, 3), None, "100 of 100 photos featurized, 3 of them rejected"),
        (1, Counts(1, 0), None, "1 of 1 photo featurized, 0 of them rejected"),
    ],
)
def test_a_line_says_how_far_and_how_fast(total: int, counts: Counts, seconds: float | None, line: str) -> None:
    assert describe(total, counts, seconds) == line


def test_a_terminal_shows_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display_module, "SECONDS_BETWEEN_FRAMES", 0.01)
    console = terminal_console()
    counts = Counts(0, 0)
    with follow(80, lambda: counts, console):
        for done in range(0, 60, 10):
            counts = Counts(done, 7)
            time.sleep(0.05)
    states = states_of_the_display(console.file.getvalue())  # type: ignore[attr-defined]
    assert re.search(r"━ 50 of 80, 7 rejected, [0-9,.]+ a second, 0:00 left$", states[-1])


def test_without_a_terminal_there_are_lines_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(display_module, "SECONDS_BETWEEN_FRAMES", 0.01)
    monkeypatch.setattr(display_module, "SECONDS_BETWEEN_LINES", 0.02)
    screen = io.StringIO()
    with caplog.at_level(logging.INFO, "fruit_features"), follow(80, lambda: Counts(50, 7), Console(file=screen)):
        time.sleep(0.2)
    assert len(caplog.messages) > 1
    assert caplog.messages[0].startswith("50 of 80 photos featurized, 7 of them rejected; ")
    assert screen.getvalue() == ""


@pytest.mark.parametrize("console", [terminal_console(), Console(file=io.StringIO())], ids=["terminal", "file"])
def test_work_that_fails_leaves_no_thread(console: Console) -> None:
    with pytest.raises(OSError, match="power cut"), follow(80, lambda: Counts(0, 0), console):
        raise OSError("power cut")
    assert progress_threads() == []


# --- hooks ------------------------------------------------------------------------------------------------------------


class FailsBeforeTheRun:
    """Another hook, of which Kedro tells nobody that it failed."""

    @hook_impl
    def before_pipeline_run(self) -> None:
        assert progress_threads() == ["progress"]
        raise FileNotFoundError("no such folder")


def hooks_with(*others: object) -> Any:
    manager = _create_hook_manager()
    for hooks in (ProgressHooks(), *others):
        manager.register(hooks)
    return manager.hook


def start(hook: Any) -> None:
    hook.before_pipeline_run(run_params={}, pipeline=pipelines["__default__"], catalog=None)


def test_every_node_is_said_in_words_and_no_other() -> None:
    assert {node.name for pipeline in pipelines.values() for node in pipeline.nodes} == set(NODE_WORDS)
    assert set(NODE_WORDS) >= LONG_NODES


def test_a_hook_that_fails_after_the_display_began_ends_it() -> None:
    with pytest.raises(FileNotFoundError):
        start(hooks_with(FailsBeforeTheRun()))
    assert progress_threads() == []


@pytest.mark.parametrize("how", ["after_pipeline_run", "on_pipeline_error"])
def test_a_run_that_ended_leaves_no_thread_and_ctrl_c_as_it_was(how: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    hook = hooks_with()
    start(hook)
    assert progress_threads() == ["progress"]
    assert signal.getsignal(signal.SIGINT) is not before
    if how == "after_pipeline_run":
        hook.after_pipeline_run(run_params={}, run_result={}, pipeline=None, catalog=None)
    else:
        hook.on_pipeline_error(error=OSError(), run_params={}, pipeline=None, catalog=None)
    assert progress_threads() == []
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_the_display_without_a_word_from_kedro() -> None:
    hook = hooks_with()
    start(hook)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    for thread in threading.enumerate():
        if thread.name == "progress":
            thread.join(timeout=5)
    assert progress_threads() == []
    with follow(80, lambda: Counts(50, 7)):
        assert progress_threads() == ["progress"], "what is followed without a run has a display of its own"
    start(hook)  # in a notebook, the next run
    assert progress_threads() == ["progress"]
    hook.after_pipeline_run(run_params={}, run_result={}, pipeline=None, catalog=None)


def test_photos_of_a_run_are_followed_in_its_display() -> None:
    hook = hooks_with()
    start(hook)
    with follow(80, lambda: Counts(50, 7)):
        assert progress_threads() == ["progress"], "one thread, not two"
    hook.after_pipeline_run(run_params={}, run_result={}, pipeline=None, catalog=None)


# --- whole runs -------------------------------------------------------------------------------------------------------


def test_a_run_in_a_terminal_shows_what_it_does_from_beginning_to_end(photo_tree: PhotoTree, tmp_path: Path) -> None:
    moments: dict[str, float] = {}
    started = time.monotonic()

    def note_the_first_line(child: pexpect.spawn[str]) -> None:
        child.expect("Starting Spark")
        moments["display"] = time.monotonic() - started
        child.expect("Listing the photos")
        moments["listing"] = time.monotonic() - started

    session = kedro_run_in_a_terminal(f"images_root={photo_tree.root},output_root={tmp_path}", note_the_first_line)
    assert session.exit_code == 0, session.written
    states = states_of_the_display(session.written)
    assert moments["display"] < moments["listing"] - 0.5, "it appears before Spark has started"
    for words in ("Starting Spark", "Listing the photos", "Building the network", "Fitting the PCA"):
        frames = {state for state in states if words in state}
        is_built_ahead = words == "Building the network"  # then little of it is left when its turn comes
        assert len(frames) > (1 if is_built_ahead else 3), f"{words!r} moves"
    with_bar = [state for state in states if "Featurizing photos ━" in state]
    n_photos = photo_tree.n_photos
    assert any(re.search(rf" \d+ of {n_photos}, \d rejected, [\d.]+ a second, 0:\d\d left$", state) for state in with_bar)
    shown = lines_on_screen(session.written)
    summary = [line.split() for line in shown].index(["photos", "listed", str(photo_tree.n_photos)])
    log = [line for line in shown[:summary] if line and "incubator" not in line]
    assert [line for line in log if not re.match(r"\d\d:\d\d:\d\d [A-Z]+ ", line)] == [], "nothing of the display remains"
    assert any(line.endswith(f" {n_photos} photos to featurize") for line in log)
    assert shown[-1] == f"Open {tmp_path}/08_reporting/report.html in a browser."
    assert session.written.count(HIDE_CURSOR) == session.written.count(SHOW_CURSOR) == 1


def test_a_run_without_a_terminal_logs_the_same_without_escape_codes(demo_run: DemoRun) -> None:
    assert "\x1b" not in demo_run.said
    assert "\r" not in demo_run.said
    said = iter(re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in demo_run.said.splitlines())
    for line in (
        "INFO    Starting Spark",
        "INFO    Listing the photos",
        "INFO    Building efficientnet_lite0 with weights imagenet, once",
        "INFO    240 photos to featurize",
        "INFO    240 of 240 photos featurized, 0 of them rejected",
        "INFO    Fitting the PCA",
        "INFO    Projecting the features on the components",
    ):
        assert line in said, f"{line!r} was not said, or not in this order:\n{demo_run.said}"


def test_ctrl_c_in_a_terminal_leaves_it_clean(photo_tree: PhotoTree, tmp_path: Path) -> None:
    def press_ctrl_c(child: pexpect.spawn[str]) -> None:
        child.expect("Listing the photos")
        child.sendintr()

    session = kedro_run_in_a_terminal(f"images_root={photo_tree.root},output_root={tmp_path}", press_ctrl_c)
    assert session.exit_code == 130, session.written
    shown = [line for line in lines_on_screen(session.written) if line and "incubator" not in line]
    assert shown == [
        "Stopped. Photos that runs have featurized stay in the feature store: the same command goes on from there."
    ]
    assert session.written.count(HIDE_CURSOR) == session.written.count(SHOW_CURSOR) == 1


def test_an_error_in_a_terminal_is_shown_whole(tmp_path: Path) -> None:
    session = kedro_run_in_a_terminal(f"images_root={tmp_path}/absent,output_root={tmp_path}")
    assert session.exit_code == 1
    shown = [line for line in lines_on_screen(session.written) if line]
    assert len(shown) == 2, shown
    assert shown[0].startswith(f"Error: images_root={tmp_path}/absent: there is no such folder.")
    assert session.written.count(HIDE_CURSOR) == session.written.count(SHOW_CURSOR)

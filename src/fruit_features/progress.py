"""The display of a run, from before Spark starts until the last node ends: which step it is at, and how far the photos are."""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.display import Counts, Display, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from rich.console import Console

__all__ = ["Counts", "ProgressHooks", "describe", "follow", "seconds_since_start"]

logger = logging.getLogger(__name__)

STARTING_SPARK = "Starting Spark"

NODE_WORDS = {
    "list_photos": "Listing the photos",
    "match_network": "Comparing the network with that of the PCA model",
    "sample_calibration_photos": "Choosing photos to calibrate the network on",
    "build_network": "Building the network",
    "find_pending_photos": "Looking for photos that are not in the feature store",
    "featurize_photos": "Preparing to featurize photos",
    "select_features": "Taking the features out of the feature store",
    "fit_pca": "Fitting the PCA",
    "project_features": "Projecting the features on the components",
    "sort_for_csv": "Writing the CSV file",
    "account_for_photos": "Counting the photos",
    "plot_scree": "Plotting the explained variance",
    "plot_scatter": "Plotting the photos on the components",
    "plot_class_counts": "Plotting the labels",
    "plot_rejects_by_reason": "Plotting the reasons of the rejected photos",
    "measure_quality": "Measuring how well labels are told apart",
    "make_contact_sheet": "Choosing photos for the report",
    "render_report": "Writing the report",
    "compact_store": "Compacting the feature store",
    "vacuum_store": "Vacuuming the feature store",
}
"""What a node does, in words for somebody who has not seen the code. A node that is not here is shown by its name."""

LONG_NODES = frozenset({"list_photos", "fit_pca", "project_features", "compact_store", "vacuum_store"})
"""Nodes that take long if there are many photos. `build_network` and `featurize_photos` write their own lines to the log."""

_display: Display | None = None
"""The display of the run that is going on."""

_started: float | None = None
"""When the last run started, by `time.monotonic`."""


def seconds_since_start() -> float | None:
    """Count the seconds since the last run of this process read its settings, or None if there was no run."""
    return None if _started is None else time.monotonic() - _started


@contextmanager
def follow(total: int, count: Callable[[], Counts], console: Console | None = None) -> Iterator[None]:
    """Show how far the work in the `with` block is: in the display of the run, or in one of its own where there is none.

    Args:
        total: Photos to do.
        count: Asked again and again.
        console: For a display of its own in any case.

    """
    if _display is not None and _display.is_shown and console is None:
        with _display.follow(total, count):
            yield
        return
    display = Display(logger, console)
    with display.follow(total, count):
        display.start()
        try:
            yield
        finally:
            display.stop()


class ProgressHooks:
    """Shows a display during a run, and ends it however the run ends."""

    def __init__(self) -> None:
        self._node_places: dict[str, str] = {}
        self._node_name: str | None = None
        self._restore_ctrl_c: Callable[[], None] | None = None

    @hook_impl
    def after_context_created(self) -> None:
        """Note the time: this is the first thing that Kedro tells its hooks."""
        global _started  # noqa: PLW0603 - a run is one of a process, as its Spark session is
        _started = time.monotonic()

    @hook_impl(wrapper=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> Generator[None, Any, Any]:
        """Show the display around the other hooks, which check folders and start Spark.

        Kedro calls no hook when one of them fails, so the display is ended here.
        """
        global _display  # noqa: PLW0603 - where `follow` finds it
        self._end()
        n_nodes = len(pipeline.nodes)
        self._node_places = {node.name: f"step {number} of {n_nodes}" for number, node in enumerate(pipeline.nodes, start=1)}
        self._node_name = None
        _display = Display(logger)
        _display.begin(STARTING_SPARK, is_long=True)
        _display.start()
        try:
            result = yield
        except BaseException:
            self._end()
            raise
        self._restore_ctrl_c = _end_on_ctrl_c(_display)
        return result

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node begins with its first input."""
        self._show(node)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Or here, if it has none."""
        self._show(node)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """End the display before the summary is printed."""
        self._end()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """End the display before the error is printed."""
        self._end()

    def _show(self, node: Node) -> None:
        if _display is not None and node.name != self._node_name:
            self._node_name = node.name
            words = NODE_WORDS.get(node.name) or node.name.replace("_", " ").capitalize()
            _display.begin(words, place=self._node_places.get(node.name, ""), is_long=node.name in LONG_NODES)

    def _end(self) -> None:
        global _display  # noqa: PLW0603
        if self._restore_ctrl_c is not None:
            self._restore_ctrl_c()
            self._restore_ctrl_c = None
        if _display is not None:
            _display.stop()
            _display = None


def _end_on_ctrl_c(display: Display) -> Callable[[], None] | None:
    """Let Ctrl-C end the display and then do what it did before, as Kedro calls no hook when a run is interrupted.

    Returns:
        What takes this back, or None where Ctrl-C does not reach this thread.

    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        return None

    def end_display(number: int, frame: Any) -> None:
        display.interrupt()
        before(number, frame)

    def restore() -> None:
        if signal.getsignal(signal.SIGINT) is end_display:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end_display)
    return restore

"""A run shows which step it is at, from before Spark starts until its last node ends."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.terminal.display import Display
from fruit_features.terminal.progress import current_run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

LOOKING_FOR_CHANGES = "Looking for changes since the last run"
STARTING_SPARK = "Starting Spark"

NODE_WORDS = {
    "list_photos": "Listing the photos",
    "match_network": "Comparing the network with that of the PCA model",
    "sample_calibration_photos": "Choosing photos to calibrate the network on",
    "build_network": "Building the network",
    "find_pending_photos": "Looking for photos that are not in the feature store",
    "featurize_photos": "Preparing to featurize photos",
    "collect_outcomes": "Looking up what became of each photo",
    "count_outcomes": "Counting the featurized photos",
    "fit_pca": "Fitting the PCA",
    "project_features": "Projecting the features on the components",
    "sort_for_csv": "Writing the CSV file",
    "list_rejects": "Writing the table of rejected photos",
    "account_for_photos": "Counting the photos",
    "find_neighbours": "Looking for the nearest neighbours of each photo",
    "find_copies": "Looking for copies",
    "find_label_issues": "Looking for doubtful labels",
    "collect_findings": "Looking for outliers and odd photos",
    "suggest_corrections": "Writing the sheet of corrections",
    "apply_corrections": "Applying corrections",
    "plot_scree": "Plotting the explained variance",
    "plot_scatter": "Plotting the photos on the components",
    "plot_class_counts": "Plotting the labels",
    "plot_rejects_by_reason": "Plotting the reasons of the rejected photos",
    "measure_quality": "Measuring how well labels are told apart",
    "plot_confusion": "Plotting which labels are confused",
    "make_contact_sheet": "Choosing photos for the report",
    "choose_found_photos": "Choosing findings for the report",
    "lay_out_photos": "Laying photos out on a map",
    "plot_photo_map": "Plotting the map",
    "shrink_photos": "Shrinking the photos of the report",
    "render_report": "Writing the report",
    "compact_store": "Compacting the feature store",
    "compact_index": "Compacting the photo index",
    "embed_components": "Writing the components as embeddings",
    "embed_features": "Writing the features as embeddings",
    "vacuum_store": "Vacuuming the feature store",
}
"""What a node does, in words for users. A node that is not here is shown by its name."""

LONG_NODES = frozenset({"list_photos", "fit_pca", "project_features", "compact_store", "vacuum_store", "embed_features"})
"""Nodes that take long if there are many photos. `build_network` and `featurize_photos` write their own lines to the log."""


class ProgressHooks:
    """Shows a display during a run, and ends it however the run ends."""

    def __init__(self) -> None:
        self._node_places: dict[str, str] = {}
        self._node_name: str | None = None
        self._restore_ctrl_c: Callable[[], None] | None = None

    @hook_impl
    def after_context_created(self) -> None:
        """Note the time: this is the first thing that Kedro tells its hooks."""
        current_run.start_clock()

    @hook_impl(wrapper=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> Generator[None, Any, Any]:
        """Show the display around the other hooks, which check folders and start Spark.

        Kedro calls no hook when one of them fails, so the display is ended here.
        """
        self._end()
        n_nodes = len(pipeline.nodes)
        self._node_places = {node.name: f"step {number} of {n_nodes}" for number, node in enumerate(pipeline.nodes, start=1)}
        self._node_name = None
        display = current_run.display = Display(logger)
        display.begin(LOOKING_FOR_CHANGES)
        display.start()
        try:
            result = yield
        except BaseException:
            self._end()
            raise
        self._restore_ctrl_c = _end_on_ctrl_c(display)
        return result

    @hook_impl(specname="before_pipeline_run")
    def there_is_something_to_do(self) -> None:
        """Go on with the display: the hook that may end the run at once has been called before this one."""
        if current_run.display is not None:
            current_run.display.begin(STARTING_SPARK, is_long=True)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node begins with its first input."""
        self._show(node)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """A node without inputs begins when it is run."""
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
        if current_run.display is not None and node.name != self._node_name:
            self._node_name = node.name
            words = NODE_WORDS.get(node.name) or node.name.replace("_", " ").capitalize()
            current_run.display.begin(words, place=self._node_places.get(node.name, ""), is_long=node.name in LONG_NODES)

    def _end(self) -> None:
        if self._restore_ctrl_c is not None:
            self._restore_ctrl_c()
            self._restore_ctrl_c = None
        if current_run.display is not None:
            current_run.display.stop()
            current_run.display = None


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

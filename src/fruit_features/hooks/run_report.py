"""Every run leaves a report of itself."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.terminal import summary
from fruit_features.terminal.progress import current_run

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline.node import Node

_PLACES_SHOWN = ("pca_features_csv", "rejected_images", "explained_variance", "report")

_REPORTED_PACKAGES = ("fruit-features", "kedro", "openvino", "numpy", "scikit-learn", "pillow", "pyarrow")


class RunReportHooks:
    """Times every node, saves `run_report` after a run that accounted for its photos, and completes the `report`.

    What is counted, timed and named is what this run did: nothing is taken over from a run before.
    """

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._forget()

    def _forget(self) -> None:
        self._photo_counts: dict[str, Any] | None = None
        self._featurization_counts: dict[str, int] | None = None
        self._page: str | None = None
        self._fingerprint: str | None = None
        self._node_spans: dict[str, list[float]] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters for the report, and where its tables lie."""
        self._parameters = context.config_loader["parameters"]
        catalog = context.config_loader["catalog"]
        self._places = {name: catalog[name]["filepath"] for name in _PLACES_SHOWN}

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Forget the run before."""
        self._forget()

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node's time begins with its first input."""
        now = time.perf_counter()
        self._node_spans.setdefault(node.name, [now, now])

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Note which network the results are of."""
        if dataset_name == "photo_counts":
            self._fingerprint = data.get("fingerprint")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """A node's time ends with its last output: Spark does the work while it saves."""
        self._node_spans[node.name][1] = time.perf_counter()
        if dataset_name == "photo_counts":
            self._photo_counts, self._fingerprint = data, data["fingerprint"]
        if dataset_name == "featurization_counts":
            self._featurization_counts = data
        if dataset_name == "report":
            self._page = data

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol[str, Any]) -> None:
        """Save what the run did, put it into the page that the run drew, and say what came out."""
        run_report = self._describe_run(run_params.get("pipeline_names") or ["__default__"])
        if self._photo_counts is not None:
            catalog.save("run_report", run_report)
        if self._page is not None:
            from fruit_features.pipelines.reporting.report import complete_report

            catalog.save("report", complete_report(self._page, run_report))
        if self._photo_counts is not None:
            places = dict(self._places)
            if self._page is None:  # what lies there is the page of an earlier run
                del places["report"]
            summary.show(run_report, places, seconds=current_run.seconds())

    def _describe_run(self, pipeline_names: list[str]) -> dict[str, Any]:
        """Describe this run; None stands for what it did not count."""
        import pyspark

        seconds = {name: round(end - start, 3) for name, (start, end) in self._node_spans.items()}
        featurizing = seconds.get("featurize_photos", 0.0)
        counted = (self._featurization_counts or {}) | (self._photo_counts or {})
        listed, featurized = counted.get("listed"), counted.get("featurized", 0)
        return {
            "counts": {
                "listed": listed,
                "featurized": featurized,
                "reused": counted.get("reused", listed),  # a run that featurized nothing took everything
                "rejected": counted.get("rejected"),
                "exported": counted.get("exported"),
            },
            "rejected_by_reason": counted.get("rejected_by_reason"),
            "components": counted.get("components"),
            "pipelines": pipeline_names,
            "seconds_per_node": seconds,
            "images_per_second": round(featurized / featurizing, 1) if featurizing else 0.0,
            "fingerprint": self._fingerprint,
            "parameters": self._parameters,
            "versions": {"python": platform.python_version(), "pyspark": pyspark.__version__}  # a cluster brings its own
            | {name: importlib.metadata.version(name) for name in _REPORTED_PACKAGES},
        }

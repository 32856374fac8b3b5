"""Every run leaves a report of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.pipelines.reporting.run_record import RunRecord
from fruit_features.terminal import summary
from fruit_features.terminal.progress import current_run

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline.node import Node

_PLACES_SHOWN = ("pca_features_csv", "rejected_images", "explained_variance", "report")


class RunReportHooks:
    """Times every node, saves `run_report` after a run that accounted for its photos, and says in the terminal what came out.

    While the run lasts, its record is in the catalog as `run_record`, for the page that the reporting pipeline writes.
    """

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._record = RunRecord({}, [])
        self._has_drawn_the_page = False

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters for the report, and where its tables lie."""
        self._parameters = context.config_loader["parameters"]
        catalog = context.config_loader["catalog"]
        self._places = {name: catalog[name]["filepath"] for name in _PLACES_SHOWN}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol[str, Any]) -> None:
        """Begin a new record."""
        self._record = RunRecord(self._parameters, run_params.get("pipeline_names") or ["__default__"])
        self._has_drawn_the_page = False
        catalog.save("run_record", self._record)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node's time begins with its first input."""
        self._record.begin(node.name)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Note which network the results are of."""
        if dataset_name == "photo_counts":
            self._record.fingerprint = data.get("fingerprint")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """A node's time ends with its last output."""
        self._record.end(node.name)
        if dataset_name == "photo_counts":
            self._record.photo_counts, self._record.fingerprint = data, data["fingerprint"]
        if dataset_name == "featurization_counts":
            self._record.featurization_counts = data
        if dataset_name == "report":
            self._has_drawn_the_page = True

    @hook_impl
    def after_pipeline_run(self, catalog: CatalogProtocol[str, Any]) -> None:
        """Save what the run did, and say what came out."""
        if not self._record.photo_counts:
            return
        run_report = self._record.describe()
        catalog.save("run_report", run_report)
        # A page that this run has not drawn is that of an earlier run.
        places = {name: place for name, place in self._places.items() if name != "report" or self._has_drawn_the_page}
        summary.show(run_report, places, seconds=current_run.seconds())

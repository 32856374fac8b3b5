"""Every run leaves a report of itself."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import catalog_entries, places
from fruit_features.photos.tree import is_hidden, kind_of_other
from fruit_features.pipelines.reporting.run_record import RunRecord
from fruit_features.terminal import summary
from fruit_features.terminal.progress import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline.node import Node

_PLACES_SHOWN = ("pca_features_csv", "rejected_images", "explained_variance", "metadata_mismatches", "report")

_MAX_KINDS = 100
"""Kinds of files left out that the report names: files without an ending may all have names of their own."""

_OTHER_KINDS = "others"


class RunReportHooks:
    """Times every node, saves `run_report` after a run that accounted for its photos, and says in the terminal what came out.

    While the run lasts, its record is in the catalog as `run_record`, for the page that the reporting pipeline writes.
    """

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._record = RunRecord({}, [])
        self._has_drawn_the_page = False
        self._catalog: CatalogProtocol[str, Any] | None = None
        self._metadata: str | None = None  # file_name of the table of labels, if it lies among the photos

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters for the report, and where its tables lie."""
        self._parameters = context.config_loader["parameters"]
        catalog = catalog_entries(context)
        self._places = {name: catalog[name]["filepath"] for name in _PLACES_SHOWN}
        self._metadata = _name_below(places(context))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol[str, Any]) -> None:
        """Begin a new record."""
        self._record = RunRecord(self._parameters, run_params.get("pipeline_names") or ["__default__"])
        self._has_drawn_the_page = False
        self._catalog = catalog
        catalog.save("run_record", self._record)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node's time begins with its first input."""
        self._record.begin(node.name)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Note which network the results are of, and what was left out of the listing."""
        if dataset_name == "photo_counts":
            self._record.fingerprint = data.get("fingerprint")
        if dataset_name == "images" and self._catalog is not None:
            self._record.left_out = _describe_left_out(self._catalog["images"].left_out, self._metadata)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """A node's time ends with its last output."""
        self._record.end(node.name)
        if dataset_name == "photo_counts":
            self._record.photo_counts, self._record.fingerprint = data, data["fingerprint"]
        if dataset_name == "featurization_counts":
            self._record.featurization_counts = data
        if dataset_name == "listing_counts":
            self._record.listing_counts = data
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


def _name_below(places: Mapping[str, str]) -> str | None:
    """Name of the table of labels below the folder of photos; None if it does not lie there, or there is no table."""
    if "metadata" not in places:
        return None
    folder, table = f"{_normalised(places['images']).rstrip('/')}/", _normalised(places["metadata"])
    return table.removeprefix(folder) if table.startswith(folder) else None


def _normalised(place: str) -> str:
    return place if "://" in place else os.path.normpath(place)


def _describe_left_out(left_out: Counter[str] | None, metadata: str | None) -> dict[str, int] | None:
    """Count what is left out of a listing, without the table of labels: that is in use.

    Args:
        left_out: How many there are of each kind; None if that is not known.
        metadata: The table of labels, as a path below the folder of photos, or None.

    Returns:
        Numbers by kind, the largest first, and one for all kinds that are not among the first.

    """
    if left_out is None:
        return None
    others = Counter(left_out)
    if metadata is not None and not any(map(is_hidden, metadata.split("/")[:-1])):  # a hidden folder is counted as one
        others[kind_of_other(metadata)] -= 1
    ordered = (+others).most_common()
    n_more = sum(count for _, count in ordered[_MAX_KINDS:])
    return dict(ordered[:_MAX_KINDS]) | ({_OTHER_KINDS: n_more} if n_more else {})

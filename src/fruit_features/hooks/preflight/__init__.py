"""Checks before Spark starts: a run that could not end well is refused, with what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import catalog_entries, places
from fruit_features.hooks.preflight.buckets import check_buckets
from fruit_features.hooks.preflight.metadata import check_metadata, check_place_of_metadata
from fruit_features.hooks.preflight.photos import check_photos
from fruit_features.hooks.preflight.stage_inputs import StageInputs
from fruit_features.hooks.preflight.write_access import check_write_access
from fruit_features.hooks.saved_files import check_saved_files
from fruit_features.photos.tree import glob_to_regex

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters


class PreflightHooks:
    """Looks at folders, buckets and saved tables before a run, the cheapest first."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._is_photo = glob_to_regex("*")
        self._parameters: FeaturizationParameters | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where photos and tables lie, and the parameters.

        Raises:
            ValueError: The catalog reads another table of labels than the parameters name.

        """
        catalog = catalog_entries(context)
        self._places = places(context)
        self._is_photo = glob_to_regex(catalog["images"]["load_args"]["pathGlobFilter"])
        self._parameters = context.params["featurization"]
        check_place_of_metadata(catalog, context.params["ingestion"])

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
        """Check what this pipeline reads and writes.

        Raises:
            OSError: A folder cannot be read from, or written to.
            ObjectStoreError: A bucket cannot.
            DatasetError: The table of labels cannot be used.
            ValueError: What lies there does not fit, or is damaged.

        """
        assert self._parameters is not None
        check_photos(pipeline, self._places, self._is_photo)
        check_buckets(pipeline, self._places)
        check_metadata(pipeline, catalog)
        check_write_access(pipeline, self._places)
        check_saved_files(pipeline, self._places)
        StageInputs(self._places, self._parameters).check(pipeline, catalog)

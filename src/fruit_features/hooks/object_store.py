"""Buckets are looked at before Spark starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from fruit_features.storage import object_store

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline


class ObjectStoreHooks:
    """Refuses roots on S3 that are missing or closed, before Spark starts."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where photos and results are."""
        catalog = context.config_loader["catalog"]
        output_root = catalog["feature_store"]["filepath"].rsplit("/", 2)[0]
        self._roots = {"images": catalog["images"]["filepath"], "output": output_root}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Read a photo and write an empty object, where they are on S3.

        Raises:
            ObjectStoreError: One of them is refused.

        """
        images, output = self._roots["images"], self._roots["output"]
        if "images" in pipeline.inputs() and images.startswith(object_store.PROTOCOLS):
            object_store.check_readable(images)
        if output.startswith(object_store.PROTOCOLS):
            object_store.check_writable(output)

"""Buckets: whether photos can be read from them, and results written to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fruit_features.storage import object_store

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline


def check_buckets(pipeline: Pipeline, places: dict[str, str]) -> None:
    """Read a photo and write an empty object, where photos and results are on S3.

    Raises:
        ObjectStoreError: One of them is refused.

    """
    images, output = places["images"], places["feature_store"].rsplit("/", 2)[0]
    if "images" in pipeline.inputs() and images.startswith(object_store.PROTOCOLS):
        object_store.check_readable(images)
    if output.startswith(object_store.PROTOCOLS):
        object_store.check_writable(output)

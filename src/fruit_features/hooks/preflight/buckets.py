"""Buckets: whether photos can be read from them, and results written to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fruit_features.datasets.manifest import is_manifest
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
        if is_manifest(images):
            _check_manifest(images)
        else:
            object_store.check_readable(images)
    if output.startswith(object_store.PROTOCOLS):
        object_store.check_writable(output)


def _check_manifest(manifest: str) -> None:
    bucket, key = object_store.split_object(manifest)
    place = f"images_root={manifest}"

    def look() -> None:
        if not object_store.call("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents"):
            raise object_store.ObjectStoreError(
                f"{place}: there is no such manifest. Name a table that lists photos, or a prefix that holds them: --params "
                "images_root=s3a://BUCKET/PREFIX"
            )

    object_store.explain(place, "read", "s3:ListBucket and s3:GetObject", look)

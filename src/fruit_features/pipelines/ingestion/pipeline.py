"""The ingestion pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.ingestion.nodes import list_photos


def create_pipeline() -> Pipeline:
    """Folder of images, and a table of labels if there is one, to a listing of photos."""
    return Pipeline(
        [
            node(
                list_photos,
                inputs=["images", "metadata", "params:ingestion"],
                outputs=["photos", "metadata_mismatches", "listing_counts"],
                name="list_photos",
            )
        ],
        tags="ingestion",
    )

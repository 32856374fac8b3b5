"""The ingestion pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.ingestion.nodes import list_photos


def create_pipeline() -> Pipeline:
    """Folder of images to a listing of photos."""
    return Pipeline([node(list_photos, inputs="images", outputs="photos", name="list_photos")], tags="ingestion")

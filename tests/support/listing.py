"""Listings of photos, as the ingestion pipeline makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fruit_features.pipelines.ingestion.nodes import list_photos
from fruit_features.pipelines.ingestion.parameters import IngestionParameters

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def list_by_folder(images: DataFrame) -> DataFrame:
    """The listing with the default parameters: the label is the name of the folder."""
    parameters = IngestionParameters(label_pattern=None, metadata=None, metadata_must_match=False)
    photos, _, _ = list_photos(images, None, parameters)
    return photos

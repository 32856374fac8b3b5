"""Thumbnails of all photos that the page shows; each of them is read once."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.photos.reading import PhotoReader
from fruit_features.pipelines.reporting.tables import table_of_paths
from fruit_features.spark.arrow_tables import from_arrow
from fruit_features.spark.thumbnails import THUMBNAIL_SCHEMA, PhotoShrinker


def shrink_photos(
    featurized_photos: DataFrame,
    photo_reader: PhotoReader,
    contact_sheet: pd.DataFrame,
    found_photos: pd.DataFrame,
    map_photos: pd.DataFrame,
) -> pd.DataFrame:
    """Read the photos that the page shows, and shrink them.

    No rejected photo is read: it could not be decoded, and it might take a decoder down with it.

    Args:
        featurized_photos: What became of each listed photo: path, length, and error, or null for an exported one.
        photo_reader: Reads the photos, on the workers.
        contact_sheet: path.
        found_photos: path, compared_with.
        map_photos: path.

    Returns:
        path, thumbnail (JPEG, or None if the photo is gone), in the order of their paths.

    """
    session = featurized_photos.sparkSession
    shown = [contact_sheet["path"], found_photos["path"], found_photos["compared_with"], map_photos["path"]]
    wanted = table_of_paths(session, pd.concat(shown))
    exported = featurized_photos.where(F.col("error").isNull()).select("path", "length")
    # They are spread anew: a table of few files would be read by few workers.
    files = from_arrow(session, exported.join(wanted, "path").toArrow().sort_by("path"))
    thumbnails: pd.DataFrame = files.mapInArrow(PhotoShrinker(photo_reader), THUMBNAIL_SCHEMA).toArrow().to_pandas()
    return thumbnails.sort_values("path", ignore_index=True)

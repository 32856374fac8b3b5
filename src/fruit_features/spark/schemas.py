"""Schemas of the tables that this process has loaded: Spark would start a job to read one of them again from a file.

A schema is remembered along with when the table was completed, so that it is not taken for that of another table which has
taken its place, in this process or another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from fruit_features.spark.folder import SparkFolder

_seen: dict[str, tuple[int, StructType]] = {}


def load_with_schema(folder: SparkFolder, load: Callable[[StructType | None], DataFrame]) -> DataFrame:
    """Load the table in a folder, by its schema if that is known.

    Args:
        folder: The folder.
        load: Loads it, by this schema; it is given None if the schema is not known, or may be another by now.

    """
    completed = folder.completed_at()  # before it is loaded: another table may take its place meanwhile
    seen_at, schema = _seen.get(folder.path, (None, None))
    if completed is None or completed != seen_at:
        loaded = load(None)
        if completed is not None:
            _seen[folder.path] = completed, loaded.schema
        return loaded
    return load(schema)

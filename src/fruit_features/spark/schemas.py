"""Schemas of the tables that this process has loaded: Spark would start a job to read one of them again from a file.

A schema is remembered along with when the table was completed, so that it is not taken for that of another table which has
taken its place, in this process or another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

    from fruit_features.spark.folder import SparkFolder

_seen: dict[str, tuple[int, StructType]] = {}


def recall_schema(folder: SparkFolder) -> StructType | None:
    """Recall the schema of the table in a folder; None if it has to be read, as it is not known or may be another by now."""
    completed, schema = _seen.get(folder.path, (None, None))
    return schema if schema is not None and completed == folder.completed_at() else None


def note_schema(folder: SparkFolder, schema: StructType) -> None:
    """Remember the schema of the table in a folder, if that is complete."""
    completed = folder.completed_at()
    if completed is None:
        _seen.pop(folder.path, None)
    else:
        _seen[folder.path] = completed, schema

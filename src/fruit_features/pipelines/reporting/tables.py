"""What the small tables of the report have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F

from fruit_features.spark.arrow_tables import from_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, SparkSession


def with_none(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Put None where texts are missing in these columns: pandas has NaN there or None, as it comes."""
    texts = {name: [None if pd.isna(value) else value for value in table[name]] for name in names}
    return table.assign(**{name: pd.Series(values, table.index, object) for name, values in texts.items()})


def count_values(values: pd.Series) -> pd.Series:
    """Count how often each value occurs, the most frequent one first, and equally frequent ones in their order."""
    return values.value_counts().sort_index().sort_values(ascending=False, kind="stable")


def table_of_paths(session: SparkSession, paths: pd.Series) -> DataFrame:
    """Make a table of a few photos to join with, path: each of them once, and none for what is missing."""
    unique = pa.table({"path": pa.array(paths.dropna().unique(), pa.string())})
    return F.broadcast(from_arrow(session, unique))

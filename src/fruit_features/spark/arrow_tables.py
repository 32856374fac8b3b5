"""Arrow tables of any size as Spark tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_BATCH_SIZE: Final = "spark.sql.execution.arrow.maxRecordsPerBatch"

_MIN_ROWS: Final = 2**14

_PARTITIONS_PER_CORE: Final = 4


def from_arrow(session: SparkSession, table: pa.Table) -> DataFrame:
    """Make a Spark table in a few partitions.

    Spark makes a partition of every batch of a table of more than 48 MB. The batches of `conf` are small, as they are meant
    for photos: a listing of a million photos would become 15,625 partitions, and its copy on disk as many files.

    Args:
        session: The session.
        table: The rows.

    """
    n_rows = max(_MIN_ROWS, -(-table.num_rows // (_PARTITIONS_PER_CORE * session.sparkContext.defaultParallelism)))
    before = session.conf.get(_BATCH_SIZE)
    session.conf.set(_BATCH_SIZE, n_rows)
    try:
        return session.createDataFrame(table)
    finally:
        session.conf.set(_BATCH_SIZE, str(before))

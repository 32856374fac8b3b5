"""Arrow tables become Spark tables of few partitions, however small the batches of `conf` are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fruit_features.spark.arrow_tables import from_arrow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_large_table_has_few_partitions_and_batches_stay_small(spark: SparkSession) -> None:
    before = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")
    numbers = np.arange(200_000)
    texts = pa.array(np.char.add("x" * 400, numbers.astype(str)))  # more than Spark keeps as one relation
    table = from_arrow(spark, pa.table({"number": numbers, "text": texts}))
    assert 1 <= table.rdd.getNumPartitions() <= 16
    assert table.count() == 200_000
    assert table.where("number = 123456").first()["text"] == "x" * 400 + "123456"  # type: ignore[index]
    assert spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == before

"""A table of embeddings as one Parquet file, as tools for vectors read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from kedro_datasets.spark import SparkDatasetV2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

_COLUMN = "embedding"
_OF_FEW_VALUES = ["label", "split", "format", "mode"]

_ROWS_AT_A_TIME = 2**14
"""84 MB of 1,280 features."""


class EmbeddingsDataset(SparkDatasetV2):  # type: ignore[misc]
    """Saves a Spark table with a column `embedding` as one Parquet file, in which it is a `fixed_size_list<float>`.

    Spark knows lists of any length alone, and writes many files. So it writes those beside `filepath`, and Arrow copies them
    into one file, batch by batch: no more of the table is in memory at a time.

    Loads a pandas table.
    """

    def _save(self, data: DataFrame) -> None:
        parts = f"{self._spark_path}.parts"
        data.write.mode("overwrite").option("parquet.enable.dictionary", "false").parquet(parts)
        file_system, path = fsspec.core.url_to_fs(self._spark_path)
        batches = ds.dataset(f"{path}.parts", format="parquet", filesystem=file_system).to_batches(batch_size=_ROWS_AT_A_TIME)
        with file_system.open(path, "wb") as file:
            _write(file, (_with_fixed_size(batch) for batch in batches if len(batch)))
        file_system.rm(f"{path}.parts", recursive=True)

    def _load(self) -> pd.DataFrame:
        file_system, path = fsspec.core.url_to_fs(self._spark_path)
        with file_system.open(path, "rb") as file:
            return pd.read_parquet(file)

    def _exists(self) -> bool:
        file_system, path = fsspec.core.url_to_fs(self._spark_path)
        return bool(file_system.exists(path))


def _write(file: pa.NativeFile, batches: Iterator[pa.RecordBatch]) -> None:
    writer = None
    for batch in batches:
        if len(batch):
            writer = writer or pq.ParquetWriter(
                file, batch.schema, use_dictionary=["label", "split"], write_page_checksum=True
            )
            writer.write_batch(batch)
    if writer is None:
        raise ValueError("there is no photo with features, so that there is no embedding to save")
    writer.close()


def _with_fixed_size(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Turn the lists of a batch, all of one length, into lists whose length is part of the type."""
    values = batch.column(_COLUMN).flatten()
    lists = pa.FixedSizeListArray.from_arrays(values, len(values) // len(batch))
    fixed = batch.set_column(batch.schema.get_field_index(_COLUMN), _COLUMN, lists)
    return fixed.replace_schema_metadata()  # Spark's own, which tells of a list of any length

"""A Spark dataset that runs append to, that the first run finds missing, and that no killed run leaves in disorder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from kedro.io import DatasetError
from kedro_datasets.spark import SparkDatasetV2
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NOTHING_THERE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")

_UNCOMMITTED = ("_temporary", "__magic*")
"""Where Hadoop's committers gather what tasks have written: the one for disks takes *all* of it when a job commits; that of
S3A, its notes of uploads that wait for the job, takes its own, and aborts the uploads of others."""

_COMPLETE = "_SUCCESS"
"""What Hadoop's committer writes last."""


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet, and refuses what others have saved.

    One run at a time may save. What a killed run had written, but not committed, the next save throws away: Hadoop would
    commit it along with that save's own rows, which by then are the same ones again.

    `load_args.schema`, a DDL string, is required: it is what is loaded, to the column.
    """

    def _load(self) -> DataFrame:
        _Folder(self._spark_path).finish_replacement()
        session = SparkSession.builder.getOrCreate()
        expected = cast("StructType", StructType.fromDDL(self._schema))
        reader = session.read.format(self._file_format).options(**self._load_args)
        try:
            loaded: DataFrame = reader.load(self._spark_path)
        except AnalysisException as error:
            if error.getCondition() in _NOTHING_THERE:
                return session.createDataFrame([], expected)
            raise
        except Py4JJavaError:
            # Spark looks at one file for the schema, and that one is damaged. Reading names it, or skips it if it is empty.
            loaded = reader.schema(expected).load(self._spark_path)
        if loaded.schema != expected:
            raise DatasetError(
                f"{self._spark_path} was not written by this version: it holds {loaded.schema.simpleString()}, and "
                f"{expected.simpleString()} was expected. Move it away, or choose another output_root"
            )
        return loaded

    def _save(self, data: DataFrame) -> None:
        folder = _Folder(self._spark_path)
        folder.finish_replacement()
        for names in _UNCOMMITTED:
            folder.delete(names)
        super()._save(data)


class ReplacedSparkDataset(GrowingSparkDataset):
    """The same folder, saved whole: rows may have been read from it, and a crash leaves the old rows or the new ones.

    The new ones are written beside it, and count once Spark has marked them as complete: if a crash keeps them from taking the
    place of the old ones, the next load or save of either dataset sees to it. Object stores rename file by file; a crash
    meanwhile may leave some rows out, which costs featurizing their photos again.
    """

    def _save(self, data: DataFrame) -> None:
        folder = _Folder(self._spark_path)
        writer = data.write.mode("overwrite").format(self._file_format)
        writer.options(**self._save_args).save(folder.successor)
        folder.finish_replacement()


class _Folder:
    """A folder of a dataset, by Hadoop's own file systems: wherever Spark can write, they can rename and delete.

    Attributes:
        successor: Where the dataset that is to take this folder's place is written.

    """

    def __init__(self, path: str) -> None:
        context = SparkSession.builder.getOrCreate().sparkContext
        self._make_path: Any = context._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]  # noqa: SLF001
        self._path = path
        self._fs = self._make_path(path).getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001
        self.successor = f"{path}.new"

    def delete(self, names: str) -> None:
        """Delete what lies in the folder by names like this (a glob), if anything does."""
        literally = re.sub(r"([\\*?\[\]{}])", r"\\\1", self._path)
        for status in self._fs.globStatus(self._make_path(literally, names)) or ():
            self._fs.delete(status.getPath(), True)

    def finish_replacement(self) -> None:
        """Put a complete successor, if there is one, in the folder's place; called again after a crash, it goes on."""
        if not self._fs.exists(self._make_path(self.successor, _COMPLETE)):
            return
        folder = self._make_path(self._path)
        self._fs.delete(folder, True)
        self._fs.rename(self._make_path(self.successor), folder)

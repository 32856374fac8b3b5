"""Shows every block of rows all blocks of rows, on Spark's workers.

A worker holds one block, what was found for it so far, and a batch of other blocks, which pass by. So its memory does not grow
with the number of rows. The work does, with its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

_MAX_BLOCK_BYTES = 2**19
"""Bytes of a block's rows. Spark hands a worker 64 pairs of blocks at a time: `arrow.maxRecordsPerBatch` in `spark.yml`."""

_MAX_BLOCK_ROWS = 1024

_BLOCKS_SCHEMA = "start bigint, paths array<string>, rows binary"


class BlockSearch(Protocol):
    """What is found for the rows of a block."""

    def show(self, rows: NDArray[Any], start: int, paths: NDArray[np.object_]) -> None:
        """Look among the rows of a block, of which `start` is the number of the first one; it may be the same block."""

    def describe(self) -> pa.RecordBatch:
        """Lay out what was found among all that was shown."""


@dataclass(frozen=True)
class Layout:
    """How the rows of a block lie in its bytes.

    Attributes:
        dtype: Of numpy.
        n_columns: Numbers of a row.

    """

    dtype: str
    n_columns: int

    @property
    def n_rows(self) -> int:
        """Rows of a block; the last one may have fewer."""
        row = max(1, np.dtype(self.dtype).itemsize * self.n_columns)
        return int(np.clip(_MAX_BLOCK_BYTES // row, 1, _MAX_BLOCK_ROWS))

    def read(self, content: bytes) -> NDArray[Any]:
        """Read the rows of a block."""
        return np.frombuffer(content, self.dtype).reshape(-1, self.n_columns)


def search_in_blocks(
    photos: DataFrame,
    layout: Layout,
    begin: Callable[[NDArray[Any], int, NDArray[np.object_]], BlockSearch],
    schema: str,
) -> DataFrame:
    """Show every block all blocks.

    What is found is the same whatever the partitions and the number of cores.

    Args:
        photos: path; vector, array<float> or binary.
        layout: Of the vectors.
        begin: Takes the rows of a block, the number of the first one in the order of the paths, and their paths.
        schema: Of what a search describes.

    """
    packed = in_one_partition(photos).mapInArrow(partial(_pack_blocks, layout=layout), _BLOCKS_SCHEMA)
    others = packed.select(*(F.col(name).alias(f"other_{name}") for name in packed.columns))
    cores = photos.sparkSession.sparkContext.defaultParallelism
    pairs = packed.repartition(cores).crossJoin(F.broadcast(others))
    return pairs.mapInArrow(partial(_search_blocks, layout=layout, begin=begin), schema)


def in_one_partition(photos: DataFrame) -> DataFrame:
    """Bring all photos together, in the order of their paths: path, vector."""
    return photos.select("path", "vector").repartition(1).sortWithinPartitions("path")


def cores_of_a_worker(session: SparkSession) -> int:
    """Return how many cores the one task has that holds an index: those of the machine, or those of an executor."""
    context = session.sparkContext
    if str(context.master).startswith("local"):
        return context.defaultParallelism
    return int(context.getConf().get("spark.executor.cores", "1") or 1)


def rows_of(batch: pa.RecordBatch) -> NDArray[Any]:
    """Take the vectors of a batch: (n_rows, n_columns)."""
    vectors = batch.column("vector")
    if pa.types.is_binary(vectors.type):
        return np.frombuffer(b"".join(vectors.to_pylist()), np.uint8).reshape(len(batch), -1)
    rows: NDArray[Any] = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
    return rows


def all_rows_of(batches: Iterable[pa.RecordBatch]) -> tuple[NDArray[Any], pa.StringArray]:
    """Take the vectors and the paths of all batches; without any, there are (0, 0) numbers."""
    paths: list[pa.Array] = []
    waiting: list[NDArray[Any]] = []
    for batch in batches:
        paths.append(batch.column("path"))
        waiting.append(rows_of(batch))
    rows = np.concatenate(waiting) if waiting else np.empty((0, 0), np.uint8)
    return rows, pa.chunked_array(paths, pa.string()).combine_chunks()


def _pack_blocks(batches: Iterable[pa.RecordBatch], layout: Layout) -> Iterator[pa.RecordBatch]:
    """Pack photos, in the order of their paths, into blocks; `start` is the number of a block's first photo."""
    start = 0
    paths: list[str] = []
    waiting: list[NDArray[Any]] = []

    def pack(n_rows: int) -> pa.RecordBatch:
        nonlocal start, paths, waiting
        rows = np.concatenate(waiting)
        block = {"start": [start], "paths": [paths[:n_rows]], "rows": [rows[:n_rows].astype(layout.dtype).tobytes()]}
        start, paths, waiting = start + n_rows, paths[n_rows:], [rows[n_rows:]]
        return pa.RecordBatch.from_pydict(block)

    for batch in batches:
        paths += batch.column("path").to_pylist()
        waiting.append(rows_of(batch))
        while len(paths) >= layout.n_rows:
            yield pack(layout.n_rows)
    if paths:
        yield pack(len(paths))


def _search_blocks(
    batches: Iterable[pa.RecordBatch],
    layout: Layout,
    begin: Callable[[NDArray[Any], int, NDArray[np.object_]], BlockSearch],
) -> Iterator[pa.RecordBatch]:
    """Show every block all others, for `DataFrame.mapInArrow`: the pairs of one block follow one another."""
    current: tuple[int, BlockSearch] | None = None

    def block(batch: pa.RecordBatch, place: int, prefix: str = "") -> tuple[NDArray[Any], int, NDArray[np.object_]]:
        start, paths, rows = (batch.column(prefix + name)[place].as_py() for name in ("start", "paths", "rows"))
        return layout.read(rows), start, np.array(paths, object)

    for batch in batches:
        starts = batch.column("start").to_pylist()
        for start, group in groupby(range(len(batch)), starts.__getitem__):
            places = list(group)
            if current is None or current[0] != start:
                if current is not None:
                    yield current[1].describe()
                current = start, begin(*block(batch, places[0]))
            for place in places:
                current[1].show(*block(batch, place, "other_"))
    if current is not None:
        yield current[1].describe()

"""The nearest neighbours of every photo: exactly, or, of very many photos, by an index that finds nearly all of them.

For the exact ones, Spark's workers multiply blocks of rows with one another. A worker holds a block of photos, the neighbours
found for them so far, and a batch of other blocks, which pass by. So its memory does not grow with the number of photos. The
work does, with its square. An index takes far less work; one worker holds it, with all rows.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType

from fruit_features.analysis.neighbour_index import search_by_index
from fruit_features.analysis.neighbours import Grid, NearestRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from fruit_features.analysis.neighbours import Metric

NEIGHBOURS_SCHEMA = "path string, rank int, neighbour string, distance float"

_MAX_BLOCK_BYTES = 2**19
"""Bytes of a block's rows. Spark hands a worker 64 pairs of blocks at a time: `arrow.maxRecordsPerBatch` in `spark.yml`."""

_MAX_BLOCK_ROWS = 1024

_NUMBERS = pa.list_(pa.float32())

_BLOCKS_SCHEMA = "start bigint, paths array<string>, rows binary"


class _Layout(NamedTuple):
    """How the rows of a block lie in its bytes."""

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


def find_neighbours(photos: DataFrame, n_neighbours: int, metric: Metric = "euclidean", *, is_exact: bool = True) -> DataFrame:
    """Find the nearest neighbours of every photo.

    The exact result is the same whatever the partitions and the number of cores. Of photos that are equally far, the one whose
    path comes first is the nearer one.

    Args:
        photos: path, and vector: array<float> of finite numbers, or binary, whose bytes are numbers from 0 to 255. All are
            of the same length.
        n_neighbours: How many of each.
        metric: How distance is measured; of bytes, always `euclidean`.
        is_exact: Compare all photos with one another; else with those that an index holds to be near.

    Returns:
        path, rank (int, from 1), neighbour (path), distance (float): n_neighbours rows of each photo, or as many as there are
        other photos. On coordinates, distances are exact to some 1e-6 of the widest column's range.

    """
    session = photos.sparkSession
    grid, layout = _grid_of_bytes(photos) if _has_bytes(photos) else _grid_of_numbers(photos, metric)
    if not layout.n_columns:
        return session.createDataFrame([], NEIGHBOURS_SCHEMA)
    in_order = photos.select("path", "vector").repartition(1).sortWithinPartitions("path")
    if not is_exact:
        search_all = partial(_search_index, n_neighbours=n_neighbours, grid=grid, n_threads=_cores_of_a_worker(session))
        return in_order.mapInArrow(search_all, NEIGHBOURS_SCHEMA)
    blocks = in_order.mapInArrow(partial(_pack_blocks, layout=layout), _BLOCKS_SCHEMA)
    others = blocks.select(*(F.col(name).alias(f"other_{name}") for name in blocks.columns))
    pairs = blocks.repartition(session.sparkContext.defaultParallelism).crossJoin(F.broadcast(others))
    search = partial(_search_blocks, n_neighbours=n_neighbours, grid=grid, layout=layout)
    return pairs.mapInArrow(search, NEIGHBOURS_SCHEMA)


def _has_bytes(photos: DataFrame) -> bool:
    return isinstance(photos.schema["vector"].dataType, BinaryType)


def _grid_of_bytes(photos: DataFrame) -> tuple[Grid, _Layout]:
    ((n_columns,),) = photos.agg(F.max(F.length("vector"))).collect()
    layout = _Layout("uint8", n_columns or 0)
    return Grid.of_bytes(layout.n_columns or 1), layout


def _grid_of_numbers(photos: DataFrame, metric: Metric) -> tuple[Grid, _Layout]:
    """Find the range of every column, on the workers."""
    ranges = photos.select("vector").mapInArrow(_find_ranges, "low array<float>, high array<float>").toArrow().to_pylist()
    if not ranges:
        return Grid.between([0.0], [0.0], metric), _Layout("float32", 0)
    low = np.min([part["low"] for part in ranges], axis=0)
    high = np.max([part["high"] for part in ranges], axis=0)
    return Grid.between(low, high, metric), _Layout("float32", len(low))


def _find_ranges(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find the least and the greatest number of every column of a partition; an empty one has none."""
    lows, highs = [], []
    for batch in batches:
        if len(batch):
            rows = _rows_of(batch)
            lows.append(rows.min(axis=0))
            highs.append(rows.max(axis=0))
    if lows:
        corners = {"low": [np.min(lows, axis=0)], "high": [np.max(highs, axis=0)]}
        yield pa.RecordBatch.from_pydict({name: pa.array(corner, _NUMBERS) for name, corner in corners.items()})


def _rows_of(batch: pa.RecordBatch) -> NDArray[Any]:
    """Take the vectors of a batch: (n_rows, n_columns)."""
    vectors = batch.column("vector")
    if pa.types.is_binary(vectors.type):
        return np.frombuffer(b"".join(vectors.to_pylist()), np.uint8).reshape(len(batch), -1)
    rows: NDArray[Any] = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
    return rows


def _pack_blocks(batches: Iterable[pa.RecordBatch], layout: _Layout) -> Iterator[pa.RecordBatch]:
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
        waiting.append(_rows_of(batch))
        while len(paths) >= layout.n_rows:
            yield pack(layout.n_rows)
    if paths:
        yield pack(len(paths))


def _search_blocks(
    batches: Iterable[pa.RecordBatch], n_neighbours: int, grid: Grid, layout: _Layout
) -> Iterator[pa.RecordBatch]:
    """Show every block all others, for `DataFrame.mapInArrow`: the pairs of one block follow one another."""
    current: tuple[int, list[str], NearestRows] | None = None
    for batch in batches:
        starts = batch.column("start").to_pylist()
        for start, group in groupby(range(len(batch)), starts.__getitem__):
            places = list(group)
            if current is None or current[0] != start:
                if current is not None:
                    yield _describe(current[1], current[2], grid)
                rows = layout.read(batch.column("rows")[places[0]].as_py())
                paths = batch.column("paths")[places[0]].as_py()
                current = start, paths, NearestRows(grid.place(rows), start, n_neighbours)
            for place in places:
                others = grid.place(layout.read(batch.column("other_rows")[place].as_py()))
                names = np.array(batch.column("other_paths")[place].as_py(), object)
                current[2].show(others, batch.column("other_start")[place].as_py(), names)
    if current is not None:
        yield _describe(current[1], current[2], grid)


def _cores_of_a_worker(session: SparkSession) -> int:
    """Return how many cores the one task has that holds an index: those of the machine, or those of an executor."""
    context = session.sparkContext
    if str(context.master).startswith("local"):
        return context.defaultParallelism
    return int(context.getConf().get("spark.executor.cores", "1") or 1)


def _search_index(
    batches: Iterable[pa.RecordBatch], n_neighbours: int, grid: Grid, n_threads: int
) -> Iterator[pa.RecordBatch]:
    """Take all photos, in the order of their paths, and look for the neighbours of each: for `DataFrame.mapInArrow`."""
    paths, waiting = [], []
    for batch in batches:
        paths.append(batch.column("path"))
        waiting.append(_rows_of(batch))
    rows, names = np.concatenate(waiting), pa.chunked_array(paths, pa.string()).combine_chunks()
    del paths, waiting
    for start, numbers, distances in search_by_index(rows, n_neighbours, grid, n_threads=n_threads):
        photos, places = np.nonzero(numbers >= 0)
        neighbours = names.take(pa.array(numbers[photos, places]))
        yield _as_rows(names.take(pa.array(start + photos)), places, neighbours, distances[photos, places])


def _describe(paths: list[str], nearest: NearestRows, grid: Grid) -> pa.RecordBatch:
    """Lay the neighbours of a block out as rows."""
    rows, places = np.nonzero(np.isfinite(nearest.squares))
    return _as_rows(
        pa.array(np.array(paths, object)[rows], pa.string()),
        places,
        pa.array(nearest.names[rows, places], pa.string()),
        grid.distances(nearest.squares[rows, places]),
    )


def _as_rows(
    paths: pa.Array, places: NDArray[np.intp], neighbours: pa.Array, distances: NDArray[np.float32]
) -> pa.RecordBatch:
    """Make rows of `NEIGHBOURS_SCHEMA`, of photos and the places (from 0) that their neighbours have."""
    ranks = pa.array((places + 1).astype(np.int32))
    return pa.RecordBatch.from_pydict({"path": paths, "rank": ranks, "neighbour": neighbours, "distance": pa.array(distances)})

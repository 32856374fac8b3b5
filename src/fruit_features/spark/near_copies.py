"""Pairs of photos that may be near copies of one another, as they are or mirrored, by their thumbnails."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from fruit_features.analysis.copies import MAX_RELATIVE_DISTANCE, N_NEIGHBOURS
from fruit_features.analysis.thumbnail_neighbours import NearestThumbnails, deviations, search_thumbnails_by_index
from fruit_features.photos.facts import THUMBNAIL_SIDE
from fruit_features.spark.blocks import Layout, all_rows_of, cores_of_a_worker, in_one_partition, search_in_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

CANDIDATES_SCHEMA: Final = (
    "path string, neighbour string, is_mirrored boolean, distance double, relative_distance double, surroundings double"
)


def find_candidates(photos: DataFrame, max_distance: float, *, is_exact: bool = True) -> DataFrame:
    """Find pairs of photos whose thumbnails are as near as those of copies, and how near others are.

    Args:
        photos: path, thumbnail (as `PhotoFacts` has it; those that are null are left out).
        max_distance: Grey levels by which the thumbnails of copies differ at most.
        is_exact: Compare all thumbnails with one another; else with those that an index holds to be near.

    Returns:
        path, neighbour; is_mirrored, whether it is the neighbour's mirror image that is near; and, as
        `fruit_features.analysis.copies.CandidatePairs` has them, distance, relative_distance, and surroundings, of path alone.
        A pair may be there twice, from the sides of both.

    """
    seen = photos.where("thumbnail is not null").withColumnRenamed("thumbnail", "vector")
    if is_exact:
        begin = partial(_CopySearch, max_distance=max_distance)
        return search_in_blocks(seen, Layout("uint8", THUMBNAIL_SIDE**2), begin, CANDIDATES_SCHEMA)
    search_all = partial(_search_index, max_distance=max_distance, n_threads=cores_of_a_worker(photos.sparkSession))
    return in_one_partition(seen).mapInArrow(search_all, CANDIDATES_SCHEMA)


class _CopySearch:
    """The search for the copies of a block's photos."""

    def __init__(self, rows: NDArray[np.uint8], start: int, paths: NDArray[np.object_], max_distance: float) -> None:
        self._paths, self._deviations, self._max_distance = paths, deviations(rows), max_distance
        self._nearest = NearestThumbnails(rows, start, N_NEIGHBOURS)

    def show(self, rows: NDArray[np.uint8], start: int, paths: NDArray[np.object_]) -> None:
        """Look among the photos of a block."""
        named = np.fromiter(zip(paths, deviations(rows), strict=True), object, len(paths))
        self._nearest.show(rows, start, named)

    def describe(self) -> pa.RecordBatch:
        """Lay the candidates out as rows of `CANDIDATES_SCHEMA`."""
        return pa.concat_batches([self._describe(is_mirrored=is_mirrored) for is_mirrored in (False, True)])

    def _describe(self, *, is_mirrored: bool) -> pa.RecordBatch:
        kept = self._nearest.kept[is_mirrored]
        rows, places = np.nonzero(kept.squares <= MAX_RELATIVE_DISTANCE**2)
        names, others = zip(*kept.names[rows, places], strict=True) if len(rows) else ((), ())
        return _as_rows(
            self._paths[rows],
            np.array(names, object),
            kept.squares[rows, places],
            kept.squares[rows, -1],
            self._deviations[rows] * np.array(others, float),
            is_mirrored=is_mirrored,
            max_distance=self._max_distance,
        )


def _search_index(batches: Iterable[pa.RecordBatch], max_distance: float, n_threads: int) -> Iterator[pa.RecordBatch]:
    """Take all photos, in the order of their paths, and look for the copies of each: for `DataFrame.mapInArrow`."""
    rows, names = all_rows_of(batches)
    spread = deviations(rows)
    for start, is_mirrored, numbers, squares in search_thumbnails_by_index(rows, N_NEIGHBOURS, n_threads=n_threads):
        photos, places = np.nonzero(squares <= MAX_RELATIVE_DISTANCE**2)
        others = numbers[photos, places]
        yield _as_rows(
            names.take(pa.array(start + photos)),
            names.take(pa.array(others)),
            squares[photos, places],
            squares[photos, -1],
            spread[start + photos] * spread[others],
            is_mirrored=is_mirrored,
            max_distance=max_distance,
        )


def _as_rows(
    paths: Any,
    neighbours: Any,
    squares: NDArray[np.float64],
    third: NDArray[np.float64],
    variances: NDArray[np.float64],
    *,
    is_mirrored: bool,
    max_distance: float,
) -> pa.RecordBatch:
    """Make rows of `CANDIDATES_SCHEMA` of pairs, leaving out those that are too far.

    Args:
        paths: The photos.
        neighbours: What they are compared with.
        squares: 2 (1 - r) of each pair.
        third: That of the photo and its third nearest neighbour.
        variances: Product of the standard deviations of the two thumbnails.
        is_mirrored: Whether the neighbours are mirrored.
        max_distance: Grey levels.

    """
    # Thumbnails of equal contrast s that correlate by r differ by s sqrt(2 (1 - r)), root mean square.
    distances = np.sqrt(squares * variances)
    candidates = {
        "path": pa.array(paths, pa.string()),
        "neighbour": pa.array(neighbours, pa.string()),
        "is_mirrored": pa.array(np.full(len(distances), is_mirrored)),
        "distance": pa.array(distances),
        "relative_distance": pa.array(np.sqrt(squares)),
        "surroundings": pa.array(np.sqrt(third)),
    }
    return pa.RecordBatch.from_pydict(candidates).filter(pa.array(distances <= max_distance))

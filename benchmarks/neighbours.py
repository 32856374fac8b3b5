"""The index of neighbours beside the exact search: seconds, and which share of the neighbours it finds.

There are not a million photos at hand, so rows are made of real ones: each is a real photo's, moved at random by a share of
the standard deviation of every column, so that they lie in space as photos do, and more densely.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from harness import machine
from harness.photos import parse_sizes
from harness.places import BENCHMARKS
from harness.tables import NOTHING, number, publish, table

from fruit_features.analysis import neighbour_index
from fruit_features.analysis.copies import N_NEIGHBOURS
from fruit_features.analysis.neighbours import Grid, NearestRows
from fruit_features.analysis.thumbnail_neighbours import NearestThumbnails, search_thumbnails_by_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIZES = (20_000, 100_000, 1_000_000)
MOVED_BY = 0.35
N_QUERIES = 1024
BLOCK = 1024
N_OF_COMPONENTS = 10


def main() -> None:
    """Compare the index with the exact search, on the components and on the thumbnails of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", type=Path, required=True, help="output_root of a run on real photos")
    parser.add_argument("--sizes", type=parse_sizes, default=SIZES)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "neighbours.json")
    args = parser.parse_args()
    measured = list(_measure(args.outputs, args.sizes, args.threads))
    header = [
        "rows",
        "of",
        "columns",
        "neighbours",
        "index: seconds",
        "core seconds",
        "found",
        "exact: core seconds",
        "of which measured",
    ]
    rows = [
        [
            f"{one['rows']:,}",
            one["kind"],
            str(one["columns"]),
            str(one["neighbours"]),
            number([one["index_seconds"]]),
            number([one["index_core_seconds"]]),
            f"{one['found']:.2%}",
            number([one["exact_core_seconds"]], 0),
            f"{one['queries'] / one['rows']:.1%}" if one["queries"] < one["rows"] else NOTHING,
        ]
        for one in measured
    ]
    publish(args.out, machine.versions(("faiss-cpu", "numpy")), [table(header, rows)], measured=measured)


def _measure(outputs: Path, sizes: tuple[int, ...], n_threads: int) -> Iterator[dict[str, Any]]:
    for kind, real, search in (
        ("components", _components(outputs), _search_components),
        ("thumbnails", _thumbnails(outputs), _search_thumbnails),
    ):
        for n_rows in sizes:
            rows = _make_rows(real, n_rows)
            queries = np.sort(np.random.default_rng(1).permutation(n_rows)[:N_QUERIES])
            one = {"kind": kind, "rows": n_rows, "columns": rows.shape[1], "queries": len(queries)}
            one |= search(rows, queries, n_threads)
            print(one, flush=True)
            yield one


def _search_components(rows: NDArray[np.float32], queries: NDArray[np.int64], n_threads: int) -> dict[str, Any]:
    grid = Grid.between(rows.min(axis=0), rows.max(axis=0))
    with _Stopwatch() as by_index:
        searched = neighbour_index.search_by_index(rows, N_OF_COMPONENTS, grid, n_threads=n_threads)
        found = np.concatenate([numbers for _, numbers, _ in searched])
    with _Stopwatch() as exactly:
        nearest = NearestRows(grid.place(rows[queries]), -len(rows), N_OF_COMPONENTS + 1)
        for start, names in _blocks_of(rows):
            nearest.show(grid.place(rows[start : start + BLOCK]), start, names)
    exact = _without_itself(nearest.kept.numbers, queries)
    return _compare(by_index, exactly, len(rows) / len(queries), found[queries], exact)


def _search_thumbnails(rows: NDArray[np.uint8], queries: NDArray[np.int64], n_threads: int) -> dict[str, Any]:
    """Look for thumbnails as they are and mirrored; the share that is found is that of those as they are."""
    with _Stopwatch() as by_index:
        searched = list(search_thumbnails_by_index(rows, N_NEIGHBOURS, n_threads=n_threads))
    found = np.concatenate([numbers for _, is_mirrored, numbers, _ in searched if not is_mirrored])
    with _Stopwatch() as exactly:
        nearest = NearestThumbnails(rows[queries], -len(rows), N_NEIGHBOURS + 1)
        for start, names in _blocks_of(rows):
            nearest.show(rows[start : start + BLOCK], start, names)
    exact = _without_itself(nearest.kept[0].numbers, queries)
    return _compare(by_index, exactly, len(rows) / len(queries), found[queries], exact)


class _Stopwatch:
    """Seconds, and those of all cores, of what runs inside."""

    def __enter__(self) -> _Stopwatch:
        self._started, self._started_cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.core_seconds = time.perf_counter() - self._started, time.process_time() - self._started_cpu


def _blocks_of(rows: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.object_]]]:
    for start in range(0, len(rows), BLOCK):
        yield start, np.full(min(BLOCK, len(rows) - start), None, object)


def _without_itself(numbers: NDArray[np.int64], queries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out the rows themselves, which are among their neighbours, as one more of these has been looked for."""
    others = numbers != queries[:, np.newaxis]
    others[others.all(axis=1), -1] = False
    return numbers[others].reshape(len(queries), -1)


def _compare(
    by_index: _Stopwatch, exactly: _Stopwatch, scale: float, found: NDArray[np.int64], exact: NDArray[np.int64]
) -> dict[str, Any]:
    same = [len(set(here) & set(there)) for here, there in zip(found, exact, strict=True)]
    return {
        "neighbours": exact.shape[1],
        "index_seconds": by_index.seconds,
        "index_core_seconds": by_index.core_seconds,
        "found": float(np.mean(same)) / exact.shape[1],
        "exact_core_seconds": exactly.core_seconds * scale,
    }


def _components(outputs: Path) -> NDArray[np.float32]:
    photos = pq.read_table(outputs / "07_model_output" / "pca_features")
    names = [name for name in photos.column_names if name.startswith("pca_")]
    rows = np.column_stack([photos.column(name).to_numpy() for name in names]).astype(np.float32)
    return np.unique(rows, axis=0)


def _thumbnails(outputs: Path) -> NDArray[np.uint8]:
    thumbnails = pq.read_table(outputs / "04_feature" / "photo_index", columns=["thumbnail"]).column("thumbnail")
    content = [thumbnail for thumbnail in thumbnails.to_pylist() if thumbnail is not None]
    return np.unique(np.frombuffer(b"".join(content), np.uint8).reshape(len(content), -1), axis=0)


def _make_rows(real: NDArray[Any], n_rows: int) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    moved_by = (MOVED_BY * real.std(axis=0)).astype(np.float32)
    rows = np.empty((n_rows, real.shape[1]), real.dtype)
    for start in range(0, n_rows, BLOCK):
        chosen = real[rng.integers(0, len(real), min(BLOCK, n_rows - start))]
        moved = chosen + rng.standard_normal(chosen.shape, np.float32) * moved_by
        rows[start : start + BLOCK] = np.clip(np.rint(moved), 0, 255) if real.dtype == np.uint8 else moved
    return rows


if __name__ == "__main__":
    main()

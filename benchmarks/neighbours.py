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
    for kind, real, n_neighbours in (
        ("components", _components(outputs), N_OF_COMPONENTS),
        ("thumbnails", _thumbnails(outputs), N_NEIGHBOURS),
    ):
        for n_rows in sizes:
            rows = _make_rows(real, n_rows)
            is_bytes = rows.dtype == np.uint8
            grid = Grid.of_bytes(rows.shape[1]) if is_bytes else Grid.between(rows.min(axis=0), rows.max(axis=0))
            started, started_cpu = time.perf_counter(), time.process_time()
            found = [
                numbers for _, numbers, _ in neighbour_index.search_by_index(rows, n_neighbours, grid, n_threads=n_threads)
            ]
            seconds, core_seconds = time.perf_counter() - started, time.process_time() - started_cpu
            queries = np.sort(np.random.default_rng(1).permutation(n_rows)[:N_QUERIES])
            started_cpu = time.process_time()
            exact = _search_exactly(rows, queries, n_neighbours, grid)
            exact_core_seconds = (time.process_time() - started_cpu) * n_rows / len(queries)
            same = [len(set(here) & set(there)) for here, there in zip(np.concatenate(found)[queries], exact, strict=True)]
            one = {
                "kind": kind,
                "rows": n_rows,
                "columns": rows.shape[1],
                "neighbours": n_neighbours,
                "index_seconds": seconds,
                "index_core_seconds": core_seconds,
                "found": float(np.mean(same)) / n_neighbours,
                "exact_core_seconds": exact_core_seconds,
                "queries": len(queries),
            }
            print(one, flush=True)
            yield one


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


def _search_exactly(rows: NDArray[Any], queries: NDArray[np.int64], n_neighbours: int, grid: Grid) -> NDArray[np.int64]:
    """Show all rows to some of them, one more neighbour than is wanted: the row itself is among them."""
    nearest = NearestRows(grid.place(rows[queries]), -len(rows), n_neighbours + 1)
    names = np.full(BLOCK, None, object)
    for start in range(0, len(rows), BLOCK):
        others = grid.place(rows[start : start + BLOCK])
        nearest.show(others, start, names[: len(others)])
    numbers = nearest.numbers
    others = numbers != queries[:, np.newaxis]
    others[others.all(axis=1), -1] = False
    return numbers[others].reshape(len(queries), n_neighbours)


if __name__ == "__main__":
    main()

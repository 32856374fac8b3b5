"""What the machine can do: a process per core that reads, decodes and infers in a loop, and keeps the features in memory.

The clock starts when every process has compiled the network, and stops when the last has featurized its last photo: nothing is
started, shuffled or written on it.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness.featurizer import Featurizer
from harness.task import Task, write_timings

if TYPE_CHECKING:
    from pathlib import Path

PHOTOS_PER_TURN = 16
"""Photos that a process takes at a time: few, so that all end together."""


def main() -> None:
    """Let the processes race for the photos, then keep their features for the comparison."""
    task = Task.from_command_line(__doc__)
    task.features.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    spans = context.SimpleQueue()
    shared = task, context.Value("q", 0), context.Barrier(task.cores), spans
    processes = [context.Process(target=_featurize, args=shared, daemon=True) for _ in range(task.cores)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode != 0:
            raise SystemExit(f"a process failed (exit code {process.exitcode})")
    starts, ends = zip(*(spans.get() for _ in processes), strict=True)
    write_timings(task.out, featurize=max(ends) - min(starts))


def _featurize(task: Task, next_photo: Any, barrier: Any, spans: Any) -> None:
    """Take the next few photos that nobody has taken yet, until none is left."""
    photos = _list(task.images)
    featurize = Featurizer(task.network, task.batch_size)
    paths: list[str] = []
    features: list[np.ndarray] = []
    barrier.wait()
    started = time.monotonic()
    while True:
        with next_photo.get_lock():
            start = next_photo.value
            next_photo.value += PHOTOS_PER_TURN
        taken = photos[start : start + PHOTOS_PER_TURN]
        if not taken:
            break
        features.append(featurize([photo.read_bytes() for photo in taken]))
        paths.extend(map(str, taken))
    spans.put((started, time.monotonic()))  # one clock for all processes
    if features:  # of a handful of photos, another process may have taken all
        _save(task.features / f"{os.getpid()}.parquet", paths, np.concatenate(features))


def _list(images: Path) -> list[Path]:
    return sorted(path for path in images.rglob("*") if path.is_file())


def _save(path: Path, paths: list[str], features: np.ndarray) -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    pq.write_table(pa.table({"path": paths, "features": column}), path)


if __name__ == "__main__":
    main()

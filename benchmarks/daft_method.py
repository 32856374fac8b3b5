"""The featurization in Daft, as its documentation would have it: a class UDF, in a process of its own per core.

Runs in an environment of its own. The clock starts before the query is built and stops when the Parquet files are written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import daft
from harness.featurizer import Featurizer
from harness.task import PHOTOS_PER_CALL, Task, write_timings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def main() -> None:
    """List, read, featurize, write."""
    task = Task.from_command_line(__doc__)
    started = time.perf_counter()
    photos = daft.from_glob_path(f"{task.images}/**/*").with_column("content", daft.col("path").download())
    features = _featurizer(task).features(daft.col("content")).alias("features")
    photos.select("path", features).write_parquet(str(task.features))
    write_timings(task.out, featurize=time.perf_counter() - started)


def _featurizer(task: Task) -> Any:
    """Make the class UDF here, as Daft takes the number of processes when it decorates a class."""
    features_type = daft.DataType.list(daft.DataType.float32())

    @daft.cls(max_concurrency=task.cores, use_process=True)
    class DaftFeaturizer:
        def __init__(self, network: Path, batch_size: int) -> None:
            self._featurize = Featurizer(network, batch_size)

        @daft.method.batch(return_dtype=features_type, batch_size=PHOTOS_PER_CALL)
        def features(self, contents: daft.Series) -> list[np.ndarray]:
            return list(self._featurize(contents.to_pylist()))

    return DaftFeaturizer(task.network, task.batch_size)


if __name__ == "__main__":
    main()

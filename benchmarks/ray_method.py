"""The featurization in Ray Data, as its documentation would have it: a pool of actors, one per core.

Runs in an environment of its own. The clock starts when Ray is up and stops when the Parquet files are written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import ray
from harness.featurizer import Featurizer
from harness.task import PHOTOS_PER_CALL, Task, write_timings

if TYPE_CHECKING:
    from pathlib import Path


class RayFeaturizer:
    """An actor's state: the network, compiled once."""

    def __init__(self, network: Path, batch_size: int) -> None:
        self._featurize = Featurizer(network, batch_size)

    def __call__(self, photos: dict[str, Any]) -> dict[str, Any]:
        """Featurize a batch of path, bytes."""
        return {"path": photos["path"], "features": self._featurize(photos["bytes"])}


def main() -> None:
    """List, read, featurize, write."""
    task = Task.from_command_line(__doc__)
    # Each actor holds a core; reading and writing are tasks that would wait for one for ever, were there none beside.
    ray.init(num_cpus=task.cores + 1, include_dashboard=False, _node_ip_address="127.0.0.1")
    started = time.perf_counter()
    ray.data.read_binary_files(str(task.images), include_paths=True).map_batches(
        RayFeaturizer,
        fn_constructor_args=(task.network, task.batch_size),
        batch_size=PHOTOS_PER_CALL,
        compute=ray.data.ActorPoolStrategy(size=task.cores),
    ).write_parquet(str(task.features))
    write_timings(task.out, featurize=time.perf_counter() - started)


if __name__ == "__main__":
    main()

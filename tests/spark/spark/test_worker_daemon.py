"""Python workers come from a process that has done their imports."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pyarrow as pa
import pytest

from tests.support.killing import PYTHON_DAEMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import SparkSession


def test_workers_are_forked_from_it(spark: SparkSession) -> None:
    seen = spark.range(2, numPartitions=2).mapInArrow(_describe_parent, "command string, n_frozen long").collect()
    assert len(seen) == 2
    for row in seen:
        assert PYTHON_DAEMON in row["command"].split()
        assert row["n_frozen"] > 10_000, "garbage is looked for among what was imported"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have names on Linux")
def test_no_thread_is_lost_with_a_fork(spark: SparkSession) -> None:
    (row,) = spark.range(1, numPartitions=1).mapInArrow(_name_other_threads, "names array<string>").collect()
    assert set(row["names"]) <= {"jemalloc_bg_thd"}


def _describe_parent(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    command = " ".join(psutil.Process(os.getppid()).cmdline())
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"command": [command] * len(batch), "n_frozen": [gc.get_freeze_count()] * len(batch)})


def _name_other_threads(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    parent = os.getppid()
    others = (task for task in Path(f"/proc/{parent}/task").iterdir() if task.name != str(parent))
    names = [(task / "comm").read_text().strip() for task in others]
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"names": pa.array([names] * len(batch), pa.list_(pa.string()))})

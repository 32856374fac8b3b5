"""The process that Spark's Python workers are forked from, which has imported already what each of them would import itself.

Spark starts it on every machine, by the setting `spark.python.daemon.module`, and forks a worker whenever a task finds no idle
one. A fork has one thread, so nothing may be imported here that starts others. The one exception is the thread of PyArrow's
allocator jemalloc, which is not the allocator that PyArrow uses by default, and looks after forks itself.
"""

from __future__ import annotations

import gc
import zipimport

import numpy  # noqa: F401
import pandas  # noqa: F401
import pyarrow  # noqa: F401
import pyspark.sql.pandas.serializers  # noqa: F401
from pyspark.daemon import manager


def spare_tasks() -> None:
    """Spare every task a tenth of a second or more, which is most of the time that a small one takes.

    Spark invalidates Python's import caches before each task, upon which every archive on `sys.path` (Spark puts itself there
    as one) would be read anew, in Python code; but they do not change. And it collects garbage after each task, for which
    Python would look at everything that has been imported.
    """
    zipimport.zipimporter.invalidate_caches = lambda _: None  # type: ignore[method-assign, assignment]
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    spare_tasks()
    manager()  # type: ignore[no-untyped-call]

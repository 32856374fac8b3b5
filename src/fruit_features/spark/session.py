"""The Spark session of a run, as `conf/<env>/spark.yml` describes it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from fruit_features.spark.java import use_supported_java

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa
    from pyspark.sql import SparkSession


def start_session(settings: Mapping[str, Any]) -> SparkSession:
    """Start a session, or return the one that has been started.

    Args:
        settings: Spark's settings by name; None stands for Spark's own default. Where `spark-submit` has started this process,
            its settings are preferred to these.

    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers start whatever python3 is on PATH
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit has started Java, and Java this process
    if not is_submitted and ("SPARK_HOME" not in os.environ or "JAVA_HOME" not in os.environ):
        use_supported_java()
    if str(settings.get("spark.master", "")).startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else block manager and others bind a public address
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    wanted = {name: value for name, value in settings.items() if value is not None}
    if is_submitted:
        SparkContext._ensure_initialized()  # noqa: SLF001 - else SparkConf is empty
        submitted = SparkConf()
        wanted = {name: value for name, value in wanted.items() if not submitted.contains(name)}
    builder = SparkSession.builder
    for name, value in wanted.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def warm_up_workers(session: SparkSession, engine: str) -> None:
    """Let the Python workers start and import what they will need, while the driver still lists the photos.

    Args:
        session: The session.
        engine: Name of the engine that will run the network.

    """
    n_workers = session.sparkContext.defaultParallelism
    numbers = session.range(0, n_workers, numPartitions=n_workers)
    job = numbers.mapInArrow(partial(_import_engine, engine=engine), "id long")

    def run() -> None:
        with contextlib.suppress(Exception):  # a worker that fails now fails again where it matters
            job.collect()

    threading.Thread(target=run, name="warm up workers", daemon=True).start()


def cancel_jobs() -> None:
    """End the jobs of this process's session, if there is one. Java may be gone already, which is no error here."""
    context = _active_context()
    if context is not None:
        with contextlib.suppress(Exception):
            context.cancelAllJobs()


def end_jobs() -> None:
    """End them in silence: Java says in its log that tasks and workers end, and beside it, where its threads fail then."""
    context = _active_context()
    if context is not None:
        with contextlib.suppress(Exception):
            context.setLogLevel("OFF")
            java = context._jvm.java  # noqa: SLF001
            java.lang.System.setErr(java.io.PrintStream(java.io.OutputStream.nullOutputStream()))
    cancel_jobs()


def java_has_ended() -> bool:
    """Whether the Java that this process started has ended: what PySpark raises then takes many forms."""
    pyspark = sys.modules.get("pyspark")
    java = getattr(pyspark and pyspark.SparkContext._gateway, "proc", None)  # noqa: SLF001
    return java is not None and java.poll() is not None


def _active_context() -> Any:
    """Find Spark's context without importing PySpark, which a command may have had no use for."""
    pyspark = sys.modules.get("pyspark")
    return pyspark and pyspark.SparkContext._active_spark_context  # noqa: SLF001


def _import_engine(batches: Iterable[pa.RecordBatch], engine: str) -> Iterator[pa.RecordBatch]:
    """Import what a worker will need, for `DataFrame.mapInArrow`; the batches pass through."""
    import fruit_features.spark.featurizer  # noqa: F401
    from fruit_features.networks.engines import ENGINES

    ENGINES.find(engine).warm_up()
    yield from batches

"""Spark is started as `conf` says."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.framework.hooks import hook_impl

from fruit_features.spark.java import use_supported_java

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from pyspark.sql import SparkSession


class SparkHooks:
    """Starts the Spark session that `conf/<env>/spark.yml` describes."""

    def __init__(self) -> None:
        self._settings: dict[str, Any] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read the settings; start at once in a notebook, where datasets are loaded without a run."""
        settings = context.config_loader["spark"]
        project_path = str(context.project_path)  # Java, unlike Kedro, takes relative paths from where it was started
        self._settings = {
            name: value.replace("{project_path}", project_path) if isinstance(value, str) else value
            for name, value in settings.items()
        }
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            self._start()

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Start the session; commands that run nothing (`kedro viz`, `kedro registry list`) do without Java."""
        self._start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, _interrupt)

    def _start(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow, where it is needed, has nothing to say
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # nor to look for
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers start whatever python3 is on PATH
        is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit has started Java, and Java this process
        if not is_submitted and ("SPARK_HOME" not in os.environ or "JAVA_HOME" not in os.environ):
            use_supported_java()
        if self._settings.get("spark.master", "").startswith("local"):
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else block manager and others bind a public address
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession

        settings = {name: value for name, value in self._settings.items() if value is not None}  # null: taken back
        if is_submitted:  # then the cluster's and the submitter's word is the last
            SparkContext._ensure_initialized()  # noqa: SLF001 - else SparkConf is empty
            submitted = SparkConf()
            settings = {name: value for name, value in settings.items() if not submitted.contains(name)}
        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        _warm_up_workers(builder.getOrCreate())


def _interrupt(*_: object) -> NoReturn:
    """End the run on Ctrl-C, and Java with it; PySpark's own handler would talk to Java in the middle of another talk."""
    logging.disable()  # that this talk was cut short is no news to whoever cut it
    raise KeyboardInterrupt


def _warm_up_workers(session: SparkSession) -> None:
    """Let the Python workers start and import what they will need while the driver still lists the photos."""
    from fruit_features.spark.featurizer import import_engine

    n_workers = session.sparkContext.defaultParallelism
    job = session.range(0, n_workers, numPartitions=n_workers).mapInArrow(import_engine, "id long")

    def run() -> None:
        with contextlib.suppress(Exception):  # a worker that fails now fails again where it matters
            job.collect()

    threading.Thread(target=run, name="warm up workers", daemon=True).start()

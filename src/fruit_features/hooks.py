"""Kedro hooks: parameters are checked before anything starts, Spark starts from `conf`, and every run leaves a report."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import logging
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from fruit_features import object_store, summary
from fruit_features.java import use_supported_java
from fruit_features.parameters import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

ROOTS = frozenset({"images_root", "output_root", "models_root"})
"""Run-time parameters that `conf/base/catalog.yml` reads; all others belong to a pipeline."""

_PLACES_SHOWN = ("pca_features_csv", "rejected_images", "explained_variance", "report")

_REPORTED_PACKAGES = ("fruit-features", "kedro", "openvino", "numpy", "scikit-learn", "pillow", "pyarrow")


def top_level_parameter(name: str) -> str:
    """Name of the group of parameters that an input such as `params:reduction.n_components` belongs to."""
    return name.removeprefix("params:").partition(".")[0]


class ParameterHooks:
    """Refuses parameters that nothing reads; what stands inside a pipeline's parameters is checked by their types."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Check the top-level names, and let Kedro build the typed parameters.

        Raises:
            ValueError: A parameter has a name that no node and no catalog entry reads.

        """
        free_inputs = {name for pipeline in pipelines.values() for name in pipeline.inputs()}
        known = ROOTS | {top_level_parameter(name) for name in free_inputs if name.startswith("params:")}
        for name in context.config_loader["parameters"]:
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}: {nearest(name, known)}")
        _ = context.params  # checks every typed parameter: a bad one stops the run before Spark starts


def _local_path(context: KedroContext, dataset: str) -> Path | None:
    """Where a dataset lies, or None if that is not on a local disk; relative paths begin at the project, as Kedro's do."""
    filepath: str = context.config_loader["catalog"][dataset]["filepath"]
    return None if "://" in filepath else context.project_path / filepath


class ImagesRootHooks:
    """Refuses a folder of photos that is missing or closed before Spark starts, and names photos that Spark will not see."""

    def __init__(self) -> None:
        self._images_root: Path | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where the photos are."""
        self._images_root = _local_path(context, "images")

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Look at the folder, where it is a local one.

        Raises:
            FileNotFoundError: It is not there.
            PermissionError: It may not be read.

        """
        reads_photos = "images" in pipeline.inputs() or "feature_store" in pipeline.outputs()
        if not reads_photos or self._images_root is None:
            return
        try:
            os.scandir(self._images_root).close()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"images_root={self._images_root}: there is no such folder. Put photos there, in a folder per label, or name "
                "another: kedro run --params images_root=FOLDER"
            ) from None
        except PermissionError:
            raise PermissionError(f"images_root={self._images_root}: this user may not read the folder") from None
        ignored = list(_ignored_by_spark(self._images_root))
        if ignored:
            logger.warning(
                "%d files or folders are left out, as Spark ignores names that begin with an underscore: rename them, if they "
                "are photos or hold some. The first is %s",
                len(ignored),
                ignored[0],
            )


def _ignored_by_spark(root: Path) -> Iterator[Path]:
    """Find the files and folders that Spark takes for bookkeeping; hidden ones (a dot first) are nobody's photos."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files) if name.startswith("_") and "=" not in name)
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]


class ObjectStoreHooks:
    """Refuses roots on S3 that are missing or closed, before Spark starts."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where photos and results are."""
        catalog = context.config_loader["catalog"]
        output_root = catalog["feature_store"]["filepath"].rsplit("/", 2)[0]
        self._roots = {"images": catalog["images"]["filepath"], "output": output_root}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Read a photo and write an empty object, where they are on S3.

        Raises:
            ObjectStoreError: One of them is refused.

        """
        images, output = self._roots["images"], self._roots["output"]
        if "images" in pipeline.inputs() and images.startswith(object_store.PROTOCOLS):
            object_store.check_readable(images)
        if output.startswith(object_store.PROTOCOLS):
            object_store.check_writable(output)


class OutputLockHooks:
    """Lets one run at a time write to a local output folder; the lock of a dead run is void, as the system drops it."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock: IO[str] | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where results go."""
        feature_store = _local_path(context, "feature_store")
        self._folder = feature_store and feature_store.parent

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Take the lock.

        Raises:
            RuntimeError: Another run has it.
        """
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / ".lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            raise RuntimeError(
                f"another run (process {holder}) is writing to {self._folder}: wait for it to end, or choose another "
                "folder: kedro run --params output_root=FOLDER"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Release the lock, when the other hooks have written their reports."""
        self._release()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the lock."""
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


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
    from fruit_features.pipelines.featurization.worker import import_engine

    n_workers = session.sparkContext.defaultParallelism
    job = session.range(0, n_workers, numPartitions=n_workers).mapInArrow(import_engine, "id long")

    def run() -> None:
        with contextlib.suppress(Exception):  # a worker that fails now fails again where it matters
            job.collect()

    threading.Thread(target=run, name="warm up workers", daemon=True).start()


class RunReportHooks:
    """Times every node, saves `run_report` after each run that accounted for its photos, and completes the `report`."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._counts = self._fingerprint = self._page = None
        self._node_spans: dict[str, list[float]] = {}
        self._places: dict[str, str] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters for the report, and where its tables lie."""
        self._parameters = context.config_loader["parameters"]
        catalog = context.config_loader["catalog"]
        self._places = {name: catalog[name]["filepath"] for name in _PLACES_SHOWN}

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Forget the run before."""
        self._counts = self._fingerprint = self._page = None
        self._node_spans = {}

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """A node's time begins with its first input."""
        now = time.perf_counter()
        self._node_spans.setdefault(node.name, [now, now])

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Note which network the run used."""
        if dataset_name == "network":
            self._fingerprint = data.fingerprint

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """A node's time ends with its last output: Spark does the work while it saves."""
        self._node_spans[node.name][1] = time.perf_counter()
        if dataset_name == "photo_counts":
            self._counts = data
        if dataset_name == "report":
            self._page = data

    @hook_impl
    def after_pipeline_run(self, catalog: CatalogProtocol[str, Any]) -> None:
        """Save what the run took, put it into the page, and say what came out.

        A run of the reporting pipeline alone shows what the last run took that accounted for its photos.
        """
        run_report = None
        if self._counts is not None:
            run_report = self._describe_run(self._counts)
            catalog.save("run_report", run_report)
        if self._page is not None and catalog.exists("run_report"):
            from fruit_features.pipelines.reporting.report import complete_report

            catalog.save("report", complete_report(self._page, catalog.load("run_report")))
        if run_report is not None:
            places = dict(self._places)
            if self._page is None:  # what lies there is the page of an earlier run
                del places["report"]
            summary.show(run_report, places)

    def _describe_run(self, counts: dict[str, Any]) -> dict[str, Any]:
        import pyspark

        seconds = {name: round(end - start, 3) for name, (start, end) in self._node_spans.items()}
        featurizing = seconds.get("featurize_photos", 0.0)
        return {
            "counts": {name: counts[name] for name in ("listed", "featurized", "reused", "rejected", "exported")},
            "rejected_by_reason": counts["rejected_by_reason"],
            "components": counts["components"],
            "seconds_per_node": seconds,
            "images_per_second": round(counts["featurized"] / featurizing, 1) if featurizing else 0.0,
            "fingerprint": self._fingerprint,
            "parameters": self._parameters,
            "versions": {"python": platform.python_version(), "pyspark": pyspark.__version__}  # a cluster brings its own
            | {name: importlib.metadata.version(name) for name in _REPORTED_PACKAGES},
        }

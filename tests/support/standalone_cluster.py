"""A standalone Spark cluster on this machine, out of PySpark's own distribution: tasks are not in the driver's own process."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark
import yaml

from fruit_features.spark.java import use_supported_java
from tests.support.cluster.daemons import LOOPBACK, daemon, free_ports, listens
from tests.support.killing import marked_processes, runs
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psutil

ENV = "cluster"
_WORKER_SIZE = ("--cores", "1", "--memory", "3g")
_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        url: What `spark.master` is set to.
        marks: Of the workers; they stand in the environment of all that these start.

    """

    url: str
    marks: Sequence[str]

    def executors(self) -> list[psutil.Process]:
        """The processes, one for each worker and application, that run tasks; by age."""
        found = [process for mark in self.marks for process in marked_processes(mark) if runs(process, _EXECUTOR)]
        return sorted(found, key=lambda process: process.create_time())

    def configuration(self, conf: Path, *, like: str, executor_memory: str) -> Path:
        """Write the project's public configuration with one environment more, `ENV`: as another, on this cluster."""
        shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
        shutil.copytree(conf / like, conf / ENV)
        spark = conf / ENV / "spark.yml"
        here = {"spark.master": self.url, "spark.executor.cores": 1, "spark.executor.memory": executor_memory}
        spark.write_text(yaml.safe_dump(yaml.safe_load(spark.read_text()) | here))
        return conf


@contextmanager
def standalone_cluster(n_workers: int, folder: Path, *, on_cores_of_their_own: bool = False) -> Iterator[Cluster]:
    """Start a master and workers of one core each; nothing of them is alive afterwards.

    Workers run one task at a time, on whichever cores the system gives them; with `on_cores_of_their_own`, a worker and all
    that it starts are held to one.
    """
    folder.mkdir(parents=True)
    with ExitStack() as daemons:
        (port,) = free_ports(1)
        url, master_log = f"spark://{LOOPBACK}:{port}", folder / "master.log"
        daemons.enter_context(_spark_daemon("master.Master", ["--port", str(port)], master_log, partial(listens, port)))
        cores = sorted(os.sched_getaffinity(0))
        marks = []
        for worker in range(n_workers):
            held = ["taskset", "--cpu-list", str(cores[worker % len(cores)])] if on_cores_of_their_own else []
            home = folder / f"worker_{worker}"
            arguments = [*_WORKER_SIZE, "--work-dir", str(home), url]
            is_registered = partial(_has_workers, master_log, worker + 1)
            running = _spark_daemon("worker.Worker", arguments, home.with_suffix(".log"), is_registered, held)
            marks.append(daemons.enter_context(running))
        yield Cluster(url, marks)


def _spark_daemon(
    name: str, arguments: Sequence[str], log: Path, is_ready: Callable[[], bool], prefix: Sequence[str] = ()
) -> AbstractContextManager[str]:
    """One of Spark's daemons, offered to nobody but this machine."""
    spark_home = Path(pyspark.__file__).parent
    environment = {"SPARK_HOME": str(spark_home), "JAVA_HOME": str(use_supported_java()), "SPARK_LOCAL_IP": LOOPBACK}
    program = [*prefix, str(spark_home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}"]
    return daemon([*program, "--host", LOOPBACK, "--webui-port", "0", *arguments], log, is_ready, environment)


def _has_workers(master_log: Path, number: int) -> bool:
    return master_log.read_text(errors="replace").count("Registering worker") >= number

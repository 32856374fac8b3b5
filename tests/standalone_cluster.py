"""A standalone Spark cluster on this machine, for runs whose tasks are not in the driver's own process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark

from fruit_features.java import use_supported_java
from tests.killing import kill_all, marked_environment, marked_processes, runs
from tests.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

LOOPBACK = "127.0.0.1"
ENV = "cluster"
START_TIMEOUT = 120.0  # seconds
_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        conf_source: The project's configuration with an environment `ENV`, which is `test` on this cluster.
        mark: Stands in the environment of all its processes.

    """

    conf_source: Path
    mark: str

    def executors(self) -> list[psutil.Process]:
        """The processes, one for each worker and application, that run tasks; by age."""
        found = [process for process in marked_processes(self.mark) if runs(process, _EXECUTOR)]
        return sorted(found, key=lambda process: process.create_time())


@contextmanager
def standalone_cluster(n_workers: int, folder: Path) -> Iterator[Cluster]:
    """Start a master and workers of one core each; nothing of them is alive afterwards."""
    folder.mkdir(parents=True)
    mark = uuid.uuid4().hex
    port = _free_port()
    url, master_log = f"spark://{LOOPBACK}:{port}", folder / "master.log"
    daemons = []
    try:
        daemons.append(_start("master.Master", ["--port", str(port)], master_log, mark))
        for worker in range(n_workers):
            home = folder / f"worker_{worker}"
            size = ["--cores", "1", "--memory", "2g"]
            daemons.append(_start("worker.Worker", [*size, "--work-dir", str(home), url], home.with_suffix(".log"), mark))
        deadline = time.monotonic() + START_TIMEOUT
        while master_log.read_text(errors="replace").count("Registering worker") < n_workers:
            assert time.monotonic() < deadline, master_log.read_text()
            time.sleep(0.1)
        yield Cluster(_configuration(folder / "conf", url), mark)
    finally:
        kill_all(mark)
        for daemon in daemons:
            daemon.wait()


def _start(name: str, arguments: list[str], log: Path, mark: str) -> subprocess.Popen[bytes]:
    spark_home = Path(pyspark.__file__).parent
    environment = marked_environment(mark) | {
        "SPARK_HOME": str(spark_home),
        "JAVA_HOME": os.environ.get("JAVA_HOME") or str(use_supported_java()),
        "SPARK_LOCAL_IP": LOOPBACK,
    }
    command = [spark_home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", "--host", LOOPBACK, "--webui-port", "0"]
    with log.open("wb") as out:
        return subprocess.Popen([*command, *arguments], env=environment, stdout=out, stderr=out)


def _configuration(conf: Path, master: str) -> Path:
    shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    shutil.copytree(conf / "test", conf / ENV)
    with (conf / ENV / "spark.yml").open("a") as settings:
        settings.write("\nspark.executor.cores: 1\nspark.executor.memory: 1g\n")
    text = (conf / ENV / "spark.yml").read_text()
    assert text.count("local[2,4]") == 1
    (conf / ENV / "spark.yml").write_text(text.replace("local[2,4]", master))
    return conf


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port

"""A Spark standalone cluster on this machine, out of PySpark's own distribution, and a configuration that uses it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark

from fruit_features.java import use_supported_java
from harness.places import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
ENV = "cluster"
START_TIMEOUT = 60.0  # seconds
EXECUTOR_MEMORY_GIB = 2


@contextmanager
def standalone_cluster(n_workers: int, folder: Path) -> Iterator[str]:
    """Run a master and workers of one core each, to which the system holds all that they start: its core, and no other.

    Args:
        n_workers: Number of workers.
        folder: Folder for what they write.

    Yields:
        URL of the master.

    Raises:
        TimeoutError: The workers did not register.

    """
    folder.mkdir(parents=True)
    with ExitStack() as daemons:
        port = _free_port()
        url = f"spark://{LOOPBACK}:{port}"
        master_log = folder / "master.log"
        daemons.enter_context(_daemon("master.Master", ["--port", str(port)], master_log))
        cores = sorted(os.sched_getaffinity(0))
        for worker in range(n_workers):
            size = ["--cores", "1", "--memory", f"{EXECUTOR_MEMORY_GIB + 1}g"]
            home = folder / f"worker_{worker}"
            arguments, core = [*size, "--work-dir", str(home), url], cores[worker % len(cores)]
            daemons.enter_context(_daemon("worker.Worker", arguments, home.with_suffix(".log"), core))
        _await_workers(n_workers, master_log)
        yield url


def make_configuration(folder: Path, master: str) -> Path:
    """Copy the project's public configuration and add an environment for this cluster.

    Returns:
        What to give to `kedro run --conf-source`, along with `--env` `ENV`.

    """
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / ENV).mkdir()
    settings = {"spark.master": master, "spark.executor.cores": 1, "spark.executor.memory": f"{EXECUTOR_MEMORY_GIB}g"}
    (conf / ENV / "spark.yml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    return conf


@contextmanager
def _daemon(name: str, arguments: list[str], log: Path, core: int | None = None) -> Iterator[None]:
    """Run one of Spark's daemons, offered to nobody but this machine, and on one of its cores if that is given."""
    spark_home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(spark_home),
        "JAVA_HOME": str(use_supported_java()),
        "SPARK_LOCAL_IP": LOOPBACK,
    }
    listen = ["--host", LOOPBACK, "--webui-port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [spark_home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", *listen, *arguments],
            env=environment,
            stdout=out,
            stderr=out,
        )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})  # what it starts inherits it
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _await_workers(n_workers: int, master_log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while master_log.read_text(errors="replace").count("Registering worker") < n_workers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {n_workers} workers after {START_TIMEOUT:.0f} s: {master_log.read_text()[-2000:]}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port

"""`kedro run --env emr` on this machine, with photos and results on S3: Spark in one process, all else as on a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.cluster import tools
from tests.support.cluster.daemons import LIGHT_JAVA
from tests.support.killing import TIMEOUT, kill_all, marked_environment, wait_until
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.cluster.object_store import ObjectStore

LEASE_SECONDS = 6.0
"""How long the lock of a run that `with_short_lease` configures lasts after it was renewed."""

LEASE_HAS_ENDED = LEASE_SECONDS + 3.5
"""When another run takes it for dead: two seconds are a margin, and S3 tells times in whole seconds."""


@dataclass
class LocalRun:
    """A run in a process of its own.

    Attributes:
        process: The driver.
        log: What it says.
        mark: Stands in the environment of every process of it.

    """

    process: subprocess.Popen[bytes]
    log: Path
    mark: str

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until(self, what: Callable[[], object], meaning: str) -> None:
        """Wait for a moment of the run.

        Raises:
            AssertionError: The run ended before it came.

        """
        wait_until(what, meaning, self.process, lambda: self.text)

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)

    def kill(self) -> None:
        """`kill -9` of everything."""
        kill_all(self.mark)
        self.process.wait()


@contextmanager
def started_here(store: ObjectStore, folder: Path, *options: str, parameters: str) -> Iterator[LocalRun]:
    """Start a run; nothing of it is alive afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    log = folder / f"{mark}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--env", "emr", "--params", parameters, *options],
            cwd=PROJECT,
            env=marked_environment(mark) | emr_environment(store, folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    run = LocalRun(process, log, mark)
    try:
        yield run
    finally:
        run.kill()


def with_short_lease(folder: Path) -> tuple[str, str]:
    """Options of a run that has the project's configuration, but a lock that ends soon if the run is killed."""
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    (conf / "base" / "locks.yml").write_text(f"lease_seconds: {LEASE_SECONDS}\n")
    return "--conf-source", str(conf)


def run_here(store: ObjectStore, folder: Path, *options: str, parameters: str) -> str:
    """Run to the end, which must be a good one; what it said."""
    with started_here(store, folder, *options, parameters=parameters) as run:
        assert run.wait() == 0, run.text
    return run.text


def emr_environment(store: ObjectStore, folder: Path) -> dict[str, str]:
    """What lets `--env emr` run on one machine, with the jars that a cluster would have."""
    return {
        **store.environment,
        "FRUIT_FEATURES_SPARK_MASTER": "local[2,4]",
        "SPARK_DIST_CLASSPATH": f"{tools.jars('s3a')}/*",
        "SPARK_LOCAL_DIRS": str(folder),
        "JAVA_HOME": str(tools.java_home()),
        "JDK_JAVA_OPTIONS": " ".join(LIGHT_JAVA),
        "HOME": os.environ["HOME"],
    }

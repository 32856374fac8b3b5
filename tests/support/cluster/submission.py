"""The project, packaged and submitted to YARN in cluster mode."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark

from tests.support.cluster import tools
from tests.support.cluster.daemons import LIGHT_JAVA, LOOPBACK
from tests.support.killing import TIMEOUT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.support.cluster.yarn import Yarn

_POLLING_INTERVAL = 0.05  # seconds
SPARK_HOME = Path(pyspark.__file__).parent


@dataclass(frozen=True)
class Package:
    """What `make package` wrote.

    Attributes:
        folder: Where it lies.

    """

    folder: Path

    @property
    def environment(self) -> Path:
        (archive,) = self.folder.glob("environment-*.tar.gz")
        return archive


@dataclass
class Application:
    """A submitted run.

    Attributes:
        client: `spark-submit`, which follows it to its end.
        said: What that says.
        yarn: Where it runs.

    """

    client: subprocess.Popen[bytes]
    said: Path
    yarn: Yarn

    @property
    def identifier(self) -> str | None:
        found = re.search(r"application_\d+_\d+", self.said.read_text(errors="replace"))
        return found and found[0]

    @property
    def log(self) -> str:
        """What all its drivers have said, the first one first, and what `spark-submit` said."""
        folder = self.yarn.logs / (self.identifier or "nowhere")
        files = sorted(folder.glob("container_*_000001/std*"))
        return "".join(file.read_text(errors="replace") for file in files)

    def wait_until(self, what: Callable[[], object], meaning: str) -> None:
        """Wait for a moment of the run.

        Raises:
            AssertionError: The run ended before it came.

        """
        wait_until(what, meaning, self.client, self.report, _POLLING_INTERVAL)

    def wait(self) -> str:
        """Wait for the end; YARN's final status: SUCCEEDED, FAILED or KILLED."""
        self.client.wait(TIMEOUT)
        return re.findall(r"final status: (\w+)", self.said.read_text(errors="replace"))[-1]

    def report(self) -> str:
        return f"{self.said.read_text(errors='replace')[-2000:]}\n{self.log[-6000:]}"


@contextmanager
def submitted(
    package: Package,
    yarn: Yarn,
    environment: Mapping[str, str],
    folder: Path,
    *arguments: str,
    attempts: int = 1,
    files: tuple[Path, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Application]:
    """Submit a run as a user would, with two executors of one core; nothing of it is alive afterwards.

    Args:
        package: What is submitted.
        yarn: To whom.
        environment: Variables of the driver and of the executors: the S3 endpoint and credentials.
        folder: For staging and for what `spark-submit` says.
        arguments: Those of `kedro run`.
        attempts: How often YARN may start the driver.
        files: Put into the driver's working directory.
        settings: More of Spark's.

    """
    folder.mkdir(parents=True, exist_ok=True)
    here = {"SPARK_LOCAL_IP": LOOPBACK, "SPARK_LOCAL_HOSTNAME": LOOPBACK}  # nothing is offered to the network
    python = {"PYSPARK_PYTHON": "./environment/bin/python"}
    everywhere = {**here, **python, **environment}
    # The cluster's own Spark, and S3A beside it, as they are on the nodes of EMR.
    jars = f"local:{SPARK_HOME}/jars/*,local:{tools.jars('s3a')}/*"
    conf = {
        **{f"spark.yarn.appMasterEnv.{name}": value for name, value in everywhere.items()},
        **{f"spark.executorEnv.{name}": value for name, value in everywhere.items()},
        "spark.yarn.jars": jars,
        "spark.yarn.stagingDir": f"file://{folder}/staging",
        "spark.yarn.maxAppAttempts": str(attempts),
        "spark.yarn.submit.waitAppCompletion": "true",
        "spark.executor.instances": "2",
        "spark.executor.cores": "1",
        "spark.executor.memory": "1g",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": " ".join(LIGHT_JAVA),
        "spark.executor.extraJavaOptions": " ".join(LIGHT_JAVA),
        "spark.driver.bindAddress": LOOPBACK,
        "spark.sql.shuffle.partitions": "2",
        "spark.yarn.report.interval": "500ms",
        "spark.yarn.scheduler.heartbeat.interval-ms": "500",
        **(settings or {}),
    }
    options = [option for name, value in conf.items() for option in ("--conf", f"{name}={value}")]
    archives = f"{package.environment}#environment,{package.folder}/conf-fruit_features.tar.gz#conf"
    command = [
        str(SPARK_HOME / "bin" / "spark-submit"),
        *("--master", "yarn", "--deploy-mode", "cluster", "--archives", archives),
        *(("--files", ",".join(map(str, files))) if files else ()),
        *options,
        str(package.folder / "run.py"),
        *("--env", "emr", *arguments),
    ]
    said = folder / "spark_submit.log"
    client_environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYSPARK_"))},
        "HADOOP_CONF_DIR": str(yarn.configuration),
        "JAVA_HOME": str(tools.java_home()),
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_SUBMIT_OPTS": " ".join(LIGHT_JAVA),
        **here,
    }
    with said.open("wb") as out:
        client = subprocess.Popen(
            command, cwd=folder, env=client_environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    application = Application(client, said, yarn)
    try:
        yield application
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
        _end(application)


def _end(application: Application) -> None:
    """Have YARN end what still runs of an application, and wait until nothing does."""
    for process in application.yarn.application_masters() + application.yarn.executors():
        process.kill()
    deadline = time.monotonic() + TIMEOUT
    while application.yarn.application_masters() + application.yarn.executors():
        assert time.monotonic() < deadline
        time.sleep(_POLLING_INTERVAL)

"""YARN on this machine: a resource manager and one node, as every cluster has them, on loopback."""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from tests.support.cluster import tools
from tests.support.cluster.daemons import LIGHT_JAVA, LOOPBACK, daemon, free_ports
from tests.support.killing import MARK, marked_processes, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import psutil

MEMORY, CORES = 12288, 4
_DAEMONS = "org.apache.hadoop.yarn.server"
_EXECUTOR = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"
_MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"


@dataclass(frozen=True)
class Yarn:
    """A running YARN.

    Attributes:
        configuration: `HADOOP_CONF_DIR` of who submits.
        web: Address of the resource manager's REST interface.
        logs: Folder of the containers' logs.
        mark: Stands in the environment of the node and of every container.

    """

    configuration: Path
    web: str
    logs: Path
    mark: str

    def executors(self) -> list[psutil.Process]:
        """Java processes of executors, the oldest first."""
        return self._java(_EXECUTOR)

    def application_masters(self) -> list[psutil.Process]:
        """Java processes of drivers, the oldest first."""
        return self._java(_MASTER)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.web}/ws/v1/cluster/{path}", timeout=10) as answer:
            return json.load(answer)

    def _java(self, program: str) -> list[psutil.Process]:
        # Not the shell that YARN starts each of them by, which names it, too.
        found = [process for process in marked_processes(self.mark) if runs(process, "java") and runs(process, program)]
        return sorted(found, key=lambda process: process.create_time())


@contextmanager
def running_yarn(folder: Path) -> Iterator[Yarn]:
    """Start the daemons; they and their containers are gone afterwards."""
    configuration = folder / "conf"
    configuration.mkdir(parents=True)
    java = tools.java_home()
    ports = free_ports(8)
    web = f"{LOOPBACK}:{ports[4]}"
    _write(configuration / "core-site.xml", {"fs.defaultFS": "file:///", "hadoop.tmp.dir": str(folder / "tmp")})
    _write(configuration / "yarn-site.xml", _yarn_site(folder, ports))
    queues = {"root.queues": "default", "root.default.capacity": "100", "maximum-am-resource-percent": "1.0"}
    _write(
        configuration / "capacity-scheduler.xml", {f"yarn.scheduler.capacity.{name}": value for name, value in queues.items()}
    )
    (configuration / "log4j.properties").write_text(
        "log4j.rootLogger=WARN, console\nlog4j.appender.console=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.console.layout=org.apache.log4j.PatternLayout\n"
        "log4j.appender.console.layout.ConversionPattern=%d %p %c{1}: %m%n\n"
    )
    classpath = f"{configuration}:{tools.jars('yarn')}/*"
    options = [
        "-Xmx512m",
        *LIGHT_JAVA,
        "--add-opens",
        "java.base/java.lang=ALL-UNNAMED",
        f"-Dyarn.log.dir={folder}",
    ]
    launch = [str(java / "bin" / "java"), *options, "-cp", classpath]
    with ExitStack() as stack:
        marks = []

        def n_nodes() -> int:
            try:
                return int(yarn.ask("metrics")["activeNodes"])
            except OSError:
                return -1

        yarn = Yarn(configuration, web, folder / "logs", "")
        environment = {"JAVA_HOME": str(java), "PATH": os.environ["PATH"]}
        for name, is_ready in (
            ("resourcemanager.ResourceManager", lambda: True),
            ("nodemanager.NodeManager", lambda: n_nodes() == 1),
        ):
            log = folder / f"{name}.log"
            marks.append(stack.enter_context(daemon([*launch, f"{_DAEMONS}.{name}"], log, is_ready, environment)))
        yield Yarn(configuration, web, folder / "logs", marks[1])


def _yarn_site(folder: Path, ports: list[int]) -> dict[str, str]:
    places = ("address", "scheduler.address", "resource-tracker.address", "admin.address", "webapp.address")
    addresses = {f"yarn.resourcemanager.{place}": f"{LOOPBACK}:{port}" for place, port in zip(places, ports, strict=False)}
    node_places = ("address", "localizer.address", "webapp.address")
    addresses |= {
        f"yarn.nodemanager.{place}": f"{LOOPBACK}:{port}" for place, port in zip(node_places, ports[5:], strict=True)
    }
    return addresses | {
        "yarn.resourcemanager.hostname": LOOPBACK,
        "yarn.resourcemanager.am.max-attempts": "4",
        "yarn.nodemanager.hostname": LOOPBACK,
        "yarn.nodemanager.bind-host": LOOPBACK,
        "yarn.nodemanager.resource.memory-mb": str(MEMORY),
        "yarn.nodemanager.resource.cpu-vcores": str(CORES),
        "yarn.scheduler.minimum-allocation-mb": "256",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "false",
        "yarn.nodemanager.local-dirs": str(folder / "local"),
        "yarn.nodemanager.log-dirs": str(folder / "logs"),
        "yarn.nodemanager.delete.debug-delay-sec": "0",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99",
        "yarn.nodemanager.env-whitelist": f"JAVA_HOME,PATH,LANG,{MARK}",
        "yarn.nm.liveness-monitor.expiry-interval-ms": "60000",
        "yarn.dispatcher.exit-on-error": "true",
    }


def _write(file: Path, properties: Mapping[str, str]) -> None:
    rows = "".join(
        f"<property><name>{name}</name><value>{escape(value)}</value></property>\n" for name, value in properties.items()
    )
    file.write_text(f"<configuration>\n{rows}</configuration>\n")

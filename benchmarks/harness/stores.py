"""Runs in `conf/emr` beside the S3 server of the tests, which can be far away: toxiproxy in front of it, all on loopback."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from harness.places import BENCHMARKS, PROJECT, QUIET
from harness.processes import Measured, run_cold
from tests.support.cluster import tools
from tests.support.cluster.daemons import LOOPBACK, daemon, free_ports, listens
from tests.support.cluster.local_runs import emr_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.cluster.object_store import ObjectStore

_PACKAGE = "github.com/Shopify/toxiproxy/v2/cmd/server"


@contextmanager
def far_away(upstream: int, milliseconds: int, folder: Path) -> Iterator[int]:
    """Run a proxy that passes every request on a little later.

    Args:
        upstream: Port of the server.
        milliseconds: How much later.
        folder: For its log.

    Yields:
        The proxy's port.

    """
    port, api = free_ports(2)
    log = folder / f"proxy_{milliseconds}_ms.log"
    with daemon([str(_proxy()), "-host", LOOPBACK, "-port", str(api)], log, lambda: listens(api)):
        _post(api, "proxies", {"name": "s3", "listen": f"{LOOPBACK}:{port}", "upstream": f"{LOOPBACK}:{upstream}"})
        toxic: dict[str, object] = {"type": "latency", "stream": "upstream", "attributes": {"latency": milliseconds}}
        _post(api, "proxies/s3/toxics", toxic)
        yield port


def round_trip(port: int) -> float:
    """Milliseconds that a request takes: the median of nine, each on a connection of its own."""
    taken = []
    for _ in range(9):
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
        connection.connect()
        started = time.perf_counter()
        connection.request("HEAD", "/")
        connection.getresponse()
        taken.append(time.perf_counter() - started)
        connection.close()
    return 1000 * statistics.median(taken)


def run_beside(store: ObjectStore, command: Sequence[str], scratch: Path) -> tuple[Measured, float]:
    """Run the project in `conf/emr` on this machine, with what it needs to reach a store.

    Returns:
        What it took, and the CPU seconds that the server and the proxies took meanwhile.

    """
    before = _cpu_seconds_of_stores()
    measured = run_cold(command, cwd=PROJECT, log=scratch / "run.log", env=emr_environment(store, scratch) | QUIET)
    return measured, _cpu_seconds_of_stores() - before


def _cpu_seconds_of_stores() -> float:
    servers = [process for process in psutil.Process().children() if process.name() in ("versitygw", "toxiproxy")]
    return sum(process.cpu_times().user + process.cpu_times().system for process in servers)


def _proxy() -> Path:
    executable = tools.CACHE / "toxiproxy"
    if not executable.exists():
        executable.parent.mkdir(parents=True, exist_ok=True)
        command = ["go", "build", "-mod=readonly", "-o", str(executable), _PACKAGE]
        subprocess.run(command, cwd=BENCHMARKS / "latency_proxy", check=True)
    return executable


def _post(api: int, path: str, content: dict[str, object]) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, api, timeout=10)
    connection.request("POST", f"/{path}", json.dumps(content))
    status = connection.getresponse().status
    connection.close()
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise RuntimeError(f"the proxy answers {status} to {path}")

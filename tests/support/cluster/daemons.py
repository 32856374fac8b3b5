"""Servers of the tests: started on loopback, found by a mark, and gone afterwards."""

from __future__ import annotations

import socket
import subprocess
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.killing import kill_all, marked_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"

LIGHT_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java that starts fast and ends soon, as the project's own on a laptop."""


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind((LOOPBACK, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


@contextmanager
def daemon(
    command: Sequence[str], log: Path, is_ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server, and kill it and all that it started at the end; yields the mark that all of them bear."""
    mark = uuid.uuid4().hex
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=marked_environment(mark) | dict(environment or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        wait_until(is_ready, f"{command[0]} answers", process, lambda: log.read_text(errors="replace")[-3000:], interval=0.1)
        yield mark
    finally:
        kill_all(mark)
        process.wait()

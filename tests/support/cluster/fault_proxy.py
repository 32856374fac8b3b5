"""A store behind a line that fails: it answers 503 for everything, or cuts every connection, for as long as a test wants."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from tests.support.cluster.daemons import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = Literal["none", "slow down", "cut"]

_BODY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_SLOW_DOWN = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
_BLOCK = 65536


class FaultProxy(socketserver.ThreadingTCPServer):
    """A TCP proxy.

    Attributes:
        n_refused: Requests that a fault has met.

    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: int) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.upstream = upstream
        self.fault: Fault = "none"
        self.n_refused = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def fail(self, fault: Fault) -> None:
        """From now on; connections that are open are cut."""
        with self._lock:
            self.fault = fault
            n_open = 0
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                    n_open += 1
            if fault != "none":
                self.n_refused += n_open

    def opened(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.update(sockets)

    def closed(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(sockets)


class _Connection(socketserver.BaseRequestHandler):
    server: FaultProxy

    def handle(self) -> None:
        client: socket.socket = self.request
        if self.server.fault == "none":
            self._pass_on(client)
            return
        self.server.n_refused += 1
        if self.server.fault == "slow down":
            with suppress(OSError):
                client.recv(_BLOCK)
                client.sendall(_SLOW_DOWN)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection((LOOPBACK, self.server.upstream)) as store:
            self.server.opened(client, store)
            back = threading.Thread(target=_pump, args=(store, client), daemon=True)
            back.start()
            _pump(client, store)
            back.join()
            self.server.closed(client, store)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def fault_proxy(upstream: int) -> Iterator[FaultProxy]:
    """Run a proxy in front of a port of this machine."""
    with FaultProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.fail("cut")
            proxy.shutdown()
            thread.join()

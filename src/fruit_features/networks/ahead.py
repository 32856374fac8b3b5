"""A network that a child process builds while this one starts Spark and lists the photos.

Building takes seconds, most of which are imports of TensorFlow and NNCF: so they pass beside others, and neither library takes
memory of the driver. The child is a help and no more: wherever it fails, the network is built here, and errors are told here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fruit_features.networks.building import build_network, export_network, finish_network
from fruit_features.networks.engines import ENGINES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fruit_features.networks.configuration import NetworkConfiguration
    from fruit_features.networks.network import Network


class NetworkAhead:
    """A child process that builds the network of a configuration.

    It ends by itself when this process has ended: it reads the photos from a pipe, which is closed then.
    """

    def __init__(self, configuration: NetworkConfiguration) -> None:
        """Start the child.

        Args:
            configuration: What the network is to be.

        Raises:
            OSError: No process can be started.

        """
        self._fingerprint = configuration.fingerprint()
        self._child = subprocess.Popen(  # noqa: S603 - this Python, and this module
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what fails there fails again here, where it is told
        )
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(configuration, self._child.stdin)
            self._child.stdin.flush()

    def is_of(self, configuration: NetworkConfiguration) -> bool:
        """Whether the network that is being built is that of this configuration."""
        return self._fingerprint == configuration.fingerprint()

    def finish(self, calibration_photos: NDArray[np.uint8] | None) -> Network | None:
        """Wait for the network.

        Args:
            calibration_photos: As for `building.build_network`.

        Returns:
            The network, or None if the child failed.

        """
        answer, _ = self._child.communicate(pickle.dumps(calibration_photos, pickle.HIGHEST_PROTOCOL))
        if self._child.returncode != 0:
            return None
        network: Network = pickle.loads(answer)  # noqa: S301 - written by this project's own code, in a child of this process
        return network

    def stop(self) -> None:
        """End the child, whatever it is doing."""
        self._child.kill()
        self._child.communicate()


_current: NetworkAhead | None = None


def begin(configuration: NetworkConfiguration) -> None:
    """Begin to build a network that this process will need. There is one at a time: any other is given up."""
    global _current  # noqa: PLW0603 - a run begins in a hook what its node waits for
    give_up()
    with contextlib.suppress(OSError):
        _current = NetworkAhead(configuration)


def give_up() -> None:
    """End what was begun and is not needed."""
    global _current  # noqa: PLW0603
    if _current is not None:
        _current.stop()
    _current = None


def build(configuration: NetworkConfiguration, calibration_photos: NDArray[np.uint8] | None) -> Network:
    """Build a network: wait for the child if it builds this one, and build it here otherwise.

    Args:
        configuration: What it is to be.
        calibration_photos: As for `building.build_network`.

    """
    global _current  # noqa: PLW0603
    network = None
    if _current is not None and _current.is_of(configuration):
        network = _current.finish(calibration_photos)
        _current = None
    return network or build_network(configuration, calibration_photos)


def _serve() -> None:
    """Build the network that standard input describes, and write it to standard output. Nothing else may print there."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers, Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        configuration: NetworkConfiguration = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this
        exported = export_network(configuration)
        if configuration.is_calibrated:
            ENGINES.find(configuration.engine).warm_up_quantization()
        calibration_photos: NDArray[np.uint8] | None = pickle.load(sys.stdin.buffer)  # noqa: S301
        pickle.dump(finish_network(configuration, exported, calibration_photos), answers, pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    with contextlib.suppress(EOFError, KeyboardInterrupt):  # the other process has ended, or Ctrl-C ends both
        _serve()
        os._exit(0)  # the libraries take half a second to say good-bye, for which the other process would wait
    os._exit(1)

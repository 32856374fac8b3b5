"""What every engine offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from fruit_features.networks.contract import NetworkFile
    from fruit_features.networks.engines.file_checks import ReadNetwork
    from fruit_features.networks.network import Network, Precision

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 (batch, size, size, 3) RGB photos to float32 (batch, n_features); the batch size is the one it was loaded for."""


class Engine(ABC):
    """A library that runs exported networks on one processor core.

    An engine imports its library inside of its methods, so that a worker pays for the library that it uses and for no other.

    Attributes:
        name: The key in the registry, and the value of `featurization.engine`.
        precisions: The precisions that it offers.
        file_formats: The formats of network files that `read` and `adopt` take: names of backbones, such as `onnx`.

    """

    name: str
    precisions: frozenset[Precision]
    file_formats: frozenset[str] = frozenset()

    @abstractmethod
    def export(self, model: Any) -> dict[str, bytes]:
        """Freeze a Keras model into files that need neither Keras nor Python code.

        Args:
            model: Keras model, uint8 (batch, size, size, 3) to float32 (batch, n_features).

        Returns:
            File name to content.

        """

    @abstractmethod
    def load(self, network: Network, batch_size: int) -> Predictor:
        """Load a network for one core: Spark runs one Python worker per core, so each has a single thread.

        Args:
            network: A network whose files `export` or `quantize` returned.
            batch_size: Photos per call.

        Returns:
            Function of uint8 (batch_size, size, size, 3) that returns a fresh float32 (batch_size, n_features).

        """

    def load_on_driver(self, network: Network, batch_size: int) -> Predictor:
        """Load a network where a run is started, which may have other processors than the workers."""
        return self.load(network, batch_size)

    @abstractmethod
    def warm_up(self) -> None:
        """Import the library: Spark's workers do so while the driver still lists the photos."""

    def read(self, place: str, content: bytes, companions: Mapping[str, bytes]) -> AbstractContextManager[ReadNetwork]:
        """Read a network in a file, for the checks. Engines without `file_formats` leave this as it is.

        Args:
            place: Where the file lies, a path or a URI; for messages, and for the ending of its name.
            content: Its bytes.
            companions: The files that belong to it, by their paths beside it.

        Raises:
            WeightsError: The engine cannot read it.

        """
        raise NotImplementedError(f"the engine {self.name} reads no network in a file such as {place}")

    def adopt(self, file: NetworkFile) -> dict[str, bytes]:
        """Make a network that came in a file into the files that `load` takes, as `export` does with a Keras model.

        The adopted network takes uint8 (batch, size, size, 3) RGB photos, normalises them, brings them into the layout of the
        file's network, and gives its chosen output, pooled: float32 (batch, n_features). Nothing in the file is executed but
        the operators that the engine itself knows. Engines without the format among their `file_formats` leave this as it is.

        Args:
            file: The network, its contract, and the facts by which it was checked.

        Returns:
            File name to content.

        Raises:
            WeightsError: The engine cannot run this network.

        """
        raise NotImplementedError(f"the engine {self.name} takes no network in a file of format {file.format}")

    def quantize(self, files: Mapping[str, bytes], photos: NDArray[np.uint8]) -> dict[str, bytes]:
        """Quantise a float32 network to int8. Engines without `int8` among their precisions leave this as it is.

        Args:
            files: What `export` returned.
            photos: uint8 (n, size, size, 3), decoded as the photos of the run will be.

        Returns:
            The files of the int8 network.

        """
        raise NotImplementedError(f"the engine {self.name} does not quantise")

    def warm_up_quantization(self) -> None:  # noqa: B027 - nothing to do by default
        """Import what `quantize` needs."""

    def identify(self, files: Mapping[str, bytes]) -> bytes:
        """Choose the bytes that tell two networks of one configuration apart: of a quantised network, its weights."""
        return b"".join(files[name] for name in sorted(files))

    def native_precisions(self) -> frozenset[Precision]:
        """Precisions in which this machine's processor computes. The others are emulated: right, but not faster."""
        return self.precisions

    def inexact_precisions(self) -> frozenset[Precision]:
        """Precisions whose sums overflow on this machine's processor: features are less exact than on others."""
        return frozenset()

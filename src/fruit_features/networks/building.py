"""Builds a network: the engine exports what Keras builds, or adopts what a file holds, and, for int8, quantises it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.configuration import fingerprint_calibrated
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fruit_features.networks.backbones import Backbone
    from fruit_features.networks.configuration import NetworkConfiguration
    from fruit_features.networks.engines.base import Engine

logger = logging.getLogger(__name__)


def build_network(configuration: NetworkConfiguration, calibration_photos: NDArray[np.uint8] | None) -> Network:
    """Build the network of a configuration.

    Args:
        configuration: What it is to be.
        calibration_photos: uint8 (n, input_size, input_size, 3), decoded as the photos of the run will be; None unless the
            network is calibrated.

    """
    backbone, engine = BACKBONES.find(configuration.backbone), ENGINES.find(configuration.engine)
    logger.info("Building %s with weights %s, once", backbone.name, configuration.weights)
    files, input_size, n_features = _adopt_or_export(configuration, backbone, engine)
    fingerprint = of_configuration = configuration.fingerprint()
    if calibration_photos is not None:
        files = engine.quantize(files, calibration_photos)
        fingerprint = fingerprint_calibrated(of_configuration, engine.identify(files))
    network = Network(
        fingerprint=fingerprint,
        configuration=of_configuration,
        backbone=backbone.name,
        engine=engine.name,
        precision=configuration.precision,
        input_size=input_size,
        n_features=n_features,
        files=files,
        parameters=configuration.parameters(),
    )
    if isinstance(backbone, NetworkFormat):
        _try_out(network, configuration)
    return network


def _adopt_or_export(
    configuration: NetworkConfiguration, backbone: Backbone | NetworkFormat, engine: Engine
) -> tuple[dict[str, bytes], int, int]:
    """Return the engine's files of the float32 network, its input size and its number of features."""
    if isinstance(backbone, NetworkFormat):
        file = configuration.read_network_file(backbone)
        return engine.adopt(file), file.facts.input_size, file.facts.n_features
    input_size = backbone.resolve_input_size(configuration.input_size)
    weights = backbone.resolve_weights(configuration.weights)
    return engine.export(backbone.build(weights, input_size)), input_size, backbone.n_features


def _try_out(network: Network, configuration: NetworkConfiguration) -> None:
    """Pass a black photo through a network of unknown making: a fault in it shows before any photo is read.

    Raises:
        WeightsError: The engine cannot run it, or its output is another than its shape promises.

    """
    photo = np.zeros((1, network.input_size, network.input_size, 3), np.uint8)
    try:
        shape = ENGINES.find(network.engine).load_on_driver(network, 1)(photo).shape
    except Exception as error:  # each engine raises its own errors
        raise WeightsError(
            f"weights {configuration.weights!r}: the engine {network.engine} cannot run this network: "
            f"{' '.join(str(error).split())[:200]}. Export it again, with operators that the engine has"
        ) from error
    if shape != (1, network.n_features):
        raise WeightsError(
            f"weights {configuration.weights!r}: the network gives {shape} numbers for a photo, and not "
            f"(1, {network.n_features}). Export it with fixed shapes"
        )


def warn_of_emulated_precision(configuration: NetworkConfiguration) -> None:
    """Log a warning if this machine's processor does not compute in the precision that was asked for."""
    if configuration.precision not in ENGINES.find(configuration.engine).native_precisions():
        logger.warning(
            "This processor does not compute in %s: %s falls back on wider arithmetic, right but hardly faster than f32",
            configuration.precision,
            configuration.engine,
        )

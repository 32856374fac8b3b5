"""Builds a network: the engine exports what Keras builds, or adopts what a file holds, and, for int8, quantises it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.configuration import fingerprint_calibrated
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fruit_features.networks.configuration import NetworkConfiguration

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportedNetwork:
    """The float32 network that an engine made of a backbone.

    Attributes:
        files: File name to content.
        input_size: Side of the square photos, in pixels.
        n_features: Numbers per photo.

    """

    files: Mapping[str, bytes]
    input_size: int
    n_features: int


def build_network(configuration: NetworkConfiguration, calibration_photos: NDArray[np.uint8] | None) -> Network:
    """Build the network of a configuration.

    Args:
        configuration: What it is to be.
        calibration_photos: uint8 (n, input_size, input_size, 3), decoded as the photos of the run will be; None unless the
            network is calibrated.

    """
    return finish_network(configuration, export_network(configuration), calibration_photos)


def export_network(configuration: NetworkConfiguration) -> ExportedNetwork:
    """Let the engine make the float32 network, which depends on no photo."""
    backbone, engine = BACKBONES.find(configuration.backbone), ENGINES.find(configuration.engine)
    if isinstance(backbone, NetworkFormat):
        file = configuration.read_network_file(backbone)
        return ExportedNetwork(engine.adopt(file), file.facts.input_size, file.facts.n_features)
    input_size = backbone.resolve_input_size(configuration.input_size)
    weights = backbone.resolve_weights(configuration.weights)
    return ExportedNetwork(engine.export(backbone.build(weights, input_size)), input_size, backbone.n_features)


def finish_network(
    configuration: NetworkConfiguration, exported: ExportedNetwork, calibration_photos: NDArray[np.uint8] | None
) -> Network:
    """Quantise an exported network if it is to be calibrated, name it by its fingerprint, and try out one of unknown making.

    Args:
        configuration: What it is to be.
        exported: What `export_network` made of the same configuration.
        calibration_photos: As for `build_network`.

    """
    backbone, engine = BACKBONES.find(configuration.backbone), ENGINES.find(configuration.engine)
    files = exported.files
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
        input_size=exported.input_size,
        n_features=exported.n_features,
        files=files,
        parameters=configuration.parameters(),
    )
    if isinstance(backbone, NetworkFormat):
        _try_out(network, configuration)
    return network


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


def warn_of_precision(configuration: NetworkConfiguration) -> None:
    """Log a warning if this machine's processor does not compute in the precision that was asked for, or less exactly."""
    engine = ENGINES.find(configuration.engine)
    if configuration.precision not in engine.native_precisions():
        logger.warning(
            "This processor does not compute in %s: %s falls back on wider arithmetic, right but hardly faster than f32",
            configuration.precision,
            configuration.engine,
        )
    if configuration.precision in engine.inexact_precisions():
        logger.warning(
            "This processor has no VNNI, and sums of %s overflow on it: %s gives features that are less exact than on others. "
            "Take featurization.precision=f32 where that matters, or a machine with VNNI",
            configuration.precision,
            configuration.engine,
        )

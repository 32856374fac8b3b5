"""Builds a network: Keras builds the backbone, and the engine exports it and, for int8, quantises it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.configuration import fingerprint_calibrated
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fruit_features.networks.configuration import NetworkConfiguration

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
    input_size = backbone.resolve_input_size(configuration.input_size)
    files = engine.export(backbone.build(backbone.resolve_weights(configuration.weights), input_size))
    fingerprint = of_configuration = configuration.fingerprint()
    if calibration_photos is not None:
        files = engine.quantize(files, calibration_photos)
        fingerprint = fingerprint_calibrated(of_configuration, engine.identify(files))
    return Network(
        fingerprint=fingerprint,
        configuration=of_configuration,
        backbone=backbone.name,
        engine=engine.name,
        precision=configuration.precision,
        input_size=input_size,
        n_features=backbone.n_features,
        files=files,
        parameters=configuration.parameters(),
    )


def warn_of_emulated_precision(configuration: NetworkConfiguration) -> None:
    """Log a warning if this machine's processor does not compute in the precision that was asked for."""
    if configuration.precision not in ENGINES.find(configuration.engine).native_precisions():
        logger.warning(
            "This processor does not compute in %s: %s falls back on wider arithmetic, right but hardly faster than f32",
            configuration.precision,
            configuration.engine,
        )

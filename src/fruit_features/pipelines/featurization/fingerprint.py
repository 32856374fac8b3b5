"""The fingerprint: a short name for everything that the features of a photo depend on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from fruit_features import backbones
from fruit_features.imaging import PREPROCESSING

if TYPE_CHECKING:
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

_LENGTH = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits, ample for the handful of configurations that meet in one store."""


def fingerprint_configuration(parameters: FeaturizationParameters) -> str:
    """Fingerprint the backbone, its weights' digest, the input size and scaling, the decoding, the engine and its precision.

    The batch size is left out: it changes no feature by more than rounding.
    """
    backbone = backbones.get(parameters.backbone)
    described: dict[str, object] = {
        "backbone": backbone.name,
        "weights": backbone.resolve_weights(parameters.weights).digest,
        "input_size": backbone.input_size,
        "scale": backbone.scale,
        "offset": backbone.offset,
        "preprocessing": PREPROCESSING,
        **parameters.decoding,
        "engine": parameters.engine,
        "precision": parameters.precision,
    }
    if parameters.precision == "int8":
        described["calibration"] = [parameters.n_calibration_photos, parameters.calibration_seed]
    return _digest(json.dumps(described, sort_keys=True).encode())


def fingerprint_calibrated(configuration: str, weights: bytes) -> str:
    """Fingerprint a network that depends on the photos it was calibrated on: its configuration and its quantised weights."""
    return _digest(configuration.encode(), weights)


def _digest(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:_LENGTH]

"""The fingerprint: a short name for everything that the features of a photo depend on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fruit_features.networks import backbones
from fruit_features.photos.imaging import MAX_DECODED_MB, PREPROCESSING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        **_decoding(parameters),
        "engine": parameters.engine,
        "precision": parameters.precision,
    }
    if parameters.precision == "int8":
        described["calibration"] = [parameters.n_calibration_photos, parameters.calibration_seed]
    return _digest(json.dumps(described, sort_keys=True).encode())


def fingerprinted_parameters(parameters: FeaturizationParameters) -> dict[str, Any]:
    """Choose the parameters that the fingerprint depends on, by the names that a user gives them by."""
    chosen: dict[str, Any] = {
        "backbone": parameters.backbone,
        "weights": parameters.weights,
        "engine": parameters.engine,
        "precision": parameters.precision,
        **_decoding(parameters),
    }
    if parameters.precision == "int8":
        chosen |= {
            "n_calibration_photos": parameters.n_calibration_photos,
            "calibration_seed": parameters.calibration_seed,
        }
    return chosen


def differing_parameters(stored: Mapping[str, Any], parameters: FeaturizationParameters) -> dict[str, tuple[Any, Any]]:
    """Compare the parameters that a network was built with to those of a run.

    Args:
        stored: What `fingerprinted_parameters` returned for the network; empty if it was built before that was kept.
        parameters: The run's.

    Returns:
        Name to (stored value, value of the run), of each that differs and was stored.

    """
    given = parameters.model_dump()
    return {name: (value, given[name]) for name, value in stored.items() if name in given and given[name] != value}


def describe_differences(stored: Mapping[str, Any], parameters: FeaturizationParameters) -> str:
    """Say in which parameters a network and a run differ, with both values."""
    differences = differing_parameters(stored, parameters)
    if not differences:
        return "no parameter's value differs, but the weights in a file, or the way photos are decoded by this version, do"
    return ", ".join(f"featurization.{name} is {there} there, {here} here" for name, (there, here) in differences.items())


def fingerprint_calibrated(configuration: str, weights: bytes) -> str:
    """Fingerprint a network that depends on the photos it was calibrated on: its configuration and its quantised weights."""
    return _digest(configuration.encode(), weights)


def _decoding(parameters: FeaturizationParameters) -> dict[str, Any]:
    """Take how photos are decoded, without a default that came later than fingerprints did: theirs stay as they are."""
    decoding: dict[str, Any] = dict(parameters.decoding)
    if parameters.max_decoded_mb == MAX_DECODED_MB:
        del decoding["max_decoded_mb"]
    return decoding


def _digest(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:_LENGTH]

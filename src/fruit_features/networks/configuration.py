"""The configuration of a network, and its fingerprint: a short name for everything that the features of a photo depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.contract import NetworkFile
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.engines.file_checks import inspect
from fruit_features.parameters import flatten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fruit_features.networks.contract import NetworkContract, NetworkFacts
    from fruit_features.networks.network import Precision
    from fruit_features.networks.weights import Weights

_LENGTH = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits, ample for the handful of configurations that meet in one store."""


@dataclass(frozen=True)
class NetworkConfiguration:
    """What determines a network and the pixels that it sees, as a user gives it.

    Attributes:
        backbone: Name of the backbone.
        weights: `imagenet`, or a file.
        input_size: Side of the square photos that the network sees, in pixels; None for the network's own.
        engine: Name of the engine.
        precision: Arithmetic of the inference.
        preprocessing: Names what is done to a photo's pixels.
        decoding: Parameters by which photos are decoded.
        n_calibration_photos: Photos that calibrate an int8 network.
        calibration_seed: Seed of their choice.
        contract: What the user states about a network in a file; unused for the backbones that Keras builds.
        network_file: The same by the names of the parameters, and how photos are brought to its size.

    """

    backbone: str
    weights: str
    input_size: int | None
    engine: str
    precision: Precision
    preprocessing: str
    decoding: Mapping[str, Any]
    n_calibration_photos: int
    calibration_seed: int
    contract: NetworkContract | None = None
    network_file: Mapping[str, Any] | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether the network depends on the photos that it is calibrated on."""
        return self.precision == "int8"

    def fingerprint(self) -> str:
        """Fingerprint everything but the batch size, which changes no feature by more than rounding.

        Raises:
            WeightsError: The weights cannot be identified, or a network in a file cannot be used.
            InputSizeError: The network does not take photos of this size.

        """
        backbone = BACKBONES.find(self.backbone)
        if isinstance(backbone, NetworkFormat):
            weights = backbone.resolve_weights(self.weights)
            contract, facts = self._contract_and_facts(backbone, weights)
            seen = facts.describe(contract)
        else:
            seen = {"input_size": backbone.resolve_input_size(self.input_size), **backbone.normalisation.describe()}
            weights = backbone.resolve_weights(self.weights)
        described: dict[str, object] = {
            "backbone": backbone.name,
            "weights": weights.digest,
            **seen,
            "preprocessing": self.preprocessing,
            **self.decoding,
            "engine": self.engine,
            "precision": self.precision,
        }
        if self.is_calibrated:
            described["calibration"] = [self.n_calibration_photos, self.calibration_seed]
        return _digest(json.dumps(described, sort_keys=True).encode())

    def side_of_photos(self) -> int:
        """Return the side of the square photos that the network takes, in pixels.

        Raises:
            WeightsError: A network in a file cannot be used.
            InputSizeError: The network does not take photos of the size that is asked for.

        """
        backbone = BACKBONES.find(self.backbone)
        if isinstance(backbone, NetworkFormat):
            return self._contract_and_facts(backbone, backbone.resolve_weights(self.weights))[1].input_size
        return backbone.resolve_input_size(self.input_size)

    def n_features(self) -> int:
        """Return how many numbers the network gives for a photo.

        Raises:
            WeightsError: A network in a file cannot be used.

        """
        backbone = BACKBONES.find(self.backbone)
        if isinstance(backbone, NetworkFormat):
            return self._contract_and_facts(backbone, backbone.resolve_weights(self.weights))[1].n_features
        return backbone.n_features

    def read_network_file(self, backbone: NetworkFormat) -> NetworkFile:
        """Read the network in the file, for an engine to adopt it.

        Raises:
            WeightsError: It cannot be used.

        """
        weights = backbone.resolve_weights(self.weights)
        assert weights.path is not None
        contract, facts = self._contract_and_facts(backbone, weights)
        content, companions = backbone.read(weights)
        return NetworkFile(
            place=weights.place, format=backbone.name, content=content, contract=contract, facts=facts, companions=companions
        )

    def _contract_and_facts(self, backbone: NetworkFormat, weights: Weights) -> tuple[NetworkContract, NetworkFacts]:
        if self.contract is None:
            raise ValueError(f"backbone {self.backbone!r} needs the parameters featurization.network_file")
        return self.contract, _inspect(self.engine, backbone, weights, self.contract, self.input_size)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that the fingerprint depends on, by the names that a user gives them by."""
        chosen: dict[str, Any] = {
            "backbone": self.backbone,
            "weights": self.weights,
            "input_size": self.input_size,
            "engine": self.engine,
            "precision": self.precision,
            **self.decoding,
        }
        if self.network_file is not None:
            chosen["network_file"] = dict(self.network_file)
        if self.is_calibrated:
            chosen |= {"n_calibration_photos": self.n_calibration_photos, "calibration_seed": self.calibration_seed}
        return chosen


@lru_cache(maxsize=4)
def _inspect(
    engine: str, backbone: NetworkFormat, weights: Weights, contract: NetworkContract, input_size: int | None
) -> NetworkFacts:
    """Check a network in a file, once in a process: a run asks for what is found out several times."""
    assert weights.path is not None
    with ENGINES.find(engine).read(weights.place, *backbone.read(weights)) as network:
        return inspect(weights.place, network, contract, input_size)


def fingerprint_calibrated(configuration: str, identity: bytes) -> str:
    """Fingerprint a network that depends on the photos it was calibrated on.

    Args:
        configuration: Fingerprint of its configuration.
        identity: What its engine's `identify` returns for the quantised network.

    """
    return _digest(configuration.encode(), identity)


def differing_parameters(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compare the parameters that a network was built with to those of a run.

    Args:
        stored: What `NetworkConfiguration.parameters` returned for the network; empty if that was not kept.
        given: All featurization parameters of the run.

    Returns:
        Name to (stored value, value of the run), of each that differs and was stored.

    """
    here = flatten(given)
    return {name: (value, here[name]) for name, value in flatten(stored).items() if name in here and here[name] != value}


def describe_differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Say in which parameters a network and a run differ, with both values."""
    differences = differing_parameters(stored, given)
    if not differences:
        return "no parameter's value differs, but the weights in a file, or the way photos are decoded by this version, do"
    return ", ".join(f"featurization.{name} is {there} there, {here} here" for name, (there, here) in differences.items())


def _digest(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:_LENGTH]

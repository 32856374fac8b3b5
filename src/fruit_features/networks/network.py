"""An exported network: the files that an engine runs, and what the rest of the project has to know about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Precision = Literal["f32", "bf16", "int8"]
"""Arithmetic of the inference. int8 means that the network was quantised, by calibration on photos."""


@dataclass(frozen=True)
class Network:
    """A backbone as an engine exported it: all that a worker needs to turn photos into features.

    Attributes:
        fingerprint: Names everything that the features depend on. Features of different fingerprints are never compared.
        configuration: Hash of the configuration alone; equals the fingerprint unless the network was calibrated on photos.
        backbone: Name of the backbone that was exported.
        engine: Name of the engine that runs `files`.
        precision: Arithmetic of the inference.
        input_size: Side of the square photos, in pixels.
        n_features: Numbers per photo.
        files: File name to content, as the engine wrote them.
        parameters: The parameters of the configuration, as a user gave them; empty where they were not kept.

    """

    fingerprint: str
    configuration: str
    backbone: str
    engine: str
    precision: Precision
    input_size: int
    n_features: int
    files: Mapping[str, bytes]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredNetwork:
    """A network that an earlier run kept, before its files are read.

    Attributes:
        fingerprint: Its fingerprint.
        parameters: The parameters that it was built with; empty if it was built before these were kept.
        load: Reads its files.

    """

    fingerprint: str
    parameters: Mapping[str, Any]
    load: Callable[[], Network]

"""Exported networks and the engines that run them: batches of uint8 photos in, features out."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    """uint8 (batch, size, size, 3) RGB photos to float32 (batch, n_features); the batch size is the one it was loaded for."""

EngineName = Literal["openvino", "tensorflow"]
Precision = Literal["f32", "bf16", "int8"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True)
class Network:
    """A backbone as its engine exported it: all that a worker needs to turn photos into features.

    Attributes:
        fingerprint: Names everything that the features depend on; features of different fingerprints never meet.
        configuration: Hash of the configuration alone; equals the fingerprint unless the network was calibrated on photos.
        backbone: Name of the backbone that was exported.
        engine: Name of the engine that can run `files`.
        precision: Arithmetic of the inference.
        input_size: Side of the square photos, in pixels.
        n_features: Numbers per photo.
        files: File name to content, as the engine wrote them.
        parameters: The parameters of the configuration, as a user gave them; empty where they were not kept.

    """

    fingerprint: str
    configuration: str
    backbone: str
    engine: EngineName
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


class Engine(Protocol):
    """What a module of this package offers."""

    PRECISIONS: frozenset[Precision]

    def export(self, model: Any) -> dict[str, bytes]:
        """Freeze a Keras model (uint8 NHWC in, float32 features out) into files that need neither Keras nor Python code."""

    def load(self, network: Network, batch_size: int) -> Predictor:
        """Make a single-threaded predictor for batches of exactly `batch_size` photos."""


def get_engine(name: EngineName) -> Engine:
    """Import an engine on demand: a worker pays for the library that it uses, and for no other.

    Raises:
        ValueError: There is no engine of this name.

    """
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}: choose one of {', '.join(ENGINES)}")
    engine: Engine = cast("Engine", importlib.import_module(f"{__name__}.{name}"))
    return engine

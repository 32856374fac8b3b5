"""Engines: the libraries that run exported networks.

A new engine is one file with a class that extends `Engine`, and one line in `ENGINES`.
"""

from __future__ import annotations

from typing import Final

from fruit_features.networks.engines.base import Engine, Predictor
from fruit_features.networks.engines.openvino import OpenVino
from fruit_features.networks.engines.tensorflow import TensorFlow
from fruit_features.registry import Registry

__all__ = ["ENGINES", "Engine", "Predictor"]

ENGINES: Final[Registry[Engine]] = Registry(
    "engine",
    (
        OpenVino(),
        TensorFlow(),
    ),
)

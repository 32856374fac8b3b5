"""Engines: the libraries that run exported networks.

A new engine is one file with a class that extends `Engine`, and one line in `ENGINES`.
"""

from __future__ import annotations

import platform
from typing import Final

from fruit_features.networks.engines.base import Engine, Predictor
from fruit_features.networks.engines.onnxruntime import OnnxRuntime, OnnxRuntimeCuda
from fruit_features.networks.engines.openvino import OpenVino
from fruit_features.networks.engines.tensorflow import TensorFlow
from fruit_features.registry import Registry

__all__ = ["ENGINES", "Engine", "Predictor", "default_engine"]

ENGINES: Final[Registry[Engine]] = Registry(
    "engine",
    (
        OpenVino(),
        OnnxRuntime(),
        OnnxRuntimeCuda(),
        TensorFlow(),
    ),
)


def default_engine() -> str:
    """Name the engine of this machine: OpenVINO, but on ARM's Linux, where it starts on few systems, ONNX Runtime."""
    return OnnxRuntime.name if platform.machine() == "aarch64" else OpenVino.name

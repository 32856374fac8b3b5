"""Backbones: networks that turn photos into features.

    >>> from fruit_features.networks.backbones import BACKBONES
    >>> backbone = BACKBONES.find("mobilenet_v2")
    >>> backbone.name
    'mobilenet_v2'

A backbone is a network that Keras builds (`Backbone`), or a format of files that hold a whole one (`NetworkFormat`).

A new backbone is one file with a class that extends `Backbone`, and one line in `BACKBONES`. Those of keras.applications are
found without one: `keras:ResNet50`.
"""

from __future__ import annotations

from typing import Final

from fruit_features.networks.backbones.base import Backbone
from fruit_features.networks.backbones.efficientnet_lite0 import EfficientNetLite0
from fruit_features.networks.backbones.keras_applications import ARCHITECTURES, KerasApplication
from fruit_features.networks.backbones.mobilenet_v2 import MobileNetV2
from fruit_features.networks.backbones.network_formats import NetworkFormat, Onnx, OpenVinoIr, TfLite
from fruit_features.registry import Family, Registry

__all__ = ["BACKBONES", "Backbone", "NetworkFormat"]

BACKBONES: Final[Registry[Backbone | NetworkFormat]] = Registry(
    "backbone",
    (
        MobileNetV2(),
        EfficientNetLite0(),
        Onnx(),
        TfLite(),
        OpenVinoIr(),
    ),
    [Family("keras", tuple(ARCHITECTURES), KerasApplication)],
)

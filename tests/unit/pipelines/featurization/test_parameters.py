"""Featurization parameters: what is refused, and how the user is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

if TYPE_CHECKING:
    from pathlib import Path


def changed(parameters: FeaturizationParameters, changes: dict[str, Any]) -> FeaturizationParameters:
    """The parameters with some of them replaced, and some of `network_file`."""
    values = parameters.model_dump()
    of_file = values["network_file"] | changes.get("network_file", {})
    return FeaturizationParameters(**(values | changes | {"network_file": of_file}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "mobilenetv2"}, "'mobilenetv2' is unknown.*Did you mean 'mobilenet_v2'"),
        ({"weights": "absent.pth"}, "'absent.pth': no such file"),
        ({"engine": "onnx"}, "openvino.*tensorflow"),
        ({"precision": "f16"}, "f32.*bf16.*int8"),
        ({"engine": "tensorflow", "precision": "int8"}, "precision='int8': engine 'tensorflow' offers f32"),
        ({"engine": "tensorflow", "precision": "bf16"}, "precision='bf16': engine 'tensorflow' offers f32"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"chunk_size": -1}, "chunk_size"),
        ({"n_calibration_photos": 0}, "n_calibration_photos"),
        ({"apply_exif_orientation": "perhaps"}, "apply_exif_orientation"),
        ({"jpeg_draft": 8}, "jpeg_draft"),
        ({"max_decoded_mb": 0}, "max_decoded_mb"),
        (
            {"backbone": "onnx"},
            "weights 'imagenet': backbone 'onnx' is a network of your own.*featurization.weights=FILE.onnx",
        ),
        ({"backbone": "onnx", "weights": "absent.onnx"}, "'absent.onnx': no such file. Give an ONNX network"),
        ({"backbone": "onnx", "weights": "gs://b/own.onnx"}, "neither on a local disk nor on S3.*Download them"),
        ({"network_file": {"pooling": "max"}}, "pooling"),
        ({"network_file": {"pooling": -1}}, "pooling"),
        ({"network_file": {"layout": "CHW"}}, "auto.*NCHW.*NHWC"),
        ({"network_file": {"normalisation": "vgg"}}, "imagenet.*clip.*-1..1.*0..1.*0..255"),
        ({"network_file": {"interpolation": "cubic"}}, "bilinear.*bicubic"),
        ({"network_file": {"mean": [1.0, 2.0]}}, "mean"),
        ({"network_file": {"mean": [1.0, 2.0, 3.0]}}, "network_file.mean and network_file.scale go together"),
        ({"network_file": {"mean": [1, 2, 3], "scale": [1, 0, 1]}}, "network_file.scale is 0 for a channel"),
        ({"network_file": {"poling": "mean"}}, "unknown parameter 'poling': did you mean 'pooling'?"),
        ({"bach_size": 4}, "unknown parameter 'bach_size': did you mean 'batch_size'?"),
    ],
)
def test_wrong_values_are_refused_by_name(parameters: FeaturizationParameters, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        changed(parameters, changes)


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8"])
def test_openvino_offers_every_precision(parameters: FeaturizationParameters, precision: str) -> None:
    assert FeaturizationParameters(**(parameters.model_dump() | {"precision": precision})).precision == precision


def test_values_that_the_command_line_leaves_as_text_are_converted(parameters: FeaturizationParameters) -> None:
    assert FeaturizationParameters(**(parameters.model_dump() | {"batch_size": "8"})).batch_size == 8


def test_nothing_has_a_default_besides_conf(parameters: FeaturizationParameters) -> None:
    values = parameters.model_dump()
    for name in values:
        with pytest.raises(ValidationError, match=name):
            FeaturizationParameters(**{key: value for key, value in values.items() if key != name})


def test_weights_of_another_backbone_are_refused(parameters: FeaturizationParameters, tmp_path: Path) -> None:
    path = tmp_path / "some.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValidationError, match=r"some\.h5 is not"):
        FeaturizationParameters(**(parameters.model_dump() | {"weights": str(path)}))


@pytest.fixture
def own_network(parameters: FeaturizationParameters, tmp_path: Path) -> dict[str, Any]:
    """The smallest file that passes for an ONNX network: its version, an empty graph, an empty set of operators."""
    (tmp_path / "own.onnx").write_bytes(b"\x08\x09\x3a\x00\x42\x00")
    return {"backbone": "onnx", "weights": str(tmp_path / "own.onnx")}


def test_tensorflow_runs_no_network_in_a_file(parameters: FeaturizationParameters, own_network: dict[str, Any]) -> None:
    message = "engine='tensorflow' runs no network in a file, as backbone='onnx' is one: give featurization.engine=openvino"
    with pytest.raises(ValidationError, match=message):
        changed(parameters, own_network | {"engine": "tensorflow"})


def test_photos_are_resized_as_a_network_in_a_file_wants_them(
    parameters: FeaturizationParameters, own_network: dict[str, Any]
) -> None:
    of_file = {"network_file": {"resize": "crop", "interpolation": "bilinear"}}
    assert "resize" not in changed(parameters, of_file).decoding, "the backbones of the project have their own way"
    decoding = changed(parameters, own_network | of_file).decoding
    assert (decoding["resize"], decoding["interpolation"]) == ("crop", "bilinear")


def test_means_and_scales_are_in_the_order_of_the_channels(
    parameters: FeaturizationParameters, own_network: dict[str, Any]
) -> None:
    def normalisation(**changes: Any) -> Any:
        contract = changed(parameters, own_network | {"network_file": changes}).network.contract
        assert contract is not None
        return contract.normalisation

    red, green, blue = normalisation().mean
    assert normalisation(channels="BGR").mean == (blue, green, red)
    numbers = {"mean": [1, 2, 3], "scale": [0.1, 0.2, 0.3]}
    assert normalisation(channels="BGR", **numbers).mean == (1, 2, 3)
    assert normalisation(**numbers).scale == (0.1, 0.2, 0.3)

"""Featurization parameters: what is refused, and how the user is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

if TYPE_CHECKING:
    from pathlib import Path


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
        ({"bach_size": 4}, "unknown parameter 'bach_size': did you mean 'batch_size'?"),
    ],
)
def test_wrong_values_are_refused_by_name(parameters: FeaturizationParameters, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FeaturizationParameters(**(parameters.model_dump() | changes))


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

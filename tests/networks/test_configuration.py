"""The fingerprint of a network in a file: everything of the file and of its contract counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.building import build_network
from fruit_features.networks.configuration import describe_differences
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.weights import WeightsError
from fruit_features.pipelines.featurization.parameters import FeaturizationParameters
from tests.support.featurization import parameters
from tests.support.network_files import cnn, vit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parameters"]


@pytest.fixture
def own(parameters: FeaturizationParameters, tmp_path: Path) -> FeaturizationParameters:
    (tmp_path / "own.onnx").write_bytes(vit().SerializeToString())
    return changed(parameters, backbone="onnx", weights=str(tmp_path / "own.onnx"), pooling=0)


def changed(parameters: FeaturizationParameters, **changes: Any) -> FeaturizationParameters:
    """The parameters with some of them replaced; what is not among them belongs to `network_file`."""
    values = parameters.model_dump()
    of_file = {name: value for name, value in changes.items() if name not in values}
    others = {name: value for name, value in changes.items() if name in values}
    return FeaturizationParameters(**(values | others | {"network_file": values["network_file"] | of_file}))


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": "BGR"},
        {"normalisation": "clip"},
        {"mean": [1, 2, 3], "scale": [1, 1, 1]},
        {"resize": "crop"},
        {"interpolation": "bilinear"},
        {"pooling": 1},
        {"pooling": "mean"},
        {"precision": "bf16"},
        {"jpeg_draft": True},
    ],
)
def test_what_changes_features_changes_the_fingerprint(own: FeaturizationParameters, changes: dict[str, Any]) -> None:
    assert changed(own, **changes).network.fingerprint() != own.network.fingerprint()


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"layout": "NCHW"}, {"output": "tokens"}])
def test_what_says_the_same_leaves_the_fingerprint_alone(own: FeaturizationParameters, changes: dict[str, Any]) -> None:
    assert changed(own, **changes).network.fingerprint() == own.network.fingerprint()


def test_another_file_has_another_fingerprint(own: FeaturizationParameters, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(vit(depth=1).SerializeToString())
    other = changed(own, weights=str(tmp_path / "other.onnx"))
    assert other.network.fingerprint() != own.network.fingerprint()


def test_the_contract_of_a_file_does_not_touch_other_backbones(parameters: FeaturizationParameters) -> None:
    others = changed(parameters, channels="BGR", resize="crop", interpolation="box", pooling="mean")
    assert others.network == parameters.network


def test_differences_are_told_by_the_names_of_the_parameters(own: FeaturizationParameters) -> None:
    stored = own.network.parameters()
    assert describe_differences(stored, changed(own, resize="crop").model_dump()) == (
        "featurization.network_file.resize is squash there, crop here"
    )


def test_a_network_is_built_from_a_file_with_its_own_size(own: FeaturizationParameters) -> None:
    network = build_network(own.network, None)
    assert (network.backbone, network.input_size, network.n_features) == ("onnx", 32, 24)
    assert network.fingerprint == own.network.fingerprint()
    assert np.isfinite(ENGINES.find("openvino").load(network, 1)(np.zeros((1, 32, 32, 3), np.uint8))).all()


def test_a_file_that_cannot_be_used_has_no_fingerprint(own: FeaturizationParameters) -> None:
    with pytest.raises(WeightsError, match="it gives 17 tokens a photo, and there is no token 99"):
        changed(own, pooling=99).network.fingerprint()


def test_a_size_that_the_file_leaves_open_has_to_be_given(own: FeaturizationParameters, tmp_path: Path) -> None:
    (tmp_path / "open.onnx").write_bytes(cnn(("batch", 3, "height", "width")).SerializeToString())
    with pytest.raises(WeightsError, match=r"it takes photos of any size\. Say which one it was trained on"):
        changed(own, weights=str(tmp_path / "open.onnx"), pooling="none").network.n_features()
    of_sizes = [
        changed(own, weights=str(tmp_path / "open.onnx"), pooling="none", input_size=size).network for size in (32, 64)
    ]
    assert [network.side_of_photos() for network in of_sizes] == [32, 64]
    assert of_sizes[0].fingerprint() != of_sizes[1].fingerprint()


def test_a_size_that_the_file_fixes_may_be_given_and_no_other(own: FeaturizationParameters) -> None:
    assert changed(own, input_size=32).network.fingerprint() == own.network.fingerprint()
    with pytest.raises(WeightsError, match=r"it takes photos of 32 x 32 pixels, and featurization\.input_size is 64"):
        changed(own, input_size=64).network.fingerprint()
    with pytest.raises(ValueError, match="input_size=0: a network in a file may take 1 to 2048 pixels"):
        changed(own, input_size=0)

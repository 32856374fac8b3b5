"""A fingerprint changes with all that features depend on, and with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.configuration import fingerprint_calibrated

if TYPE_CHECKING:
    from pathlib import Path

    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bf16"},
        {"precision": "int8"},
        {"engine": "tensorflow"},
        {"apply_exif_orientation": True},
        {"jpeg_draft": True},
        {"max_decoded_mb": 100},
        {"backbone": "mobilenet_v2"},
        {"input_size": 128},
    ],
)
def test_what_changes_features_changes_the_fingerprint(parameters: FeaturizationParameters, changes: dict[str, Any]) -> None:
    changed = parameters.model_copy(update=changes)
    assert changed.network.fingerprint() != parameters.network.fingerprint()


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 64}, {"chunk_size": 1}, {"input_size": 224}, {"n_calibration_photos": 7}, {"calibration_seed": 7}],
)
def test_what_changes_no_feature_leaves_the_fingerprint_alone(
    parameters: FeaturizationParameters, changes: dict[str, Any]
) -> None:
    changed = parameters.model_copy(update=changes)
    assert changed.network.fingerprint() == parameters.network.fingerprint()


@pytest.mark.parametrize("input_size", [None, 224])
@pytest.mark.parametrize(
    ("changes", "fingerprint"),
    [
        ({"backbone": "mobilenet_v2"}, "887a508ff7e14a90"),
        ({"backbone": "mobilenet_v2", "engine": "tensorflow"}, "db71c4f027399dbe"),
        ({"backbone": "mobilenet_v2", "precision": "int8", "n_calibration_photos": 300}, "55ef87048f58279f"),
        ({"backbone": "efficientnet_lite0"}, "d689853eaea0232a"),
    ],
)
def test_fingerprints_of_the_networks_own_size_are_those_of_before_there_were_others(
    parameters: FeaturizationParameters, changes: dict[str, Any], fingerprint: str, input_size: int | None
) -> None:
    assert parameters.model_copy(update=changes | {"input_size": input_size}).network.fingerprint() == fingerprint


@pytest.mark.parametrize("input_size", [64, 100, 225, 544, 0, -224])
def test_a_size_that_the_network_does_not_take_is_refused(parameters: FeaturizationParameters, input_size: int) -> None:
    values = parameters.model_dump() | {"input_size": input_size}
    message = rf"input_size={input_size}: efficientnet_lite0 takes multiples of 32 from 96 to 512, and null for its own 224"
    with pytest.raises(ValueError, match=message):
        type(parameters)(**values)


@pytest.mark.parametrize("changes", [{"n_calibration_photos": 7}, {"calibration_seed": 7}])
def test_calibration_changes_the_fingerprint_of_int8(parameters: FeaturizationParameters, changes: dict[str, Any]) -> None:
    int8 = parameters.model_copy(update={"precision": "int8"})
    assert int8.model_copy(update=changes).network.fingerprint() != int8.network.fingerprint()


def test_the_content_of_the_weights_counts_and_their_place_does_not(
    parameters: FeaturizationParameters, tmp_path: Path
) -> None:
    packaged = BACKBONES.find(parameters.backbone).resolve_weights("imagenet").path
    assert packaged is not None
    content = packaged.read_bytes()
    (tmp_path / "copy.pth").write_bytes(content)
    (tmp_path / "other.pth").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    of_copy, of_other = (
        parameters.model_copy(update={"weights": str(tmp_path / name)}).network.fingerprint()
        for name in ("copy.pth", "other.pth")
    )
    assert of_copy == parameters.network.fingerprint()
    assert of_other != of_copy


def test_a_fingerprint_fits_a_folders_name(parameters: FeaturizationParameters) -> None:
    fingerprint = parameters.network.fingerprint()
    assert len(fingerprint) == 16
    assert set(fingerprint) <= set("0123456789abcdef")


def test_a_calibrated_network_is_known_by_its_weights() -> None:
    fingerprint = fingerprint_calibrated("configuration", b"weights")
    assert fingerprint == fingerprint_calibrated("configuration", b"weights")
    assert fingerprint != fingerprint_calibrated("configuration", b"others")
    assert fingerprint != fingerprint_calibrated("another", b"weights")


@pytest.mark.parametrize(
    ("changes", "fingerprint"),
    [
        ({}, "d689853eaea0232a"),
        ({"backbone": "mobilenet_v2"}, "887a508ff7e14a90"),
        ({"backbone": "mobilenet_v2", "engine": "tensorflow"}, "db71c4f027399dbe"),
        ({"backbone": "mobilenet_v2", "precision": "bf16", "jpeg_draft": True}, "21f312466a2e17b4"),
    ],
)
def test_fingerprints_stay_the_same_from_version_to_version(
    parameters: FeaturizationParameters, changes: dict[str, Any], fingerprint: str
) -> None:
    """Features that were computed before stay in use."""
    assert parameters.model_copy(update=changes).network.fingerprint() == fingerprint

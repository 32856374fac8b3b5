"""Parameters that these tests start from."""

from __future__ import annotations

from typing import Any

import pytest

from fruit_features.networks.configuration import NetworkConfiguration
from fruit_features.pipelines.featurization.parameters import FeaturizationParameters, NetworkFileParameters


@pytest.fixture
def parameters() -> FeaturizationParameters:
    """Weights that come with a package; batches and chunks that no number of photos fills evenly."""
    return FeaturizationParameters(
        backbone="efficientnet_lite0",
        weights="imagenet",
        input_size=None,
        engine="openvino",
        precision="f32",
        batch_size=3,
        chunk_size=10,
        apply_exif_orientation=False,
        jpeg_draft=False,
        max_decoded_mb=1024,
        n_calibration_photos=12,
        calibration_seed=0,
        network_file=NetworkFileParameters(
            layout="auto",
            channels="RGB",
            normalisation="imagenet",
            mean=None,
            scale=None,
            resize="squash",
            interpolation="bicubic",
            output=None,
            pooling="none",
        ),
        max_vacuum_ratio=0.5,
    )


def small_network(precision: Any = "f32", input_size: int = 96) -> NetworkConfiguration:
    """A network that is built from weights which come with a package, and is calibrated on four photos if it is int8."""
    return NetworkConfiguration(
        backbone="efficientnet_lite0",
        weights="imagenet",
        input_size=input_size,
        engine="openvino",
        precision=precision,
        preprocessing="",
        decoding={},
        n_calibration_photos=4,
        calibration_seed=0,
    )

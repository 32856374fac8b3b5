"""Parameters that these tests start from."""

from __future__ import annotations

import pytest

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

"""Normalisation: what a network sees of a photo, and what its fingerprint says of that."""

from __future__ import annotations

import numpy as np

from fruit_features.networks.backbones.base import normalise
from fruit_features.networks.normalisation import Normalisation

CAFFE = Normalisation(mean=(103.939, 116.779, 123.68), scale=(1.0, 1.0, 1.0), channels="BGR")
"""As keras.applications.resnet.preprocess_input normalises."""

IMAGENET = Normalisation(mean=(123.675, 116.28, 103.53), scale=(1 / 58.395, 1 / 57.12, 1 / 57.375))
"""As torchvision normalises, in [0, 255]."""


def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.uint8)


def test_channels_have_a_mean_and_a_scale_of_their_own() -> None:
    import keras

    seen = keras.ops.convert_to_numpy(normalise(keras.ops.convert_to_tensor(photos()), IMAGENET))
    expected = (photos() - np.array(IMAGENET.mean)) * np.array(IMAGENET.scale)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_resnet50_is_normalised_as_keras_does_it() -> None:
    import keras

    seen = keras.ops.convert_to_numpy(normalise(keras.ops.convert_to_tensor(photos()), CAFFE))
    expected = keras.applications.resnet.preprocess_input(photos().astype(np.float32))
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_channels_that_are_alike_are_described_by_one_number() -> None:
    assert Normalisation.uniform(mean=127.5, scale=1 / 127.5).describe() == {"scale": 1 / 127.5, "offset": -1.0}


def test_what_differs_by_channel_or_order_is_described() -> None:
    described = CAFFE.describe()
    assert described == {"scale": 1.0, "offset": [-103.939, -116.779, -123.68], "channels": "BGR"}
    assert IMAGENET.describe().keys() == {"scale", "offset"}

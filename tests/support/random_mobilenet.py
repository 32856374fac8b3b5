"""MobileNetV2 with weights that are made on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def random_mobilenet() -> keras.Model:
    """keras.applications.MobileNetV2 with random weights, none of which is what an untrained network begins with."""
    import keras

    network: keras.Model = keras.applications.MobileNetV2(weights=None)
    rng = np.random.default_rng(1)
    values = []
    for array in network.weights:
        if array.name == "kernel":
            is_depthwise = array.shape[-1] == 1
            fan_in = int(np.prod(array.shape[:2] if is_depthwise else array.shape[:-1]))  # keeps the signal alive
            values.append(rng.normal(0, np.sqrt(2 / fan_in), array.shape).astype(np.float32))
        else:
            values.append(rng.uniform(0.5, 1.5, array.shape).astype(np.float32))
    network.set_weights(values)
    return network

"""What every backbone says of itself."""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fruit_features.networks.normalisation import shortened

if TYPE_CHECKING:
    import keras

    from fruit_features.networks.normalisation import Normalisation
    from fruit_features.networks.weights import Weights

MIN_INPUT_SIZE: Final = 96
MAX_INPUT_SIZE: Final = 512
"""Between these, pixels, is `featurization.input_size`; a network's own size may lie outside."""


class InputSizeError(ValueError):
    """A size that a network does not take. The message says which sizes it takes."""


class Backbone(ABC):
    """A network without its classifier: uint8 photos in, features out.

    Attributes:
        name: The key in the registry, and the value of `featurization.backbone`.
        input_size: Height and width in pixels of the photos that it takes unless another size is asked for: its own size.
        input_size_step: It also takes multiples of this from `MIN_INPUT_SIZE` to `MAX_INPUT_SIZE`; None: its own size alone.
        n_features: Numbers per photo.
        normalisation: How its samples are normalised; the model that `build` returns does that itself.

    """

    name: str
    input_size: int
    input_size_step: int | None = None
    n_features: int
    normalisation: Normalisation

    def resolve_input_size(self, input_size: int | None) -> int:
        """Return the size of the photos that the network is built for.

        Args:
            input_size: The size asked for, in pixels; None for the network's own.

        Raises:
            InputSizeError: The network does not take this size.

        """
        if input_size is None or input_size == self.input_size:
            return self.input_size
        step = self.input_size_step
        if step is None:
            raise InputSizeError(
                f"input_size={input_size}: {self.name} takes photos of {self.input_size} pixels only. Leave it null"
            )
        if input_size % step or not MIN_INPUT_SIZE <= input_size <= MAX_INPUT_SIZE:
            raise InputSizeError(
                f"input_size={input_size}: {self.name} takes multiples of {step} from {MIN_INPUT_SIZE} to {MAX_INPUT_SIZE}, "
                f"and null for its own {self.input_size}"
            )
        return input_size

    @abstractmethod
    def resolve_weights(self, weights: str) -> Weights:
        """Identify weights without loading them: cheap, without TensorFlow, and offline unless they are on S3.

        Args:
            weights: `imagenet`, the path of a local file (`~` is expanded), or an object on S3.

        Raises:
            WeightsError: There is no such file, it cannot be read, or it is of another format.

        """

    @abstractmethod
    def build(self, weights: Weights, input_size: int | None = None) -> keras.Model:
        """Build the network with these weights.

        Args:
            weights: What `resolve_weights` of the same backbone returned.
            input_size: Height and width of the photos, in pixels; None for the network's own.

        Returns:
            A Keras functional model: uint8 (batch, input_size, input_size, 3), RGB, to float32 (batch, n_features).

        Raises:
            WeightsError: The file holds another network, is damaged, changed meanwhile, or cannot be downloaded.
            InputSizeError: The network does not take this size.

        """


def normalise(photos: keras.KerasTensor, normalisation: Normalisation) -> keras.KerasTensor:
    """Normalise RGB photos by layers of Keras, the last of which is called `scaled`."""
    from keras import layers, ops

    if normalisation.channels == "BGR":
        photos = ops.flip(ops.cast(photos, "float32"), axis=-1)
    return layers.Rescaling(shortened(normalisation.scale), shortened(normalisation.offset), name="scaled")(photos)


def import_keras_quietly() -> None:
    """Import Keras, and TensorFlow with it, without what they write to standard error meanwhile.

    While it is imported, TensorFlow's C++ writes there whatever TF_CPP_MIN_LOG_LEVEL says. An import that fails raises an
    exception as ever.
    """
    standard_error = os.dup(2)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        importlib.import_module("keras")
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)

"""MobileNetV2 (alpha 1.0, 224 x 224) of keras.applications, up to its global average pool.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from fruit_features.networks.backbones import keras_weights
from fruit_features.networks.backbones.base import Backbone, import_keras_quietly, normalise
from fruit_features.networks.normalisation import NORMALISATIONS
from fruit_features.networks.weights import FileFormat, Weights, WeightsError, identify_file, local_file, verify_unchanged

if TYPE_CHECKING:
    from pathlib import Path

    import keras

HDF5: Final = FileFormat(
    signature=keras_weights.HDF5_SIGNATURE,
    expected="an HDF5 file of MobileNetV2 weights (alpha 1.0, 1000 classes or no classifier, saved by Keras)",
)

RELEASE_FILE: Final = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
"""What keras.applications downloads for weights="imagenet", and what it is called in Keras's cache."""

N_ARRAYS: Final = 260
"""Weight arrays of the network without its classifier: 52 convolutions, and 52 x 4 of batch normalisation."""

N_ARRAYS_WITH_TOP: Final = N_ARRAYS + 2
"""The classifier adds a kernel and a bias."""


class MobileNetV2(Backbone):
    """MobileNetV2 of width 1.0."""

    name = "mobilenet_v2"
    input_size = 224
    input_size_step = 32
    n_features = 1280
    # x / 127.5 - 1, as keras.applications.mobilenet_v2.preprocess_input computes it
    normalisation = NORMALISATIONS["-1..1"]

    def resolve_weights(self, weights: str) -> Weights:
        """Accept ``imagenet`` (published by Keras) or an HDF5 file, with or without the classifier."""
        if weights == "imagenet":
            # Keras never changes a published file, it publishes another name: so the name identifies the numbers, and
            # a machine that has not downloaded them (or never will) computes the same fingerprint.
            return Weights(source=weights, path=None, digest=RELEASE_FILE)
        return identify_file(weights, local_file(weights), HDF5)

    def build(self, weights: Weights, input_size: int | None = None) -> keras.Model:
        """Build the network up to the layer before the classifier."""
        import_keras_quietly()
        import keras

        size = self.resolve_input_size(input_size)
        photos = keras.Input((size, size, 3), dtype="uint8", name="photos")
        scaled = normalise(photos, self.normalisation)
        network = _published(scaled) if weights.path is None else _from_file(scaled, weights, weights.path)
        pooled = next(layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
        return keras.Model(photos, pooled.output, name=self.name)


def _published(scaled: keras.KerasTensor) -> keras.Model:
    """Build the classifier with the weights that Keras publishes, from its cache or downloaded into it.

    Keras publishes a file for each of some sizes, and would choose one by the size of `scaled`. `RELEASE_FILE`, which
    identifies the weights, is that of 224 pixels: it is taken for all sizes.

    Raises:
        WeightsError: neither worked.

    """
    import keras

    try:
        if scaled.shape[1] == MobileNetV2.input_size:
            return keras.applications.MobileNetV2(input_tensor=scaled, alpha=1.0, weights="imagenet")
        published = keras.applications.MobileNetV2(alpha=1.0, weights="imagenet")
    except Exception as error:  # a failed download is a bare Exception in Keras, a damaged file in its cache an OSError
        raise WeightsError(
            f"weights 'imagenet': Keras has no usable {RELEASE_FILE} and could not download it ({error}). "
            f"Without network, give a file by `featurization.weights=FILE`, or put {RELEASE_FILE} into "
            f"{keras_weights.cache_folder()}. If it is there already, it is damaged: delete it."
        ) from error
    network = keras.applications.MobileNetV2(input_tensor=scaled, alpha=1.0, weights=None)
    network.set_weights(published.get_weights())
    return network


def _from_file(scaled: keras.KerasTensor, weights: Weights, path: Path) -> keras.Model:
    """Build the network with every one of its arrays taken from the file, with the classifier if the file has it.

    Raises:
        WeightsError: the file changed, is damaged, or holds other arrays than MobileNetV2's.

    """
    import keras

    verify_unchanged(weights, path)
    wrong_file = f"weights {weights.source!r}: {path} is not {HDF5.expected}"
    layout, shapes = keras_weights.inspect(path, wrong_file)
    if len(shapes) not in (N_ARRAYS, N_ARRAYS_WITH_TOP):
        raise WeightsError(
            f"{wrong_file}: it holds {len(shapes)} arrays instead of {N_ARRAYS_WITH_TOP} ({N_ARRAYS} without classifier)."
        )
    network = keras.applications.MobileNetV2(
        input_tensor=scaled, alpha=1.0, include_top=len(shapes) == N_ARRAYS_WITH_TOP, pooling="avg", weights=None
    )
    unknown = Counter(shapes) - Counter(tuple(array.shape) for array in network.weights)
    if unknown:
        raise WeightsError(f"{wrong_file}: it holds an array of shape {min(unknown)}, which does not belong there.")
    keras_weights.fill(network, path, layout, wrong_file)
    return network

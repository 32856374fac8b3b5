"""MobileNetV2 (alpha 1.0, 224 x 224) of keras.applications, up to its global average pool.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fruit_features.networks.backbones.base import Backbone, Normalisation, import_keras_quietly
from fruit_features.networks.weights import FileFormat, Weights, WeightsError, identify_file, user_path, verify_unchanged

if TYPE_CHECKING:
    import keras

HDF5: Final = FileFormat(
    signature=b"\x89HDF\r\n\x1a\n",
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
    normalisation = Normalisation.uniform(mean=127.5, scale=1 / 127.5)

    def resolve_weights(self, weights: str) -> Weights:
        """Accept ``imagenet`` (published by Keras) or an HDF5 file, with or without the classifier."""
        if weights == "imagenet":
            # Keras never changes a published file, it publishes another name: so the name identifies the numbers, and
            # a machine that has not downloaded them (or never will) computes the same fingerprint.
            return Weights(source=weights, path=None, digest=RELEASE_FILE)
        return identify_file(weights, user_path(weights), HDF5)

    def build(self, weights: Weights, input_size: int | None = None) -> keras.Model:
        """Build the network up to the layer before the classifier."""
        import_keras_quietly()
        import keras

        size = self.resolve_input_size(input_size)
        photos = keras.Input((size, size, 3), dtype="uint8", name="photos")
        scaled = self.normalisation.apply(photos)
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
        cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
        raise WeightsError(
            f"weights 'imagenet': Keras has no usable {RELEASE_FILE} and could not download it ({error}). "
            f"Without network, give a file by `featurization.weights=FILE`, or put {RELEASE_FILE} into {cache}. "
            "If it is there already, it is damaged: delete it."
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
    import numpy as np

    verify_unchanged(weights, path)
    wrong_file = f"weights {weights.source!r}: {path} is not {HDF5.expected}"
    layout, shapes = _inspect(path, wrong_file)
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
    # An array that the file does not fill, or fills with garbage, betrays itself.
    network.set_weights([np.full(array.shape, np.nan, array.dtype) for array in network.weights])
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a hundred of them, where one array is missing: that raises below
            # Keras picks its reader by the name of the file: give it the name that the content calls for.
            named_by_layout = Path(folder) / f"mobilenet_v2{layout}"
            named_by_layout.symlink_to(path)
            network.load_weights(named_by_layout)
    except Exception as error:  # Keras raises ValueError, KeyError, OSError, ... as the layout has it
        # one line of Keras's many
        raise WeightsError(f"{wrong_file}: {' '.join(str(error).split())[:200]}") from error
    unusable = [array.path for array in network.weights if not keras.ops.all(keras.ops.isfinite(array))]
    if unusable:
        raise WeightsError(f"{wrong_file}: {len(unusable)} arrays are missing or not finite, first {unusable[0]}.")
    return network


def _inspect(path: Path, wrong_file: str) -> tuple[str, list[tuple[int, ...]]]:
    """Return which of Keras's two layouts the file has (as the ending of a file name), and the shapes of its arrays.

    Raises:
        WeightsError: neither, or the file is damaged. The message begins with `wrong_file`.

    """
    import h5py

    def shapes(group: Any) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for item in group.values():
            found += shapes(item) if isinstance(item, h5py.Group) else [tuple(item.shape)]
        return found

    try:
        with h5py.File(path, "r") as file:
            # A whole model (model.save) keeps its weights in a group of their own, next to the optimizer's.
            root = file.get("model_weights", file)
            if "layer_names" in root.attrs:
                return ".h5", shapes(root)
            if isinstance(root.get("layers"), h5py.Group):
                return ".weights.h5", shapes(root["layers"])
    except Exception as error:  # h5py raises OSError, RuntimeError, KeyError, ... on a damaged file
        raise WeightsError(f"{wrong_file}, or it is damaged: {error}. Fetch it again.") from error
    raise WeightsError(f"{wrong_file}: it has neither of the layouts in which Keras saves weights.")

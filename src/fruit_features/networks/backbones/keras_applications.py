"""The networks of keras.applications that end in a global average pool: `featurization.backbone=keras:ResNet50`.

VGG16 and VGG19 are not among them: they flatten their last map, so that their features would depend on the input size.
Importing Keras takes seconds; so what has to be known before a run stands in a table here, and a test compares all of it with
Keras.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final, NamedTuple

from fruit_features.networks.backbones import keras_weights
from fruit_features.networks.backbones.base import Backbone, import_keras_quietly, normalise
from fruit_features.networks.normalisation import NORMALISATIONS, Normalisation
from fruit_features.networks.weights import FileFormat, Weights, WeightsError, identify_file, local_file, verify_unchanged

if TYPE_CHECKING:
    from pathlib import Path

    import keras

# The modes of keras.applications.imagenet_utils.preprocess_input, by their names there
_TF: Final = NORMALISATIONS["-1..1"]
_CAFFE: Final = Normalisation(mean=(103.939, 116.779, 123.68), scale=(1.0, 1.0, 1.0), channels="BGR")
_TORCH: Final = NORMALISATIONS["imagenet"]
_BUILT_IN: Final = NORMALISATIONS["0..255"]
"""The network's own first layers normalise."""

NORMALISATION_OF_MODULE: Final = {
    "convnext": _BUILT_IN,
    "densenet": _TORCH,
    "efficientnet": _BUILT_IN,
    "efficientnet_v2": _BUILT_IN,
    "inception_resnet_v2": _TF,
    "inception_v3": _TF,
    "mobilenet": _TF,
    "mobilenet_v2": _TF,
    "mobilenet_v3": _BUILT_IN,
    "nasnet": _TF,
    "resnet": _CAFFE,
    "resnet_v2": _TF,
    "xception": _TF,
}
"""By the module of keras.applications."""

_IMAGENET_STDDEV: Final = (0.229, 0.224, 0.225)


class Architecture(NamedTuple):
    """What has to be known of a network before it is built."""

    module: str
    input_size: int
    n_features: int


ARCHITECTURES: Final = {
    "ConvNeXtBase": Architecture("convnext", 224, 1024),
    "ConvNeXtLarge": Architecture("convnext", 224, 1536),
    "ConvNeXtSmall": Architecture("convnext", 224, 768),
    "ConvNeXtTiny": Architecture("convnext", 224, 768),
    "ConvNeXtXLarge": Architecture("convnext", 224, 2048),
    "DenseNet121": Architecture("densenet", 224, 1024),
    "DenseNet169": Architecture("densenet", 224, 1664),
    "DenseNet201": Architecture("densenet", 224, 1920),
    "EfficientNetB0": Architecture("efficientnet", 224, 1280),
    "EfficientNetB1": Architecture("efficientnet", 240, 1280),
    "EfficientNetB2": Architecture("efficientnet", 260, 1408),
    "EfficientNetB3": Architecture("efficientnet", 300, 1536),
    "EfficientNetB4": Architecture("efficientnet", 380, 1792),
    "EfficientNetB5": Architecture("efficientnet", 456, 2048),
    "EfficientNetB6": Architecture("efficientnet", 528, 2304),
    "EfficientNetB7": Architecture("efficientnet", 600, 2560),
    "EfficientNetV2B0": Architecture("efficientnet_v2", 224, 1280),
    "EfficientNetV2B1": Architecture("efficientnet_v2", 240, 1280),
    "EfficientNetV2B2": Architecture("efficientnet_v2", 260, 1408),
    "EfficientNetV2B3": Architecture("efficientnet_v2", 300, 1536),
    "EfficientNetV2L": Architecture("efficientnet_v2", 480, 1280),
    "EfficientNetV2M": Architecture("efficientnet_v2", 480, 1280),
    "EfficientNetV2S": Architecture("efficientnet_v2", 384, 1280),
    "InceptionResNetV2": Architecture("inception_resnet_v2", 299, 1536),
    "InceptionV3": Architecture("inception_v3", 299, 2048),
    "MobileNet": Architecture("mobilenet", 224, 1024),
    "MobileNetV2": Architecture("mobilenet_v2", 224, 1280),
    "MobileNetV3Large": Architecture("mobilenet_v3", 224, 960),
    "MobileNetV3Small": Architecture("mobilenet_v3", 224, 576),
    "NASNetLarge": Architecture("nasnet", 331, 4032),
    "NASNetMobile": Architecture("nasnet", 224, 1056),
    "ResNet101": Architecture("resnet", 224, 2048),
    "ResNet101V2": Architecture("resnet_v2", 224, 2048),
    "ResNet152": Architecture("resnet", 224, 2048),
    "ResNet152V2": Architecture("resnet_v2", 224, 2048),
    "ResNet50": Architecture("resnet", 224, 2048),
    "ResNet50V2": Architecture("resnet_v2", 224, 2048),
    "Xception": Architecture("xception", 299, 2048),
}


class KerasApplication(Backbone):
    """One of them.

    Args:
        architecture: Its name in keras.applications.

    """

    input_size_step = 32

    def __init__(self, architecture: str) -> None:
        module, self.input_size, self.n_features = ARCHITECTURES[architecture]
        self.name = f"keras:{architecture}"
        self.normalisation = NORMALISATION_OF_MODULE[module]
        self._architecture = architecture
        self._module = module
        self._expected = f"a file of {architecture} weights (1000 classes or no classifier, saved by Keras as HDF5 or .keras)"

    def resolve_weights(self, weights: str) -> Weights:
        """Accept ``imagenet`` (published by Keras) or a file that Keras saved, with or without the classifier."""
        if weights == "imagenet":
            return Weights(source=weights, path=None, digest=f"imagenet of keras.applications.{self._architecture}")
        path = local_file(weights)
        is_archive = path.is_file() and zipfile.is_zipfile(path)
        signature = keras_weights.ARCHIVE_SIGNATURE if is_archive else keras_weights.HDF5_SIGNATURE
        return identify_file(weights, path, FileFormat(signature, self._expected))

    def build(self, weights: Weights, input_size: int | None = None) -> keras.Model:
        """Build the network without its classifier, and fill it."""
        size = self.resolve_input_size(input_size)
        import_keras_quietly()
        import keras

        photos = keras.Input((size, size, 3), dtype="uint8", name="photos")
        network = self._unfilled(normalise(photos, self.normalisation), include_top=False)
        n_arrays = len(network.weights)
        filled = self._published() if weights.path is None else self._from_file(weights, weights.path, n_arrays)
        network.set_weights(filled.get_weights()[:n_arrays])  # those of a classifier come last
        for layer in network.layers:
            if isinstance(layer, keras.layers.Normalization) and layer.weights:
                if self._module == "efficientnet":
                    _divide_by_standard_deviation(layer, is_published=weights.path is None)
                layer.finalize_state()
        return keras.Model(photos, network.output, name=self._architecture)

    def _unfilled(self, scaled: keras.KerasTensor | None, *, include_top: bool) -> keras.Model:
        """Build it with random weights; without `scaled`, for photos of its own size that are scaled already."""
        import keras

        shape = None if scaled is not None else (self.input_size, self.input_size, 3)
        build = getattr(keras.applications, self._architecture)
        return build(weights=None, include_top=include_top, pooling="avg", input_tensor=scaled, input_shape=shape)

    def _published(self) -> keras.Model:
        """Build it with the weights that Keras publishes, from its cache or downloaded into it; those of its own size.

        Raises:
            WeightsError: Neither worked.

        """
        import keras

        shape = (self.input_size, self.input_size, 3)
        try:
            build = getattr(keras.applications, self._architecture)
            return build(weights="imagenet", include_top=False, pooling="avg", input_shape=shape)
        except Exception as error:  # a failed download is a bare Exception in Keras, a damaged file in its cache an OSError
            raise WeightsError(
                f"weights 'imagenet': Keras has no usable weights of {self._architecture} and could not download them "
                f"({' '.join(str(error).split())[:300]}). Without network, give a file by `featurization.weights=FILE`, or "
                f"put the file of that name into {keras_weights.cache_folder()}. If it is there already, it is damaged: "
                "delete it."
            ) from error

    def _from_file(self, weights: Weights, path: Path, n_arrays: int) -> keras.Model:
        """Build it with every one of its arrays taken from the file, with the classifier if the file has it.

        Raises:
            WeightsError: The file changed, is damaged, or holds other arrays.

        """
        verify_unchanged(weights, path)
        wrong_file = f"weights {weights.source!r}: {path} is not {self._expected}"
        with keras_weights.weights_in(path, wrong_file) as file:
            layout, shapes = keras_weights.inspect(file, wrong_file)
            network = self._unfilled(None, include_top=len(shapes) > n_arrays)
            if len(shapes) != len(network.weights):
                raise WeightsError(f"{wrong_file}: it holds {len(shapes)} arrays instead of {len(network.weights)}.")
            keras_weights.fill(network, file, layout, wrong_file)
        return network


def _divide_by_standard_deviation(layer: keras.layers.Normalization, *, is_published: bool) -> None:
    """Let EfficientNet's first layer divide by the standard deviation of ImageNet's channels, as its weights expect.

    The layer divides by the root of its variance. Keras's files have the standard deviation in its place, and Keras makes up
    for that by one more layer, which it adds for weights='imagenet' only: the same file, by its path, gives others there.
    Here both give those of weights='imagenet'. A network that was trained from scratch has another variance, and keeps it.
    """
    import numpy as np

    variance = np.array(layer.adapt_variance)
    if is_published or np.allclose(variance, _IMAGENET_STDDEV, rtol=1e-3):
        layer.adapt_variance.assign(variance * np.array(_IMAGENET_STDDEV, np.float32))

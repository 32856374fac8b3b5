"""OpenVINO: the default engine. Workers need its runtime only; TensorFlow is needed once, to export."""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fruit_features.networks.engines.base import Engine
from fruit_features.networks.engines.openvino_files import prepare, read
from fruit_features.networks.engines.processor import int8_sums_overflow
from fruit_features.networks.engines.tensorflow import GRAPH, TensorFlow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from fruit_features.networks.contract import NetworkFile
    from fruit_features.networks.engines.base import Predictor
    from fruit_features.networks.engines.file_checks import ReadNetwork
    from fruit_features.networks.network import Network, Precision

TOPOLOGY, WEIGHTS = "network.xml", "network.bin"

_CAPABILITIES: dict[Precision, str] = {"f32": "FP32", "bf16": "BF16", "int8": "INT8"}

# Activations that are below zero for some of their inputs, and the parts that they are made of where OpenVINO has not joined
# them (x * Sigmoid(x) is Swish, and Erf is of Gelu).
_BELOW_ZERO = frozenset(
    {"Elu", "Erf", "Gelu", "HSigmoid", "HSwish", "Mish", "PRelu", "Selu", "Sigmoid", "SoftPlus", "Swish", "Tanh"}
)

# int8 layers are int8 in the network itself; what surrounds them stays float32.
_PRECISION_HINTS: dict[Precision, str] = {"f32": "f32", "bf16": "bf16", "int8": "f32"}


class OpenVino(Engine):
    """Runs OpenVINO's intermediate representation: `network.xml` (topology) and `network.bin` (weights)."""

    name = "openvino"
    precisions = frozenset({"f32", "bf16", "int8"})
    file_formats = frozenset({"onnx", "tflite", "ir"})

    def export(self, model: Any) -> dict[str, bytes]:
        """Convert a Keras model, with float32 weights. The same model gives the same bytes in every process.

        OpenVINO reads the frozen graph of TensorFlow from a file. `openvino.convert_model` would take the model itself, but
        on Python 3.13 it fails (it deletes a local variable with `exec`, which PEP 667 has ended), and it reports every
        conversion to Intel over the internet. The transformations are those that `openvino.convert_model` applies, with its
        arguments: they fold the batch normalisations into the convolutions, so that the weights are the same as with it.
        """
        import openvino
        from openvino._offline_transformations import apply_moc_transformations

        with tempfile.TemporaryDirectory() as folder:
            frozen = Path(folder, GRAPH)
            frozen.write_bytes(TensorFlow().export(model)[GRAPH])
            converted = openvino.Core().read_model(frozen)
            apply_moc_transformations(converted, cf=False, smart_reshape=True)
            return _serialize(converted)

    def read(self, place: str, content: bytes, companions: Mapping[str, bytes]) -> AbstractContextManager[ReadNetwork]:
        """Read a network in an ONNX, TFLite or IR file, for the checks."""
        return read(place, content, companions)

    def adopt(self, file: NetworkFile) -> dict[str, bytes]:
        """Read the network, put normalisation before it and pooling behind it, and write it as an IR.

        The same file and contract give the same bytes in every process.
        """
        return _serialize(prepare(file))

    def warm_up_quantization(self) -> None:
        """Import NNCF."""
        os.environ.setdefault("NNCF_CI", "1")  # else NNCF reports each quantisation to its makers over the internet
        importlib.import_module("nncf")

    def quantize(self, files: Mapping[str, bytes], photos: NDArray[np.uint8]) -> dict[str, bytes]:
        """Quantise by NNCF's post-training quantisation.

        With activations that are never below zero (ReLU), it gives them no zero point: measured on MobileNetV2 and
        EfficientNet-Lite0, features are then nearer to those of float32 (a mean cosine of 0.996 for 0.991). Networks with
        others, such as Swish or GELU, need it (0.994 for 0.984), as NNCF advises.
        """
        self.warm_up_quantization()
        import nncf
        import openvino

        # `nncf.set_log_level` would also change the handlers that others have given its logger.
        logging.getLogger("nncf").setLevel(logging.ERROR)
        model = openvino.Core().read_model(model=files[TOPOLOGY], weights=files[WEIGHTS])
        needs_zero_point = any(layer.get_type_name() in _BELOW_ZERO for layer in model.get_ops())
        calibration = nncf.Dataset([photo[np.newaxis] for photo in photos])
        quantized = nncf.quantize(
            model,
            calibration,
            preset=nncf.QuantizationPreset.MIXED if needs_zero_point else nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(photos),
            target_device=nncf.TargetDevice.CPU,
        )
        return _serialize(quantized)

    def identify(self, files: Mapping[str, bytes]) -> bytes:
        """Choose the weights."""
        return files[WEIGHTS]

    def native_precisions(self) -> frozenset[Precision]:
        """Ask OpenVINO; it computes the other precisions in float32, or emulates them."""
        import openvino

        capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return frozenset(name for name, flag in _CAPABILITIES.items() if flag in capabilities)

    def inexact_precisions(self) -> frozenset[Precision]:
        """Of int8, OpenVINO's sums overflow on x86-64 without VNNI, though NNCF leaves room in the first layer."""
        return frozenset({"int8"}) if int8_sums_overflow() else frozenset()

    def warm_up(self) -> None:
        """Import OpenVINO."""
        importlib.import_module("openvino")

    def load(self, network: Network, batch_size: int) -> Predictor:
        """Compile a network for one core and one batch size: a fixed shape compiles to faster code than a dynamic one.

        OpenVINO would pin its thread, and that of every worker to the *same* core, which halves the speed: hence no pinning.
        """
        import openvino

        core = openvino.Core()
        model = core.read_model(model=network.files[TOPOLOGY], weights=network.files[WEIGHTS])
        model.reshape([batch_size, network.input_size, network.input_size, 3])
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[network.precision],
            },
        )
        request = compiled.create_infer_request()

        def predict(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
            features: NDArray[np.float32] = request.infer([photos], share_inputs=True)[0]
            return features

        return predict


def _serialize(model: Any) -> dict[str, bytes]:
    """Write an `openvino.Model` to the two files of its IR, weights uncompressed."""
    import openvino

    _name_by_position(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, TOPOLOGY)
        openvino.save_model(model, path, compress_to_fp16=False)
        return {name: Path(folder, name).read_bytes() for name in (TOPOLOGY, WEIGHTS)}


def _name_by_position(model: Any) -> None:
    """Name the layers of a network by their type and position, its input `photos` and its output `features`.

    Keras, TensorFlow and OpenVINO number what they build in a process. With their names, the files of a network would depend
    on what the process had built before.
    """
    for position, layer in enumerate(model.get_ordered_ops()):
        layer.set_friendly_name(f"{layer.get_type_name()}_{position}")
        for tensor in layer.outputs():
            tensor.set_names(set())
    for tensor, name in ((model.input(), "photos"), (model.output(), "features")):
        tensor.set_names({name})
        tensor.get_node().set_friendly_name(name)

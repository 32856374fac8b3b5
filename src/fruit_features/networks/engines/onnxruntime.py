"""ONNX Runtime: the engine of machines that OpenVINO does not run on. The network is one ONNX file."""

from __future__ import annotations

import importlib
import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fruit_features.networks.engines import onnx_graphs
from fruit_features.networks.engines.base import Engine
from fruit_features.networks.engines.file_checks import NetworkTensor, UnreadableError, blamed_on
from fruit_features.networks.engines.processor import int8_sums_overflow
from fruit_features.networks.engines.tensorflow import GRAPH, TensorFlow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from fruit_features.networks.contract import NetworkFile
    from fruit_features.networks.engines.base import Predictor
    from fruit_features.networks.engines.file_checks import ReadNetwork
    from fruit_features.networks.network import Network

NETWORK = "network.onnx"

_OPSET: Final = 18
"""The newest that tf2onnx writes (https://github.com/onnx/tensorflow-onnx)."""

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_EXACT_WITHOUT_VNNI: Final = ("session.x64quantprecision", "1")
"""On x86-64 processors without VNNI, sums of products of uint8 and int8 overflow unless this is set (see
onnxruntime_session_options_config_keys.h): features of MobileNetV2 came out with a cosine of 0.8 to the right ones. On
processors that have it, it would only be slower by half."""

_ERRORS_ALONE: Final = 3

_ELEMENTS: Final = {"float": "f32", "float16": "f16", "bfloat16": "bf16", "double": "f64", "bool": "boolean"}


class OnnxRuntime(Engine):
    """Runs `network.onnx`, whose input and output are named as `onnx_graphs` has it."""

    name = "onnxruntime"
    precisions = frozenset({"f32", "int8"})
    file_formats = frozenset({"onnx"})
    providers: tuple[str | tuple[str, Mapping[str, str]], ...] = (_CPU,)

    def export(self, model: Any) -> dict[str, bytes]:
        """Convert a Keras model by its frozen TensorFlow graph. The same model gives the same bytes in every process."""
        import tensorflow as tf
        from tf2onnx import convert

        graph = tf.compat.v1.GraphDef.FromString(TensorFlow().export(model)[GRAPH])
        with _quiet("tf2onnx", "tensorflow"):
            converted, _ = convert.from_graph_def(graph, input_names=["photos:0"], output_names=["features:0"], opset=_OPSET)
        onnx_graphs.normalise_names(converted)
        return {NETWORK: onnx_graphs.serialize(converted)}

    @contextmanager
    def read(self, place: str, content: bytes, companions: Mapping[str, bytes]) -> Iterator[ReadNetwork]:
        """Read a network in an ONNX file, for the checks."""
        model = onnx_graphs.serialize(onnx_graphs.load(place, content, companions))
        with blamed_on(place, "ONNX Runtime"):
            yield _OnnxFile(model)

    def adopt(self, file: NetworkFile) -> dict[str, bytes]:
        """Put normalisation before the network and pooling behind it. The same file and contract give the same bytes."""
        return {NETWORK: onnx_graphs.prepare(file)}

    def warm_up_quantization(self) -> None:
        """Import ONNX Runtime's quantisation."""
        importlib.import_module("onnxruntime.quantization")

    def quantize(self, files: Mapping[str, bytes], photos: NDArray[np.uint8]) -> dict[str, bytes]:
        """Quantise by ONNX Runtime's static quantisation, with a scale for each channel of the weights.

        Activations are uint8 and weights int8: on x86-64 with VNNI, twice as fast as with both int8, and nearly as exact.
        """
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
            """Hands over the photos one by one."""

            def __init__(self) -> None:
                self._photos = iter(photos)

            def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
                photo = next(self._photos, None)
                return None if photo is None else {onnx_graphs.PHOTOS: photo[np.newaxis]}

        with tempfile.TemporaryDirectory() as folder:
            given, folded, made = (Path(folder, name) for name in ("given.onnx", "folded.onnx", NETWORK))
            given.write_bytes(files[NETWORK])
            with _quiet(None):
                quant_pre_process(given, folded, skip_symbolic_shape=True)  # batch normalisations go into the weights
                quantization.quantize_static(
                    folded,
                    made,
                    Calibration(),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                )
            return {NETWORK: made.read_bytes()}

    def warm_up(self) -> None:
        """Import ONNX Runtime."""
        importlib.import_module("onnxruntime")

    def load(self, network: Network, batch_size: int) -> Predictor:
        """Make a session for one core and one batch size."""
        return _predictor(self._session(network, batch_size))

    def _session(self, network: Network, batch_size: int) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ALONE
        options.add_free_dimension_override_by_name(onnx_graphs.BATCH, batch_size)
        if int8_sums_overflow():
            options.add_session_config_entry(*_EXACT_WITHOUT_VNNI)
        available = onnxruntime.get_available_providers()
        providers = [one for one in self.providers if (one if isinstance(one, str) else one[0]) in available]
        return onnxruntime.InferenceSession(network.files[NETWORK], options, providers=providers)


class OnnxRuntimeCuda(OnnxRuntime):
    """The same on NVIDIA's GPUs: the workers need the package onnxruntime-gpu in the place of onnxruntime."""

    name = "onnxruntime_cuda"
    precisions = frozenset({"f32"})
    # TF32 has ten bits where float32 has 23 (https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html).
    providers = ((_CUDA, {"use_tf32": "0"}), _CPU)

    def load(self, network: Network, batch_size: int) -> Predictor:
        """Make a session on the GPU.

        Raises:
            RuntimeError: There is none, or ONNX Runtime cannot use it; it would compute on the processor without a word.

        """
        session = self._session(network, batch_size)
        if _CUDA not in session.get_providers():
            raise RuntimeError(
                "featurization.engine=onnxruntime_cuda: ONNX Runtime finds no GPU that it can use here. Install "
                "onnxruntime-gpu in the place of onnxruntime, and CUDA and cuDNN, on the nodes; or give "
                "featurization.engine=onnxruntime"
            )
        return _predictor(session)

    def load_on_driver(self, network: Network, batch_size: int) -> Predictor:
        """Make a session on the GPU if there is one, and else on the processor."""
        return _predictor(self._session(network, batch_size))


class _OnnxFile:
    """A network in an ONNX file, as ONNX Runtime has read it.

    Args:
        model: A serialized `ModelProto` with all its weights.

    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        # It runs twice at most: what making it faster takes would be longer.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=[_CPU])
        except Exception as error:  # ONNX Runtime has an exception for each of its status codes, without a common class
            raise UnreadableError(str(error)) from error
        self.inputs = [_described(tensor) for tensor in self._session.get_inputs()]
        self.outputs = [_described(tensor) for tensor in self._session.get_outputs()]

    def output_for(self, index: int, shape: tuple[int, ...]) -> NetworkTensor:
        """Find out one output's shape for an input of this shape, by running the network on zeros."""
        element = self.inputs[0].element
        zeros = np.zeros(shape, {"u8": np.uint8, "f16": np.float16, "f64": np.float64}.get(element, np.float32))
        output = self.outputs[index]
        try:
            features = self._session.run([output.names[0]], {self.inputs[0].names[0]: zeros})[0]
        except Exception as error:
            raise UnreadableError(str(error)) from error
        return NetworkTensor(output.names, output.element, features.shape)


def _predictor(session: Any) -> Predictor:
    def predict(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run([onnx_graphs.FEATURES], {onnx_graphs.PHOTOS: photos})[0]
        return features

    return predict


def _described(tensor: Any) -> NetworkTensor:
    element = tensor.type.removeprefix("tensor(").removesuffix(")")
    element = _ELEMENTS.get(element, element.replace("uint", "u").replace("int", "i"))
    shape = tuple(side if isinstance(side, int) else None for side in tensor.shape)
    # ONNX Runtime has no dimensions for a tensor that may have any number of them.
    return NetworkTensor(names=(tensor.name,), element=element, shape=shape or None)


@contextmanager
def _quiet(*names: str | None) -> Iterator[None]:
    """Keep loggers quiet, of which None is the root, that are told what concerns a library's developers."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

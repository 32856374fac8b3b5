"""Networks in files: engines compute what their own operators compute, and what cannot be used is refused."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, reference

from fruit_features.networks.contract import NetworkContract, NetworkFile
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.engines.file_checks import MAX_FEATURES, inspect
from fruit_features.networks.engines.onnxruntime import OnnxRuntime
from fruit_features.networks.engines.openvino import OpenVino
from fruit_features.networks.engines.tensorflow import TensorFlow
from fruit_features.networks.network import Network
from fruit_features.networks.normalisation import NORMALISATIONS, Normalisation
from fruit_features.networks.weights import WeightsError
from tests.support.network_files import PHOTOS, SIZE, cnn, contract, floats, onnx_model, vit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from fruit_features.networks.contract import NetworkFacts
    from fruit_features.networks.engines import Engine

FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".xml": "ir"}
ENGINES_OF_ONNX = ["openvino", "onnxruntime"]
LIBRARIES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


@pytest.fixture(params=ENGINES_OF_ONNX)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = ENGINES.find(request.param)
    return found


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    """uint8 (4, 32, 32, 3): of different colours, so that exchanged channels show."""
    rng = np.random.default_rng(0)
    tint = np.array([[1, 0.5, 0.1], [0.1, 1, 0.5], [0.5, 0.1, 1], [1, 1, 1]])
    return (rng.integers(0, 256, (4, SIZE, SIZE, 3)) * tint[:, None, None]).astype(np.uint8)


def checked(
    engine: Engine,
    name: str,
    content: bytes,
    its_contract: NetworkContract,
    *,
    companions: Mapping[str, bytes] | None = None,
    input_size: int | None = None,
) -> NetworkFacts:
    with engine.read(f"/somewhere/{name}", content, companions or {}) as network:
        return inspect(f"/somewhere/{name}", network, its_contract, input_size)


def network_file(
    engine: Engine,
    name: str,
    content: bytes,
    its_contract: NetworkContract,
    **given: Any,
) -> NetworkFile:
    """A network in a file that was checked; `given` are further arguments of `checked`."""
    path = Path("/somewhere", name)
    facts = checked(engine, name, content, its_contract, **given)
    return NetworkFile(str(path), FORMATS[path.suffix], content, its_contract, facts, given.get("companions", {}))


def features(engine: Engine, file: NetworkFile, photos: NDArray[np.uint8], batch_size: int = 2) -> NDArray[np.float32]:
    """What a worker computes with the network that an engine makes of a file."""
    network = Network(
        fingerprint="",
        configuration="",
        backbone=file.format,
        engine=engine.name,
        precision="f32",
        input_size=file.facts.input_size,
        n_features=file.facts.n_features,
        files=engine.adopt(file),
    )
    predict = engine.load(network, batch_size)
    found = np.concatenate([predict(batch) for batch in np.split(photos, len(photos) // batch_size)])
    assert found.shape == (len(photos), file.facts.n_features)
    assert found.dtype == np.float32
    return found


def computed(model: Any, photos: NDArray[np.uint8], normalisation: Normalisation) -> NDArray[np.float32]:
    """What the operators of ONNX compute by their own reference: the first output."""
    samples = photos[..., ::-1] if normalisation.channels == "BGR" else photos
    pixels = (samples - np.array(normalisation.mean)) * np.array(normalisation.scale)
    pixels = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    output: NDArray[np.float32] = reference.ReferenceEvaluator(model).run(None, {model.graph.input[0].name: pixels})[0]
    return output


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("pooling", [0, 16, "mean"])
def test_a_vision_transformer_gives_what_its_operators_compute(
    engine: Engine, photos: NDArray[np.uint8], pooling: Any, batch_size: int
) -> None:
    model = vit()
    onnx.checker.check_model(model)
    file = network_file(engine, "vit.onnx", model.SerializeToString(), contract(pooling=pooling))
    tokens = computed(model, photos, NORMALISATIONS["imagenet"])
    expected = tokens.mean(axis=1) if pooling == "mean" else tokens[:, pooling]
    assert np.ptp(expected, axis=0).min() > 0.001, "photos that all look the same would prove nothing"
    np.testing.assert_allclose(features(engine, file, photos, batch_size), expected, atol=1e-4)


BGR = Normalisation(mean=(103.939, 116.779, 123.68), scale=(0.01, 0.02, 0.03), channels="BGR")


@pytest.mark.parametrize("normalisation", [*NORMALISATIONS.values(), BGR], ids=[*NORMALISATIONS, "BGR"])
def test_photos_are_normalised_as_the_contract_says(
    engine: Engine, photos: NDArray[np.uint8], normalisation: Normalisation
) -> None:
    model = cnn()
    file = network_file(engine, "cnn.onnx", model.SerializeToString(), contract(normalisation=normalisation))
    expected = computed(model, photos, normalisation)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(features(engine, file, photos), expected, atol=1e-4 * scale)


def test_a_network_that_normalises_by_itself_takes_bytes(engine: Engine, photos: NDArray[np.uint8]) -> None:
    model = cnn()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["photos"], ["cast"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "cast"
    file = network_file(engine, "cnn.onnx", model.SerializeToString(), contract(normalisation=NORMALISATIONS["0..255"]))
    expected = computed(cnn(), photos, NORMALISATIONS["0..255"])
    np.testing.assert_allclose(features(engine, file, photos), expected, rtol=1e-4)


def test_a_network_that_this_project_has_written_is_one_like_others(engine: Engine, photos: NDArray[np.uint8]) -> None:
    onnxruntime = ENGINES.find("onnxruntime")
    first = network_file(onnxruntime, "cnn.onnx", cnn().SerializeToString(), contract())
    (written,) = onnxruntime.adopt(first).values()
    again = network_file(engine, "network.onnx", written, contract(normalisation=NORMALISATIONS["0..255"]))
    np.testing.assert_allclose(features(engine, again, photos), features(engine, first, photos), atol=1e-4)


def with_outputs(model: Any, *names: str) -> Any:
    """The same network, with these tensors as its outputs."""
    inferred = onnx.shape_inference.infer_shapes(model)
    known = {info.name: info for info in [*inferred.graph.value_info, *inferred.graph.output]}
    del model.graph.output[:]
    model.graph.output.extend(known[name] for name in names)
    return model


def test_an_output_is_chosen_by_name_and_a_feature_map_is_averaged(engine: Engine, photos: NDArray[np.uint8]) -> None:
    model = with_outputs(cnn(), "positive", "features")
    by_name = contract(output="positive", pooling="mean")
    expected = computed(with_outputs(cnn(), "features"), photos, NORMALISATIONS["imagenet"])
    np.testing.assert_allclose(
        features(engine, network_file(engine, "a.onnx", model.SerializeToString(), by_name), photos), expected, atol=1e-4
    )
    by_name = contract(output="features")
    np.testing.assert_allclose(
        features(engine, network_file(engine, "a.onnx", model.SerializeToString(), by_name), photos), expected, atol=1e-4
    )


def test_a_size_that_the_file_leaves_open_is_given(engine: Engine, photos: NDArray[np.uint8]) -> None:
    model = cnn(("batch", 3, "height", "width"))
    file = network_file(engine, "cnn.onnx", model.SerializeToString(), contract(), input_size=SIZE)
    assert file.facts.input_size == SIZE
    np.testing.assert_allclose(features(engine, file, photos), computed(model, photos, NORMALISATIONS["imagenet"]), atol=1e-4)


def test_weights_in_a_file_of_their_own_are_read(engine: Engine, photos: NDArray[np.uint8], tmp_path: Path) -> None:
    model = vit()
    expected = computed(model, photos, NORMALISATIONS["imagenet"])[:, 0]
    onnx.save(model, tmp_path / "vit.onnx", save_as_external_data=True, location="vit.data", size_threshold=0)
    content, beside = (tmp_path / "vit.onnx").read_bytes(), {"vit.data": (tmp_path / "vit.data").read_bytes()}
    file = network_file(engine, "vit.onnx", content, contract(pooling=0), companions=beside)
    np.testing.assert_allclose(features(engine, file, photos), expected, atol=1e-4)


def test_an_ir_gives_what_the_network_gave_that_it_was_made_of(photos: NDArray[np.uint8], tmp_path: Path) -> None:
    import openvino

    engine = OpenVino()

    model = cnn()
    (tmp_path / "cnn.onnx").write_bytes(model.SerializeToString())
    openvino.save_model(openvino.Core().read_model(tmp_path / "cnn.onnx"), tmp_path / "cnn.xml", compress_to_fp16=False)
    content, beside = (tmp_path / "cnn.xml").read_bytes(), {"cnn.bin": (tmp_path / "cnn.bin").read_bytes()}
    file = network_file(engine, "cnn.xml", content, contract(), companions=beside)
    np.testing.assert_allclose(features(engine, file, photos), computed(model, photos, NORMALISATIONS["imagenet"]), atol=1e-4)


@pytest.fixture(scope="module")
def keras_cnn() -> Any:
    import keras

    keras.utils.set_random_seed(5)
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(pixels)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    return keras.Model(pixels, [keras.layers.GlobalAveragePooling2D()(x), x])


def to_tflite(model: Any) -> bytes:
    import tensorflow as tf

    content: bytes = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    return content


def test_a_tflite_network_gives_what_keras_gives(keras_cnn: Any, photos: NDArray[np.uint8]) -> None:
    import keras

    engine = OpenVino()

    vectors, maps = keras_cnn.predict(photos / np.float32(127.5) - np.float32(1), verbose=0)
    scaled = NORMALISATIONS["-1..1"]
    content = to_tflite(keras.Model(keras_cnn.inputs, keras_cnn.outputs[0]))
    file = network_file(engine, "cnn.tflite", content, contract(normalisation=scaled))
    assert file.facts.layout == "NHWC"
    np.testing.assert_allclose(features(engine, file, photos), vectors, atol=1e-4)
    content = to_tflite(keras.Model(keras_cnn.inputs, keras_cnn.outputs[1]))
    file = network_file(engine, "cnn.tflite", content, contract(normalisation=scaled, pooling="mean"))
    np.testing.assert_allclose(features(engine, file, photos), maps.mean(axis=(1, 2)), atol=1e-4)


def test_a_network_of_float16_gives_nearly_what_its_operators_compute(engine: Engine, photos: NDArray[np.uint8]) -> None:
    model = cnn()
    expected = computed(model, photos, NORMALISATIONS["imagenet"])
    graph = model.graph
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.elem_type = TensorProto.FLOAT16
    kernel = onnx.numpy_helper.to_array(graph.initializer[0]).astype(np.float16)
    graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(kernel, "kernel"))
    file = network_file(engine, "cnn.onnx", model.SerializeToString(), contract())
    np.testing.assert_allclose(features(engine, file, photos), expected, atol=0.01)


@pytest.mark.parametrize("opset", [17, 18])
def test_tokens_are_averaged_in_every_opset(engine: Engine, photos: NDArray[np.uint8], opset: int) -> None:
    model = vit()
    expected = computed(model, photos, NORMALISATIONS["imagenet"]).mean(axis=1)
    model.opset_import[0].version = opset
    file = network_file(engine, "vit.onnx", model.SerializeToString(), contract(pooling="mean"))
    np.testing.assert_allclose(features(engine, file, photos), expected, atol=1e-4)


def test_weights_that_are_inputs_as_well_stay_weights(engine: Engine, photos: NDArray[np.uint8]) -> None:
    """So it was before version 4 of the format, and some exporters still write it."""
    model = cnn()
    expected = computed(model, photos, NORMALISATIONS["imagenet"])
    model.graph.input.append(floats("kernel", (8, 3, 3, 3)))
    file = network_file(engine, "cnn.onnx", model.SerializeToString(), contract())
    np.testing.assert_allclose(features(engine, file, photos), expected, atol=1e-4)


def test_the_same_file_gives_the_same_bytes(engine: Engine) -> None:
    file = network_file(engine, "vit.onnx", vit().SerializeToString(), contract(pooling=0))
    first = engine.adopt(file)
    assert engine.adopt(file) == first
    assert not any(b"vit.onnx" in content for content in first.values())


def test_a_network_in_a_file_can_be_quantised(engine: Engine, photos: NDArray[np.uint8]) -> None:
    files = engine.adopt(network_file(engine, "cnn.onnx", cnn().SerializeToString(), contract()))
    quantized = engine.quantize(files, photos)
    assert any(b"FakeQuantize" in content or b"QuantizeLinear" in content for content in quantized.values())


def test_tensorflow_takes_no_network_in_a_file() -> None:
    engine = OpenVino()
    file = network_file(engine, "cnn.onnx", cnn().SerializeToString(), contract())
    with pytest.raises(NotImplementedError, match="the engine tensorflow takes no network in a file of format onnx"):
        TensorFlow().adopt(file)
    with pytest.raises(NotImplementedError, match="the engine tensorflow reads no network in a file such as"):
        TensorFlow().read(file.place, file.content, {})


def test_a_network_of_more_than_two_gigabytes_is_for_openvino(photos: NDArray[np.uint8]) -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return 2**31

    engine = OnnxRuntime()
    file = network_file(engine, "cnn.onnx", cnn().SerializeToString(), contract())
    with pytest.raises(WeightsError, match=r"cnn\.onnx: with its weights it takes more than 2 GB, .*engine=openvino"):
        engine.adopt(dataclasses.replace(file, companions={"weights": Large()}))


# --- what is refused ---------------------------------------------------------------------------------------------------


def text_network() -> Any:
    table = np.zeros((100, 8), np.float32)
    return onnx_model(
        [helper.make_node("Gather", ["words", "input_ids"], ["tokens"])],
        [floats("input_ids", ["batch", "length"], TensorProto.INT64)],
        [floats("tokens", ["batch", "length", 8])],
        {"words": table},
    )


def relu(shape: Any, kind: int = TensorProto.FLOAT) -> Any:
    return onnx_model(
        [helper.make_node("Relu", ["photos"], ["y"])], [floats("photos", shape, kind)], [floats("y", None, kind)]
    )


def two_inputs() -> Any:
    node = helper.make_node("Add", ["photos", "mask"], ["y"])
    return onnx_model([node], [floats("photos", PHOTOS), floats("mask", PHOTOS)], [floats("y", PHOTOS)])


def flattened(size: int) -> Any:
    node = helper.make_node("Flatten", ["photos"], ["y"])
    return onnx_model([node], [floats("photos", ("batch", 3, size, size))], [floats("y", ("batch", 3 * size * size))])


def for_one_photo() -> Any:
    model = cnn()
    model.graph.node[3].CopyFrom(helper.make_node("Reshape", ["pooled", "one_row"], ["features"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -1]), "one_row"))
    return model


def of_unknown_operator() -> Any:
    node = helper.make_node("Sharpen", ["photos"], ["y"], domain="com.example")
    return onnx_model([node], [floats("photos", PHOTOS)], [floats("y", PHOTOS)], domain="com.example")


def class_numbers() -> Any:
    model = cnn()
    model.graph.node.append(helper.make_node("ArgMax", ["features"], ["class"], axis=1, keepdims=0))
    model.graph.output[0].CopyFrom(floats("class", ["batch"], TensorProto.INT64))
    return model


REFUSALS: dict[str, tuple[Callable[[], Any], dict[str, Any], int | None, str]] = {
    "classes": (class_numbers, {}, None, "its output is of type i64, and features are floating point. Export it with an"),
    "text": (text_network, {}, None, "its input input_ids is rows of whole numbers, as networks of text take them. Give a"),
    "two inputs": (two_inputs, {}, None, "it has 2 inputs (photos, mask), and a network of photos has one. Export"),
    "dynamic rank": (
        lambda: relu(None),
        {},
        None,
        "the number of dimensions of its input photos is not known. Export it with",
    ),
    "three dimensions": (lambda: relu(("batch", 3, 32)), {}, None, "and photos have four dimensions. Export it with"),
    "grey": (
        lambda: cnn(("batch", 1, SIZE, SIZE)),
        {},
        None,
        "has 1 channels (or 32, if they come last), and photos have 3. Give",
    ),
    "grey, by its layout": (
        cnn,
        {"layout": "NHWC"},
        None,
        "has 32 channels in the layout NHWC, and photos have 3. Give another",
    ),
    "ambiguous": (lambda: relu(("batch", 3, 3, 3)), {}, None, "does not tell where the channels are. Give featurization.netw"),
    "all open": (
        lambda: relu(("b", "c", "h", "w")),
        {},
        None,
        "does not tell where the channels are. Give featurization.netw",
    ),
    "no square": (
        lambda: cnn(("batch", 3, 32, 48)),
        {},
        None,
        "it takes photos of 32 x 48 pixels, and photos are made squares.",
    ),
    "bytes": (
        lambda: relu(PHOTOS, TensorProto.INT8),
        {},
        None,
        "its input takes samples of type i8: export it with an input of f",
    ),
    "size not given": (
        lambda: cnn(("batch", 3, "h", "w")),
        {},
        None,
        "it takes photos of any size. Say which one it was trained",
    ),
    "other size": (
        cnn,
        {},
        64,
        "it takes photos of 32 x 32 pixels, and featurization.input_size is 64. Leave featurization.input",
    ),
    "a million": (
        lambda: flattened(640),
        {},
        None,
        f"its output is 1,228,800 numbers a photo, and at most {MAX_FEATURES:,} can",
    ),
    "outputs": (
        lambda: with_outputs(cnn(), "positive", "features"),
        {},
        None,
        "it has 2 outputs (positive, features). Name one:",
    ),
    "no such output": (
        cnn,
        {"output": "cls"},
        None,
        "it has no output 'cls'. Give one of features: featurization.network_file.",
    ),
    "map": (
        lambda: with_outputs(cnn(), "map"),
        {},
        None,
        "its output is a feature map of 8 x 16 x 16 a photo, which has to becom",
    ),
    "tokens": (
        vit,
        {},
        None,
        "its output is a row of tokens of 17 x 24 a photo, which has to become one vector. Give featurization.",
    ),
    "token": (
        vit,
        {"pooling": 17},
        None,
        "it gives 17 tokens a photo, and there is no token 17. Give featurization.network_file.p",
    ),
    "token of a map": (
        lambda: with_outputs(cnn(), "map"),
        {"pooling": 0},
        None,
        "which has no token 0. Give featurization.net",
    ),
    "pooled vector": (
        cnn,
        {"pooling": "mean"},
        None,
        "its output is a vector of 8 numbers a photo, which needs no pooling. Giv",
    ),
    "one photo": (
        for_one_photo,
        {},
        None,
        "it was exported for one photo at a time. Export it with a batch of any size: torch.onnx",
    ),
    "operator": (of_unknown_operator, {}, None, "{library} cannot read this network, or the file is damaged: "),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_used_is_refused_by_name(engine: Engine, case: str) -> None:
    build, changes, input_size, message = REFUSALS[case]
    message = message.format(library=LIBRARIES[engine.name])
    with pytest.raises(WeightsError, match=re.escape(message)) as caught:
        checked(engine, "own.onnx", build().SerializeToString(), contract(**changes), input_size=input_size)
    assert str(caught.value).startswith("/somewhere/own.onnx: ")
    assert "\n" not in str(caught.value)


def test_names_that_are_no_text_are_refused(engine: Engine) -> None:
    content = cnn().SerializeToString().replace(b"features", b"featur\xffs")
    with pytest.raises(WeightsError, match=r"own\.onnx: .*cannot read this network, or the file is damaged"):
        checked(engine, "own.onnx", content, contract(output="cls"))


@pytest.mark.parametrize("name", ["cnn.tflite", "cnn.xml"])
def test_a_damaged_file_is_refused(name: str, keras_cnn: Any, tmp_path: Path) -> None:
    import keras
    import openvino

    beside: dict[str, bytes] = {}
    if name == "cnn.tflite":
        content = to_tflite(keras.Model(keras_cnn.inputs, keras_cnn.outputs[0]))
    else:
        (tmp_path / "cnn.onnx").write_bytes(cnn().SerializeToString())
        openvino.save_model(openvino.Core().read_model(tmp_path / "cnn.onnx"), tmp_path / name)
        content = (tmp_path / name).read_bytes()
        with pytest.raises(WeightsError, match="OpenVINO cannot read this network, or the file is damaged"):
            checked(OpenVino(), name, content, contract(), companions={"cnn.bin": b""})
        beside = {"cnn.bin": (tmp_path / "cnn.bin").read_bytes()}
    for length in (20, len(content) // 2, len(content) - 30):
        with pytest.raises(WeightsError, match="OpenVINO cannot read this network, or the file is damaged") as caught:
            checked(OpenVino(), name, content[:length], contract(), companions=beside)
        assert "/tmp" not in str(caught.value)


@pytest.mark.parametrize("length", [20, 500, -30])
def test_a_damaged_onnx_file_is_refused(engine: Engine, length: int) -> None:
    content = vit().SerializeToString()[:length]
    with pytest.raises(WeightsError, match="cannot read this network, or the file is damaged: ") as caught:
        checked(engine, "vit.onnx", content, contract(pooling=0))
    assert "/tmp" not in str(caught.value)
    assert "\n" not in str(caught.value)

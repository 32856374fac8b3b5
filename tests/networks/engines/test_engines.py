"""Every engine computes what Keras computes, from files alone."""

from __future__ import annotations

import dataclasses
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import openvino_telemetry
import pytest

from fruit_features.networks.engines import ENGINES, default_engine
from fruit_features.networks.engines.openvino import OpenVino
from fruit_features.photos.imaging import decode
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from fruit_features.networks.network import Network


ON_PROCESSORS = [name for name in ENGINES if name != "onnxruntime_cuda"]


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    """uint8 (4, 32, 32, 3): black, white, and noise of two kinds."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 32, 32, 3))
    noise[1] //= 4
    return np.concatenate([np.zeros((1, 32, 32, 3)), np.full((1, 32, 32, 3), 255), noise]).astype(np.uint8)


@pytest.mark.parametrize("name", ON_PROCESSORS)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_features_are_those_of_keras(
    name: str,
    batch_size: int,
    tiny_networks: dict[str, Network],
    tiny_model: keras.Model,
    photos: NDArray[np.uint8],
) -> None:
    predict = ENGINES.find(name).load(tiny_networks[name], batch_size)
    features = np.concatenate([predict(batch) for batch in np.split(photos, len(photos) // batch_size)])
    assert features.dtype == np.float32
    assert np.ptp(features, axis=0).min() > 0.01, "photos that all look the same would prove nothing"
    np.testing.assert_allclose(features, tiny_model.predict(photos, verbose=0), atol=1e-4)


@pytest.mark.parametrize("name", ON_PROCESSORS)
def test_a_prediction_outlives_the_next_one(name: str, tiny_networks: dict[str, Network], photos: NDArray[np.uint8]) -> None:
    predict = ENGINES.find(name).load(tiny_networks[name], 2)
    buffer = photos[:2].copy()
    first = predict(buffer)
    kept = first.copy()
    buffer[:] = photos[2:]  # a worker fills the same buffer again and again
    second = predict(buffer)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", ENGINES)
def test_an_exported_network_is_plain_bytes(name: str, tiny_networks: dict[str, Network]) -> None:
    network = tiny_networks[name]
    assert network.files
    assert all(type(content) is bytes and content for content in network.files.values())
    assert pickle.loads(pickle.dumps(network)) == network, "Spark broadcasts it"


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "tensorflow"])
def test_an_export_leaves_no_file(name: str, tiny_model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ENGINES.find(name).export(tiny_model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_second_export_in_a_process_gives_the_same_bytes(
    name: str, tiny_networks: dict[str, Network], tiny_model: keras.Model
) -> None:
    assert ENGINES.find(name).export(tiny_model) == tiny_networks[name].files


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_process_with_python_3_13_s_exec_exports_the_same_bytes(
    name: str, tiny_networks: dict[str, Network], tiny_model: keras.Model, tmp_path: Path
) -> None:
    """Since Python 3.13 (PEP 667), `exec` in a function works on a fresh copy of the local variables in every call.

    `openvino.convert_model` deletes in one call what it imported in the call before. The program below gives the `exec` of
    older versions the new behaviour, so that this test fails on them as well if the conversion depends on the old one.
    """
    program = """
import builtins, pickle, sys
from pathlib import Path
run = builtins.exec
def run_on_a_copy(code, *namespaces, **options):
    caller = sys._getframe(1)
    is_module = caller.f_locals is caller.f_globals
    run(code, *(namespaces or (caller.f_globals, caller.f_locals if is_module else dict(caller.f_locals))), **options)
builtins.exec = run_on_a_copy
import keras
from fruit_features.networks.engines import ENGINES
Path("files.pickle").write_bytes(pickle.dumps(ENGINES.find(sys.argv[1]).export(keras.models.load_model("tiny.keras"))))
"""
    tiny_model.save(tmp_path / "tiny.keras")
    export = subprocess.run([sys.executable, "-c", program, name], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert export.returncode == 0, export.stderr
    assert pickle.loads((tmp_path / "files.pickle").read_bytes()) == tiny_networks[name].files


def test_an_export_is_not_reported_over_the_internet(tiny_model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(openvino_telemetry.Telemetry, "send_event", lambda _, *event, **options: sent.append(event))
    OpenVino().export(tiny_model)
    assert sent == []


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_offers_float32(name: str) -> None:
    assert "f32" in ENGINES.find(name).precisions


def test_bfloat16_stays_near_float32(tiny_network: Network, tiny_model: keras.Model, photos: NDArray[np.uint8]) -> None:
    reduced = dataclasses.replace(tiny_network, precision="bf16")
    features = ENGINES.find("openvino").load(reduced, 4)(photos)
    np.testing.assert_allclose(features, tiny_model.predict(photos, verbose=0), atol=0.05)


def _run_apart(
    program: str, network: Network, photos: NDArray[np.uint8], folder: Path, **environment: str
) -> tuple[NDArray[np.float32], str]:
    """Run a program that reads network.pickle and photos.npy, and writes features.npy; what it prints comes second."""
    (folder / "network.pickle").write_bytes(pickle.dumps(network))
    np.save(folder / "photos.npy", photos)
    variables = os.environ | environment
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True, text=True).stdout
    features: NDArray[np.float32] = np.load(folder / "features.npy")
    return features, printed


@pytest.fixture(scope="module")
def fruits() -> NDArray[np.uint8]:
    """uint8 (40, 32, 32, 3): photos of one kind, as a calibration needs them."""
    return np.stack([decode(encoded(fruit("Pear", number), "PNG"), 32) for number in range(40)])


@pytest.mark.parametrize(("name", "marks"), [("openvino", b"FakeQuantize"), ("onnxruntime", b"DequantizeLinear")])
def test_an_int8_network_stays_near_the_one_that_it_was_made_of(
    name: str, marks: bytes, tiny_networks: dict[str, Network], tiny_model: keras.Model, fruits: NDArray[np.uint8]
) -> None:
    engine, given = ENGINES.find(name), tiny_networks[name]
    files = engine.quantize(given.files, fruits)
    assert files.keys() == given.files.keys()
    assert any(marks in content for content in files.values()), "there is something to compute in int8"
    assert engine.quantize(given.files, fruits) == files
    quantized = dataclasses.replace(given, precision="int8", files=files)
    features = engine.load(quantized, len(fruits))(fruits)
    np.testing.assert_allclose(features, tiny_model.predict(fruits, verbose=0), atol=0.02)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have no such instructions")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_an_int8_network_stays_near_on_a_processor_without_vnni(
    instructions: str, tiny_network: Network, tiny_model: keras.Model, fruits: NDArray[np.uint8], tmp_path: Path
) -> None:
    """OpenVINO is told not to use the instructions that this processor may have more, by oneDNN's ONEDNN_MAX_CPU_ISA."""
    program = """
import dataclasses, pickle
from pathlib import Path
import numpy as np
from fruit_features.networks.engines import ENGINES
given, fruits = pickle.loads(Path("network.pickle").read_bytes()), np.load("photos.npy")
engine = ENGINES.find("openvino")
quantized = dataclasses.replace(given, precision="int8", files=engine.quantize(given.files, fruits))
np.save("features.npy", engine.load(quantized, len(fruits))(fruits))
"""
    features, _ = _run_apart(program, tiny_network, fruits, tmp_path, ONEDNN_MAX_CPU_ISA=instructions)
    np.testing.assert_allclose(features, tiny_model.predict(fruits, verbose=0), atol=0.02)


@pytest.mark.parametrize(("activation", "has_zero_points"), [("relu6", False), ("swish", True), ("gelu", True), ("elu", True)])
def test_activations_that_go_below_zero_get_zero_points(
    activation: str, has_zero_points: bool, fruits: NDArray[np.uint8]
) -> None:
    import keras
    import openvino

    keras.utils.set_random_seed(0)
    shown = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Conv2D(8, 3, 2)(keras.layers.Rescaling(1 / 127.5, -1)(shown))
    x = keras.layers.Conv2D(5, 1)(keras.layers.Activation(activation)(x))
    x = keras.layers.Conv2D(5, 1)(x)
    model = keras.Model(shown, keras.layers.GlobalAveragePooling2D()(x))
    files = OpenVino().quantize(OpenVino().export(model), fruits)
    network = openvino.Core().read_model(model=files["network.xml"], weights=files["network.bin"])
    layers = [layer for layer in network.get_ordered_ops() if layer.get_type_name() == "FakeQuantize"]
    ranges = [tuple(float(layer.input_value(i).get_node().data.min()) for i in (1, 2)) for layer in layers]
    # 255 steps between -128 and 127: without a zero point, zero lies at the 128th; what is never below zero begins there.
    begins_at_zero = [low / (low - high) * 255 for low, high in ranges if low < 0]
    assert begins_at_zero, "some layer's numbers go below zero"
    assert has_zero_points is any(abs(zero - 128) > 0.01 for zero in begins_at_zero)


def test_every_processor_computes_in_float32() -> None:
    assert {"f32"} <= OpenVino().native_precisions() <= OpenVino().precisions


@pytest.mark.parametrize("name", ["onnx", "", "OpenVINO", "os"])
def test_an_unknown_engine_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"engine '{name}' is unknown: allowed are onnxruntime, onnxruntime_cuda, openvino, tensorflow"
    ):
        ENGINES.find(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_worker_meets_no_library_but_that_of_its_engine(
    name: str, tiny_networks: dict[str, Network], tiny_model: keras.Model, photos: NDArray[np.uint8], tmp_path: Path
) -> None:
    program = """
import pickle, sys
from pathlib import Path
import numpy as np
from fruit_features.networks.engines import ENGINES
network = pickle.loads(Path("network.pickle").read_bytes())
features = ENGINES.find(network.engine).load(network, 4)(np.load("photos.npy"))
np.save("features.npy", features)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    features, printed = _run_apart(program, tiny_networks[name], photos, tmp_path)
    loaded = set(printed.split())
    assert name in loaded
    assert not loaded & ({"tensorflow", "keras", "kedro", "pyspark", "onnx", "openvino", "onnxruntime"} - {name})
    np.testing.assert_allclose(features, tiny_model.predict(photos, verbose=0), atol=1e-4)


def test_the_engine_of_a_gpu_says_when_there_is_none(tiny_networks: dict[str, Network], tiny_model: keras.Model) -> None:
    """Left to itself, ONNX Runtime would compute on the processor without a word."""
    engine, network = ENGINES.find("onnxruntime_cuda"), tiny_networks["onnxruntime_cuda"]
    black = np.zeros((1, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(engine.load_on_driver(network, 1)(black), tiny_model.predict(black, verbose=0), atol=1e-4)
    with pytest.raises(RuntimeError, match=r"onnxruntime_cuda: ONNX Runtime finds no GPU .* Install onnxruntime-gpu"):
        engine.load(network, 1)


@pytest.mark.parametrize(("machine", "engine"), [("x86_64", "openvino"), ("arm64", "openvino"), ("aarch64", "onnxruntime")])
def test_the_engine_of_a_machine(machine: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """arm64 is what macOS calls the processor that is aarch64 to Linux."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert default_engine() == engine

"""int8 on a processor of x86-64 that came before VNNI: sums of products do not overflow there."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network

pytestmark = pytest.mark.aarch64

_QEMU = "qemu-x86_64-static"
_PROCESSOR = "Haswell"  # of 2013: AVX2, no AVX-512

_PREDICT = """
import pickle, sys
from pathlib import Path
import numpy as np
from fruit_features.networks.engines import ENGINES
network, photos = pickle.loads(Path(sys.argv[1]).read_bytes())
np.save(sys.argv[2], ENGINES.find(network.engine).load(network, len(photos))(photos))
"""


@pytest.mark.skipif(shutil.which(_QEMU) is None, reason=f"{_QEMU} not found: apt-get install qemu-user-static")
def test_int8_networks_give_the_features_of_this_processor(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3), dtype="uint8")
    wide = keras.layers.Conv2D(32, 3, activation="relu", kernel_initializer="ones")(keras.layers.Rescaling(1 / 255)(pixels))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, kernel_initializer="ones")(wide))
    engine = ENGINES.find("onnxruntime")
    photos = np.random.default_rng(0).integers(100, 256, (8, 32, 32, 3)).astype(np.uint8)
    files = engine.quantize(engine.export(keras.Model(pixels, features)), photos)
    network = Network("", "", "wide", engine.name, "int8", 32, 8, files)
    here = engine.load(network, len(photos))(photos)
    assert np.ptp(here, axis=0).min() > 1, "photos that all look the same would prove nothing"
    task, result = tmp_path / "task.pickle", tmp_path / "features.npy"
    task.write_bytes(pickle.dumps((network, photos)))
    python = [str(Path(sys.executable).resolve()), "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{_PREDICT}"]
    subprocess.run([_QEMU, "-cpu", _PROCESSOR, *python, task, result], check=True, capture_output=True, timeout=600)
    np.testing.assert_allclose(np.load(result), here, rtol=1e-3)

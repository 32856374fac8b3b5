"""Networks and files of weights that several tests share: built once, they are read and never changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import keras

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

Photos = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def photos() -> Photos:
    """uint8 [3, 224, 224, 3]: black to white, and noise of two kinds."""
    rng = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(0, 255, 224).astype(np.uint8)[:, None, None], (224, 224, 3))
    noise = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    blocks = np.kron(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    return np.stack([ramp, noise, blocks])


@pytest.fixture(scope="session")
def classifier() -> keras.Model:
    """keras.applications.MobileNetV2 with random weights, none of which is what an untrained network begins with."""
    import keras

    network: keras.Model = keras.applications.MobileNetV2(weights=None)
    rng = np.random.default_rng(1)
    values = []
    for array in network.weights:
        if array.name == "kernel":
            is_depthwise = array.shape[-1] == 1
            fan_in = int(np.prod(array.shape[:2] if is_depthwise else array.shape[:-1]))  # keeps the signal alive
            values.append(rng.normal(0, np.sqrt(2 / fan_in), array.shape).astype(np.float32))
        else:
            values.append(rng.uniform(0.5, 1.5, array.shape).astype(np.float32))
    network.set_weights(values)
    return network


@pytest.fixture(scope="session")
def mobilenet_files(classifier: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The weights of `classifier`, in every layout and under every name that is accepted."""
    import keras

    folder = tmp_path_factory.mktemp("mobilenet_v2")
    files = {
        "with classifier": folder / "with_top.weights.h5",
        "without classifier": folder / "no_top.weights.h5",
        "whole model": folder / "model.h5",
        "layout that the name hides": folder / "weights.hdf5",
    }
    classifier.save_weights(files["with classifier"])
    no_top = keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg")
    no_top.set_weights(classifier.get_weights()[:-2])
    no_top.save_weights(files["without classifier"])
    classifier.save(files["whole model"])
    files["layout that the name hides"].write_bytes(files["with classifier"].read_bytes())
    return files


class Opcodes:
    """Pickle opcodes (protocol 2) of the things that a PyTorch file is made of; PyTorch is not needed to write them."""

    @staticmethod
    def pickled(*parts: bytes) -> bytes:
        return b"\x80\x02" + b"".join(parts) + b"."

    @staticmethod
    def name(module: str, name: str) -> bytes:
        return f"c{module}\n{name}\n".encode()

    @staticmethod
    def text(value: str) -> bytes:
        return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()

    @staticmethod
    def integer(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    @staticmethod
    def sequence(*parts: bytes) -> bytes:
        return b"(" + b"".join(parts) + b"t"

    @staticmethod
    def list(*parts: bytes) -> bytes:
        return b"](" + b"".join(parts) + b"e"

    @classmethod
    def call(cls, function: bytes, *arguments: bytes) -> bytes:
        return function + cls.sequence(*arguments) + b"R"

    @classmethod
    def dictionary(cls, items: Mapping[str, bytes]) -> bytes:
        content = b"".join(cls.text(key) + value for key, value in items.items())
        return cls.call(cls.name("collections", "OrderedDict")) + b"(" + content + b"u"

    @classmethod
    def tensor(
        cls,
        key: str,
        kind: str,
        shape: tuple[int, ...],
        *,
        strides: tuple[int, ...] | None = None,
        size: int | None = None,
        offset: int = 0,
        view: bytes = b"N",
    ) -> bytes:
        """A tensor that views storage `key` of `size` numbers, as torch.save describes it."""
        if strides is None:
            strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        size = int(np.prod(shape)) if size is None else size
        storage = cls.sequence(
            cls.text("storage"), cls.name("torch", kind), cls.text(key), cls.text("cpu"), cls.integer(size), view
        )
        return cls.call(
            cls.name("torch._utils", "_rebuild_tensor_v2"),
            storage + b"Q",
            cls.integer(offset),
            cls.sequence(*map(cls.integer, shape)),
            cls.sequence(*map(cls.integer, strides)),
            b"\x89",  # requires_grad=False
            cls.dictionary({}),
        )

    MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

    @classmethod
    def file(
        cls,
        tensors: bytes,
        storages: Mapping[str, npt.NDArray[Any]],
        *,
        version: bytes | None = None,
        machine: bytes | None = None,
        keys: bytes | None = None,
    ) -> bytes:
        """A whole file: `tensors` is the pickle's content, `storages` the numbers behind it."""
        return b"".join(
            (
                cls.MAGIC,
                cls.pickled(cls.integer(1001) if version is None else version),
                cls.pickled(cls.dictionary({"little_endian": b"\x88"}) if machine is None else machine),
                cls.pickled(tensors),
                cls.pickled(cls.list(*map(cls.text, storages)) if keys is None else keys),
                *(numbers.size.to_bytes(8, "little") + numbers.tobytes() for numbers in storages.values()),
            )
        )


@pytest.fixture(scope="session")
def opcodes() -> type[Opcodes]:
    return Opcodes


@pytest.fixture(scope="session")
def write_state_dict() -> Callable[[Path, Mapping[str, npt.NDArray[Any]]], Path]:
    """Write tensors as PyTorch before 1.6 did."""

    def write(path: Path, state: Mapping[str, npt.NDArray[Any]]) -> Path:
        kinds = {np.dtype("float32"): "FloatStorage", np.dtype("int64"): "LongStorage"}
        tensors = {name: Opcodes.tensor(name, kinds[array.dtype], array.shape) for name, array in state.items()}
        path.write_bytes(Opcodes.file(Opcodes.dictionary(tensors), state))
        return path

    return write

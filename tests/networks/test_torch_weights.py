"""A reader of PyTorch files that runs nothing and believes nothing."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.torch_weights import load_state_dict
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIX = np.arange(6, dtype=np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return path

    return write


def test_published_file_is_read_to_the_last_tensor() -> None:
    path = BACKBONES["efficientnet_lite0"].resolve_weights("imagenet").path
    assert path is not None
    state = load_state_dict(path)
    assert next(iter(state)) == "_conv_stem.weight"
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert state["_fc.weight"].shape == (1000, 1280)
    assert state["_bn0.num_batches_tracked"].shape == ()
    assert {array.dtype for array in state.values()} == {np.dtype("float32"), np.dtype("int64")}
    # 4,652,008 parameters, as published, are those that training changes: no running mean or variance
    trained = [array.size for name, array in state.items() if "running" not in name and "num_batches" not in name]
    assert sum(trained) == 4_652_008
    assert all(array.flags.c_contiguous and array.flags.writeable and array.base is None for array in state.values())


def test_tensors_come_back_as_written(tmp_path: Path, write_state_dict: Any) -> None:
    state: dict[str, np.ndarray[Any, Any]] = {
        "a": SIX.reshape(2, 3),
        "n": np.array(7, dtype=np.int64),
        "none": np.empty((0, 3), np.float32),
    }
    read = load_state_dict(write_state_dict(tmp_path / "weights.pth", state))
    assert list(read) == list(state)
    for name, array in state.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_two_views_of_one_storage(file: Any, opcodes: Any) -> None:
    tensors = {
        "transposed": opcodes.tensor("0", "FloatStorage", (3, 2), strides=(1, 3)),
        "tail": opcodes.tensor("0", "FloatStorage", (2,), size=6, offset=4),
    }
    read = load_state_dict(file(opcodes.file(opcodes.dictionary(tensors), {"0": SIX})))
    np.testing.assert_array_equal(read["transposed"], SIX.reshape(2, 3).T)
    np.testing.assert_array_equal(read["tail"], [4, 5])


@pytest.mark.parametrize("place", ["version", "machine", "tensors", "keys"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_never_run(place: str, protocol: int, tmp_path: Path, file: Any, opcodes: Any) -> None:
    marker = tmp_path / "pwned"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    attack = pickle.dumps(Attack(), protocol=protocol)
    parts = {"tensors": opcodes.dictionary({"a": opcodes.tensor("0", "FloatStorage", (6,))}), place: attack}
    content = opcodes.file(parts.pop("tensors"), {"0": SIX}, **parts)
    with pytest.raises(WeightsError, match=r"weights\.pth is refused: it asks for posix\.system"):
        load_state_dict(file(content))
    assert not marker.exists()


def test_plain_pickle_is_not_even_opened(file: Any) -> None:
    with pytest.raises(WeightsError, match="does not begin like one"):
        load_state_dict(file(pickle.dumps({"a": 1})))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "defaultdict"),
        ("torch.storage", "_load_from_bytes"),
        ("torch", "HalfStorage"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ],
)
def test_other_names_are_refused(module: str, name: str, file: Any, opcodes: Any) -> None:
    content = opcodes.file(opcodes.call(opcodes.name(module, name), opcodes.text("1")), {})
    with pytest.raises(WeightsError, match=f"it asks for {module}.{name}"):
        load_state_dict(file(content))


def test_views_beyond_the_storage_are_refused(file: Any, opcodes: Any) -> None:
    views = [
        opcodes.tensor("0", "FloatStorage", (2, 3), strides=(3, 2)),
        opcodes.tensor("0", "FloatStorage", (6,), offset=1),
        opcodes.tensor("0", "FloatStorage", (6,), offset=-1),
        opcodes.tensor("0", "FloatStorage", (6,), strides=(-1,)),
        opcodes.tensor("0", "FloatStorage", (2**20, 2**20), strides=(0, 0), size=6),
        opcodes.tensor("0", "FloatStorage", (-2, -3)),
    ]
    for view in views:
        with pytest.raises(WeightsError, match=r"weights\.pth"):
            load_state_dict(file(opcodes.file(opcodes.dictionary({"a": view}), {"0": SIX})))


def test_things_that_are_no_state_dict_are_refused(file: Any, opcodes: Any) -> None:
    tensor = opcodes.tensor("0", "FloatStorage", (6,))
    no_tensor = opcodes.call(opcodes.name("torch._utils", "_rebuild_tensor_v2"), *[opcodes.integer(1)] * 4)
    tensors = opcodes.dictionary({"a": tensor})
    contents = {
        "something else than a dictionary": opcodes.file(tensor, {"0": SIX}),
        "else than a dictionary of tensors": opcodes.file(opcodes.dictionary({"a": opcodes.integer(1)}), {}),
        "describes a tensor that is none|damaged": opcodes.file(opcodes.dictionary({"a": no_tensor}), {}),
        "protocol version is 1002": opcodes.file(tensors, {"0": SIX}, version=opcodes.integer(1002)),
        "big-endian": opcodes.file(tensors, {"0": SIX}, machine=opcodes.dictionary({"little_endian": b"\x89"})),
        "not those that its tensors": opcodes.file(tensors, {"1": SIX}),
        "has 5 numbers instead of 6": opcodes.file(tensors, {"0": SIX[:5]}),
        "where a storage was expected": opcodes.file(
            opcodes.dictionary({"a": opcodes.tensor("0", "FloatStorage", (6,), view=opcodes.integer(0))}), {"0": SIX}
        ),
        "goes on behind": opcodes.file(tensors, {"0": SIX}) + b"\0",
    }
    for message, content in contents.items():
        with pytest.raises(WeightsError, match=message):
            load_state_dict(file(content))


def test_every_truncation_is_noticed(file: Any, opcodes: Any) -> None:
    content = opcodes.file(opcodes.dictionary({"a": opcodes.tensor("0", "FloatStorage", (6,))}), {"0": SIX})
    for length in range(len(content)):
        with pytest.raises(WeightsError, match=r"weights\.pth"):
            load_state_dict(file(content[:length]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="absent"):
        load_state_dict(tmp_path / "absent.pth")

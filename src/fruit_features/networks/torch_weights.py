"""Read the weights in a PyTorch file without PyTorch, and without running what the file says.

A PyTorch file is a pickle, and a pickle is a program. This reader lets it name four things (an ordered dictionary, the
function that describes a tensor, two kinds of storage) and refuses everything else.

The layout (files of PyTorch before 1.6, or written with ``_use_new_zipfile_serialization=False``) is that of
``torch.serialization._legacy_load``: five pickles one after another (a magic number, the protocol version, facts about
the machine, the tensors as views of numbered storages, the order of the storages), then each storage as an int64 count
and its numbers.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fruit_features.networks.weights import FileFormat, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001

LEGACY: Final = FileFormat(
    # the pickle of MAGIC_NUMBER: protocol 2, a ten-byte integer, stop
    signature=b"\x80\x02\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little") + b".",
    expected="a PyTorch file of EfficientNet-Lite0's weights (its state_dict, saved by torch.save with "
    "_use_new_zipfile_serialization=False)",
)

STORAGES: Final[Mapping[str, np.dtype[Any]]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class _Storage(NamedTuple):
    """One run of numbers of the file, that tensors are views of."""

    key: str
    dtype: np.dtype[Any]
    size: int


class _Tensor(NamedTuple):
    """A view of a storage: offset, shape and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load_state_dict(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read every tensor of a file that holds one state_dict.

    Args:
        path: a file of the legacy layout.

    Returns:
        name -> array, float32 or int64, of the tensor's shape, in the order of the file. Arrays own their memory.

    Raises:
        WeightsError: the file is of another layout, damaged, or asks for anything but tensors.

    """
    try:
        with path.open("rb") as file:
            tensors = _read_tensors(file)
            storages = _read_storages(file, tensors.values())
        return {name: _as_array(tensor, storages) for name, tensor in tensors.items()}
    except WeightsError as error:
        raise WeightsError(f"{path} is refused: {error} Expected {LEGACY.expected}.") from error
    except Exception as error:  # a damaged pickle raises whatever it happens to hit
        raise WeightsError(f"{path} is damaged or not {LEGACY.expected}: {error!r}. Fetch it again.") from error


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors of numbers, refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe_tensor
        if module == "torch" and name in STORAGES:
            return name
        raise WeightsError(f"it asks for {module}.{name}, and not only for tensors of float32 and int64.")

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _device, size, view = pid
        if tag != "storage" or view is not None:
            raise WeightsError(f"it refers to {tag!r} with view {view!r} where a storage was expected.")
        return _Storage(key=key, dtype=STORAGES[kind], size=size)


def _describe_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _requires_grad: Any = False, _hooks: Any = None
) -> _Tensor:
    """Stand-in for torch._utils._rebuild_tensor_v2: the storages stand behind the pickle, so arrays come later."""
    if not isinstance(storage, _Storage) or not all(isinstance(n, int) for n in (storage.size, offset, *shape, *strides)):
        raise WeightsError("it describes a tensor that is none.")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _read_tensors(file: BinaryIO) -> dict[str, _Tensor]:
    """Read the first four pickles."""
    # The magic number is checked as bytes, so that a file of another kind is never unpickled, not even restrictedly.
    if file.read(len(LEGACY.signature)) != LEGACY.signature:
        raise WeightsError("it does not begin like one.")
    version = _TensorUnpickler(file).load()
    if version != PROTOCOL_VERSION:
        raise WeightsError(f"its protocol version is {version!r} instead of {PROTOCOL_VERSION}.")
    machine = _TensorUnpickler(file).load()
    if machine["little_endian"] is not True:
        raise WeightsError("it was written on a big-endian machine.")
    tensors = _TensorUnpickler(file).load()
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()
    ):
        raise WeightsError("it holds something else than a dictionary of tensors.")
    return dict(tensors)


def _read_storages(file: BinaryIO, tensors: Any) -> dict[str, npt.NDArray[Any]]:
    """Read the last pickle and the numbers behind it, to the end of the file."""
    described: dict[str, _Storage] = {tensor.storage.key: tensor.storage for tensor in tensors}
    keys: Sequence[str] = _TensorUnpickler(file).load()
    if sorted(keys) != sorted(described):
        raise WeightsError("its storages are not those that its tensors are made of.")
    storages = {}
    for key in keys:
        storage = described[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storage.size:
            raise WeightsError(f"storage {key} has {count} numbers instead of {storage.size}.")
        n_bytes = count * storage.dtype.itemsize
        content = file.read(n_bytes) if count >= 0 else b""
        if len(content) != n_bytes:
            raise WeightsError(f"it ends in the middle of storage {key}: fetch it again.")
        storages[key] = np.frombuffer(content, storage.dtype)
    if file.read(1):
        raise WeightsError("it goes on behind its last storage.")
    return storages


def _as_array(tensor: _Tensor, storages: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Copy a view out of its storage; numpy raises ValueError where the view reaches beyond the storage."""
    storage = storages[tensor.storage.key]
    if math.prod(tensor.shape) > storage.size:  # a stride of 0 would blow a few numbers up to any size
        raise WeightsError(f"a tensor of shape {tensor.shape} is larger than its storage.")
    itemsize = storage.itemsize
    view: npt.NDArray[Any] = np.ndarray(
        tensor.shape,
        tensor.storage.dtype,
        buffer=storage.data,
        offset=tensor.offset * itemsize,
        strides=[stride * itemsize for stride in tensor.strides],
    )
    return view.copy(order="C")

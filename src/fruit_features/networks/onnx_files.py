"""Looks through an ONNX file without the library `onnx`: whether it is whole, and which other files its weights lie in.

An ONNX file is a message of Protocol Buffers, which has no signature: it is recognised by its fields. The numbers of the
fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10
_MAX_DEPTH: Final = 32
"""Graphs within graphs (the branches of an If); more of them are damage."""


class OnnxDamageError(ValueError):
    """The bytes are no whole ONNX network. The message is a half sentence about the file."""


class _Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Which field.
        start: Where its content begins.
        end: Where it ends; equal to `start` for a number.

    """

    number: int
    start: int
    end: int


def external_files(content: bytes | mmap) -> list[str]:
    """List the files that hold weights of the network beside its own file.

    Args:
        content: The whole ONNX file.

    Returns:
        Their paths, relative to the folder of the file, sorted.

    Raises:
        OnnxDamageError: The bytes are not a whole ONNX network, or a path leads out of the folder.

    """
    model = list(_fields(content, 0, len(content)))
    graphs = [field for field in model if field.number == _MODEL_GRAPH]
    if missing := {_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET} - {field.number for field in model}:
        raise OnnxDamageError(f"it lacks field {min(missing)}, which every such file has")
    locations = {location for graph in graphs for location in _locations_of_graph(content, graph, 0)}
    for location in locations:
        path = PurePosixPath(location)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in location or "\\" in location:
            raise OnnxDamageError(f"its weights lie in {location!r}, which is outside of the folder of the file")
    return sorted(locations)


_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET = 1, 7, 8
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_EXTERNAL_DATA = 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


def _locations_of_graph(content: bytes | mmap, graph: _Field, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise OnnxDamageError(f"it has more than {_MAX_DEPTH} graphs within one another")
    for field in _fields(content, graph.start, graph.end):
        if field.number == _GRAPH_INITIALIZER:
            yield from _locations_of_tensor(content, field)
        elif field.number == _GRAPH_NODE:
            for attribute in _fields(content, field.start, field.end):
                if attribute.number == _NODE_ATTRIBUTE:
                    yield from _locations_of_attribute(content, attribute, depth)


def _locations_of_attribute(content: bytes | mmap, attribute: _Field, depth: int) -> Iterator[str]:
    for field in _fields(content, attribute.start, attribute.end):
        if field.number in {_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS}:
            yield from _locations_of_tensor(content, field)
        elif field.number in {_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS}:
            yield from _locations_of_graph(content, field, depth + 1)


def _locations_of_tensor(content: bytes | mmap, tensor: _Field) -> Iterator[str]:
    for field in _fields(content, tensor.start, tensor.end):
        if field.number != _TENSOR_EXTERNAL_DATA:
            continue
        entry = {part.number: content[part.start : part.end] for part in _fields(content, field.start, field.end)}
        if entry.get(_ENTRY_KEY) == b"location":
            yield entry.get(_ENTRY_VALUE, b"").decode(errors="replace")


def _fields(content: bytes | mmap, start: int, end: int) -> Iterator[_Field]:
    """Go through the fields of a message, without looking into them."""
    position = start
    while position < end:
        tag, position = _varint(content, position, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _, position = _varint(content, position, end)
            yield _Field(number, position, position)
            continue
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(content, position, end)
        elif wire_type in {_FIXED64, _FIXED32}:
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise OnnxDamageError(f"byte {position} is not what such a file has there")
        if number == 0:
            raise OnnxDamageError(f"byte {position} is not what such a file has there")
        if position + length > end:
            raise OnnxDamageError(f"it ends {position + length - end:,} bytes too early")
        yield _Field(number, position, position + length)
        position += length


def _varint(content: bytes | mmap, position: int, end: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it, and where it ends."""
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if position >= end:
            raise OnnxDamageError("it ends in the middle of a number")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that another byte follows
            return value, position
    raise OnnxDamageError(f"byte {position} is not what such a file has there")

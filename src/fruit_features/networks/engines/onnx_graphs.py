"""Makes ONNX graphs that take photos and give features, from networks in ONNX files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fruit_features.networks.engines.file_checks import (
    averaged_axes,
    blamed_on,
    copied,
    takes_samples_as_they_are,
)
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fruit_features.networks.contract import NetworkFile

_PREFIX: Final = "fruit_features."
"""Of all names that are added to a network. In one that this project has written, they are `_set_aside`."""

PHOTOS, FEATURES, BATCH = f"{_PREFIX}photos", f"{_PREFIX}features", f"{_PREFIX}batch"
"""Names of the input, of the output, and of their first dimension."""

_AXES_ARE_AN_INPUT: Final = 18
"""Since this opset, ReduceMean takes its axes as an input (https://onnx.ai/onnx/operators/onnx__ReduceMean.html)."""

_MAX_BYTES: Final = 2**31 - 1
"""A protobuf message holds no more."""


def load(place: str, content: bytes, companions: Mapping[str, bytes]) -> Any:
    """Read a network with all its weights: ONNX Runtime reads no shape that lies in a file of its own.

    Args:
        place: Where the file lies, a path or a URI; for messages.
        content: Its bytes.
        companions: The files that belong to it, by their paths beside it.

    Returns:
        A `ModelProto`.

    Raises:
        WeightsError: It cannot be read, or its weights are too many for one file.

    """
    import onnx

    if len(content) + sum(map(len, companions.values())) > _MAX_BYTES:
        raise WeightsError(
            f"{place}: with its weights it takes more than 2 GB, which an ONNX file cannot hold. Give "
            "featurization.engine=openvino, or a network with weights of float16"
        )
    with copied(place, content, companions) as copy, blamed_on(place, "ONNX"):
        return onnx.load(copy)


def prepare(file: NetworkFile) -> bytes:
    """Make the network take uint8 (batch, size, size, 3) RGB photos, and give float32 (batch, n_features).

    Returns:
        A serialized `ModelProto` with one input and one output; the same file and contract give the same bytes.

    Raises:
        WeightsError: Its weights are too many for one file.

    """
    import onnx

    model = load(file.place, file.content, file.companions)
    graph = model.graph
    _set_aside(graph)
    nodes = [*_nodes_before(file, model), *graph.node, *_nodes_behind(file, model)]
    weights = {weight.name for weight in graph.initializer}
    # Before version 4 of the format, weights were inputs as well, which gave their default values.
    declared = [tensor for tensor in graph.input if tensor.name in weights]
    size = file.facts.input_size
    _replace(graph.node, nodes)
    _replace(graph.input, [_tensor(PHOTOS, onnx.TensorProto.UINT8, [BATCH, size, size, 3]), *declared])
    _replace(graph.output, [_tensor(FEATURES, onnx.TensorProto.FLOAT, [BATCH, file.facts.n_features])])
    del graph.value_info[:]  # shapes that the exporter noted; ONNX Runtime finds out those of this input
    return serialize(model)


def serialize(model: Any) -> bytes:
    """Serialize a `ModelProto`: the same model gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def normalise_names(model: Any) -> None:
    """Name the nodes and tensors of a graph by their position, its input `PHOTOS` and its output `FEATURES`.

    What converts a network numbers what it builds in a process: with its names, the file would depend on what the process had
    built before. The graph has no subgraphs, as those of `tf2onnx` have none for networks without loops.
    """
    graph = model.graph
    names = {graph.input[0].name: PHOTOS, graph.output[0].name: FEATURES}
    for position, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{position}"
        for number, name in enumerate([*node.input, *node.output]):
            if name:
                names.setdefault(name, f"{position}_{number}")
    weights = [weight for weight in graph.initializer if weight.name in names]
    weights.sort(key=lambda weight: names[weight.name])
    _replace(graph.initializer, weights)
    _rename(graph, lambda name: name and names[name])
    for tensor in (graph.input[0], graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH
    del graph.value_info[:]
    graph.name, model.producer_version = "network", ""


def _set_aside(graph: Any) -> None:
    """Rename what has a name of this project's own, in a network that it has written."""
    _rename(graph, lambda name: f"own.{name}" if name.startswith(_PREFIX) else name)


def _rename(graph: Any, renamed: Callable[[str], str]) -> None:
    """Rename the tensors of a graph without subgraphs; an input that a node leaves out is called ""."""
    for node in graph.node:
        _replace(node.input, [renamed(name) for name in node.input])
        _replace(node.output, [renamed(name) for name in node.output])
    for tensor in (*graph.initializer, *graph.input, *graph.output):
        tensor.name = renamed(tensor.name)


def _nodes_before(file: NetworkFile, model: Any) -> list[Any]:
    """Nodes that normalise the photos and bring them into the network's layout, and their constants."""
    import onnx
    from onnx import helper

    weights = {weight.name for weight in model.graph.initializer}
    own_input = next(tensor for tensor in model.graph.input if tensor.name not in weights)
    element = own_input.type.tensor_type.elem_type
    normalisation = file.contract.normalisation
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if normalisation.channels == "BGR":
        steps.append(("Gather", [_constant(model, "order", np.array([2, 1, 0]))], {"axis": 3}))
    if not takes_samples_as_they_are(file.contract):
        mean, scale = (np.array(values, np.float32) for values in (normalisation.mean, normalisation.scale))
        steps.append(("Cast", [], {"to": onnx.TensorProto.FLOAT}))
        steps.append(("Sub", [_constant(model, "mean", mean)], {}))
        steps.append(("Mul", [_constant(model, "scale", scale)], {}))
    steps.append(("Cast", [], {"to": element}))
    if file.facts.layout == "NCHW":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    nodes, given = [], PHOTOS
    for position, (kind, more, attributes) in enumerate(steps, 1):
        made = own_input.name if position == len(steps) else f"{_PREFIX}before_{position}"
        nodes.append(helper.make_node(kind, [given, *more], [made], **attributes))
        given = made
    return nodes


def _nodes_behind(file: NetworkFile, model: Any) -> list[Any]:
    """Nodes that pool the chosen output, and make it float32, and their constants."""
    import onnx
    from onnx import helper

    facts, pooling = file.facts, file.contract.pooling
    output, pooled = model.graph.output[facts.output].name, f"{_PREFIX}pooled"
    cast = helper.make_node("Cast", [pooled], [FEATURES], to=onnx.TensorProto.FLOAT)
    if pooling == "none":
        cast.input[0] = output
        return [cast]
    if pooling == "mean":
        axes = averaged_axes(facts)
        opset = next(one.version for one in model.opset_import if one.domain in {"", "ai.onnx"})
        if opset >= _AXES_ARE_AN_INPUT:
            mean = helper.make_node("ReduceMean", [output, _constant(model, "axes", np.array(axes))], [pooled], keepdims=0)
        else:
            mean = helper.make_node("ReduceMean", [output], [pooled], axes=axes, keepdims=0)
        return [mean, cast]
    token = _constant(model, "token", np.array(pooling))
    return [helper.make_node("Gather", [output, token], [pooled], axis=1), cast]


def _constant(model: Any, name: str, values: np.ndarray[Any, Any]) -> str:
    from onnx import numpy_helper

    tensor = numpy_helper.from_array(values, f"{_PREFIX}{name}")
    model.graph.initializer.append(tensor)
    return str(tensor.name)


def _tensor(name: str, element: int, shape: list[int | str]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, element, shape)


def _replace(items: Any, by: list[Any]) -> None:
    """Replace the items of a repeated field of a protobuf message."""
    by = list(by)
    del items[:]
    items.extend(by)

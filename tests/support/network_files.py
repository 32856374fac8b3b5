"""Networks in files, as users bring them: built node by node, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fruit_features.networks.contract import NetworkContract
from fruit_features.networks.normalisation import NORMALISATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIZE = 32
PHOTOS: tuple[int | str, ...] = ("batch", 3, SIZE, SIZE)


def contract(**changes: Any) -> NetworkContract:
    """The contract that `conf/base` has, but for `changes`."""
    defaults: dict[str, Any] = {
        "layout": "auto",
        "normalisation": NORMALISATIONS["imagenet"],
        "output": None,
        "pooling": "none",
    }
    return NetworkContract(**defaults | changes)


def onnx_model(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, NDArray[Any]] | None = None,
    *,
    domain: str | None = None,
) -> Any:
    """An ONNX model of these parts."""
    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(helper.make_graph(nodes, "network", inputs, outputs, initializers), opset_imports=opsets)
    model.ir_version = 9  # of the time of opset 17; the newest one is unknown to older readers
    return model


def floats(name: str, shape: Sequence[int | str] | None, kind: int = TensorProto.FLOAT) -> Any:
    """An input or output; without a shape if that is None."""
    return helper.make_tensor_value_info(name, kind, shape)


def cnn(shape: Sequence[int | str] = PHOTOS, *, n_features: int = 8, name: str = "photos") -> Any:
    """A convolution, a ReLU, and the mean over the photo: [batch, n_features]."""
    channels = next(side for side in shape[1:] if isinstance(side, int) and side < SIZE)
    kernel = np.random.default_rng(3).normal(0, 0.3, (n_features, channels, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", [name, "kernel"], ["map"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["map"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    return onnx_model(nodes, [floats(name, shape)], [floats("features", [shape[0], n_features])], {"kernel": kernel})


def vit(*, size: int = SIZE, patch: int = 8, width: int = 24, n_heads: int = 3, depth: int = 2) -> Any:
    """A vision transformer as PyTorch exports it: [batch, 1 + patches, width], of which token 0 is CLS."""
    rng = np.random.default_rng(4)
    n_tokens, head = 1 + (size // patch) ** 2, width // n_heads
    weights: dict[str, NDArray[Any]] = {
        "half": np.array(0.5, np.float32),
        "one": np.array(1, np.float32),
        "sqrt2": np.array(np.sqrt(2), np.float32),
        "root_head": np.array(np.sqrt(head), np.float32),
        "as_rows": np.array([0, width, -1]),
        "to_heads": np.array([0, 0, n_heads, head]),
        "from_heads": np.array([0, 0, width]),
        "zero": np.array([0]),
        "one_token": np.array([1, width]),
    }
    nodes: list[Any] = []

    def weight(name: str, *shape: int) -> str:
        weights[name] = rng.normal(0, shape[0] ** -0.5 if len(shape) > 1 else 0.1, shape).astype(np.float32)
        return name

    def op(kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        made = name or f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def norm(x: str, name: str) -> str:
        return op("LayerNormalization", x, weight(f"{name}.weight", width), weight(f"{name}.bias", width), epsilon=1e-6)

    def linear(x: str, name: str, n_in: int, n_out: int) -> str:
        return op("Add", op("MatMul", x, weight(f"{name}.weight", n_in, n_out)), weight(f"{name}.bias", n_out))

    def heads(x: str, name: str, order: list[int]) -> str:
        return op("Transpose", op("Reshape", linear(x, name, width, width), "to_heads"), perm=order)

    weights["patches.weight"] = rng.normal(0, 0.05, (width, 3, patch, patch)).astype(np.float32)
    patches = op("Conv", "pixels", "patches.weight", weight("patches.bias", width), strides=[patch, patch])
    rows = op("Transpose", op("Reshape", patches, "as_rows"), perm=[0, 2, 1])
    batch = op("Gather", op("Shape", "pixels"), "zero")
    weights["cls"] = rng.normal(0, 1, (1, 1, width)).astype(np.float32)
    cls = op("Expand", "cls", op("Concat", batch, "one_token", axis=0))
    weights["positions"] = rng.normal(0, 0.2, (1, n_tokens, width)).astype(np.float32)
    x = op("Add", op("Concat", cls, rows, axis=1), "positions")
    for number in range(depth):
        seen = norm(x, f"{number}.norm1")
        query, value = (heads(seen, f"{number}.{kind}", [0, 2, 1, 3]) for kind in "qv")
        key = heads(seen, f"{number}.k", [0, 2, 3, 1])
        scores = op("Softmax", op("Div", op("MatMul", query, key), "root_head"), axis=-1)
        mixed = op("Reshape", op("Transpose", op("MatMul", scores, value), perm=[0, 2, 1, 3]), "from_heads")
        x = op("Add", x, linear(mixed, f"{number}.out", width, width))
        wide = linear(norm(x, f"{number}.norm2"), f"{number}.up", width, 4 * width)
        gate = op("Add", op("Erf", op("Div", wide, "sqrt2")), "one")
        gelu = op("Mul", op("Mul", wide, gate), "half")
        x = op("Add", x, linear(gelu, f"{number}.down", 4 * width, width))
    op("LayerNormalization", x, weight("norm.weight", width), weight("norm.bias", width), epsilon=1e-6, name="tokens")
    return onnx_model(
        nodes, [floats("pixels", ("batch", 3, size, size))], [floats("tokens", ("batch", n_tokens, width))], weights
    )

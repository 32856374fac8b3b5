"""Reads networks in files with OpenVINO: checks them before a photo is read, and makes them take photos and give features.

The checks are the same whatever engine runs the network: OpenVINO, which every installation has, reads all three formats.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fruit_features.networks.contract import NetworkFacts
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fruit_features.networks.contract import Layout, NetworkContract, NetworkFile

MAX_FEATURES: Final = 8192
"""Numbers per photo at most: the PCA adds up a matrix of n x n float64 in every task, 0.5 GB for this many."""

_CHANNELS: Final = 3
_CHANNEL_AXIS: Final[Mapping[Layout, int]] = {"NCHW": 1, "NHWC": 3}
_RANK_OF_PHOTOS, _RANK_OF_VECTORS, _RANK_OF_TOKENS, _RANK_OF_MAPS = 4, 2, 3, 4
_PROBED_BATCH: Final = 2
"""A network that was exported for one photo at a time does not give two rows for two photos."""

_SETTING: Final = "featurization.network_file"


def inspect(
    place: str, content: bytes, companions: Mapping[str, bytes], contract: NetworkContract, input_size: int | None
) -> NetworkFacts:
    """Check a network in a file against its contract.

    Args:
        place: Where the file lies, a path or a URI; for messages, and for the ending of its name.
        content: Its bytes.
        companions: The files that belong to it, by their paths beside it.
        contract: What its user states.
        input_size: Side of the photos that the user states; needed if the network takes any size.

    Returns:
        What was found out.

    Raises:
        WeightsError: It cannot be used; the message names the file, what is wrong, and what mends it.

    """
    with _read(place, content, companions) as model, _blamed_on(place):
        layout, size = _inspect_input(place, model, contract, input_size)
        output = _choose_output(place, model, contract.output)
        _reshape_to_probe(place, model, layout, size)
        rank, n_features = _inspect_output(place, model.outputs[output], layout, contract)
    if not 1 <= n_features <= MAX_FEATURES:
        raise WeightsError(
            f"{place}: its output is {n_features:,} numbers a photo, and at most {MAX_FEATURES:,} can be reduced. Name a "
            f"smaller output: {_SETTING}.output=NAME, or export the network up to its last pooling"
        )
    return NetworkFacts(layout=layout, input_size=size, output=output, output_rank=rank, n_features=n_features)


def prepare(file: NetworkFile) -> Any:
    """Make the network take uint8 (batch, size, size, 3) RGB photos, and give float32 (batch, n_features).

    Returns:
        An `openvino.Model` with one input and one output.

    """
    import openvino
    from openvino import opset13, preprocess

    contract, facts = file.contract, file.facts
    normalisation = contract.normalisation
    with _read(file.place, file.content, file.companions) as model:
        model.reshape(openvino.PartialShape(_shape(-1, facts.layout, facts.input_size)))
        wrapped = preprocess.PrePostProcessor(model)
        photos = wrapped.input()
        photos.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        photos.model().set_layout(openvino.Layout(facts.layout))
        steps = photos.preprocess()
        if normalisation.channels == "BGR":
            steps.reverse_channels()
        if not _is_as_it_is(contract):
            steps.convert_element_type(openvino.Type.f32)
            steps.mean(list(normalisation.mean)).scale([1 / scale for scale in normalisation.scale])
        of_photos = wrapped.build()
        features = of_photos.outputs[facts.output].get_node().input_value(0)
        if contract.pooling == "mean":
            channels = 2 if facts.output_rank == _RANK_OF_TOKENS else _CHANNEL_AXIS[facts.layout]
            axes = [axis for axis in range(1, facts.output_rank) if axis != channels]
            features = opset13.reduce_mean(features, opset13.constant(np.array(axes)), keep_dims=False).output(0)
        elif contract.pooling != "none":
            token, axis = opset13.constant(np.array(contract.pooling)), opset13.constant(np.array(1))
            features = opset13.gather(features, token, axis).output(0)
        if features.get_element_type() != openvino.Type.f32:
            features = opset13.convert(features, "f32").output(0)
        return openvino.Model([opset13.result(features)], of_photos.get_parameters(), "network")


@contextmanager
def _read(place: str, content: bytes, companions: Mapping[str, bytes]) -> Iterator[Any]:
    """Read a network from a copy of its files, which are then those whose digest is in the fingerprint."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        for name, beside in {PurePosixPath(place).name: content, **companions}.items():
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(beside)
        with _blamed_on(place, folder):
            model = openvino.Core().read_model(Path(folder, PurePosixPath(place).name))
        yield model


@contextmanager
def _blamed_on(place: str, folder: str = "") -> Iterator[None]:
    """Turn whatever OpenVINO raises on a damaged or strange network into a sentence about its file."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # RuntimeError, but also UnicodeDecodeError on names, and others
        raise WeightsError(
            f"{place}: OpenVINO cannot read this network, or the file is damaged: {_reason(error, folder)}. Export it again"
        ) from error


def _reason(error: Exception, folder: str = "") -> str:
    """Take what a user can use from an error of OpenVINO, which begins with lines of its own source code."""
    lines = [line.strip() for line in str(error).replace(f"{folder}/", "").splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from ", "Check '", "FrontEnd API failed"))]
    return " ".join(told or lines)[:200].rstrip(" .:")


def _inspect_input(place: str, model: Any, contract: NetworkContract, input_size: int | None) -> tuple[Layout, int]:
    """Check the input of a network, and find out its layout and size."""
    inputs = model.inputs
    for tensor in inputs:
        shape = tensor.get_partial_shape()
        is_text = tensor.get_element_type().is_integral() and shape.rank.is_static and len(shape) == 2  # noqa: PLR2004
        if is_text:
            raise WeightsError(
                f"{place}: its input {_name(tensor)} is rows of whole numbers, as networks of text take them. Give a network "
                "of images: one input of photos with 3 channels"
            )
    if len(inputs) != 1:
        raise WeightsError(
            f"{place}: it has {len(inputs)} inputs ({', '.join(map(_name, inputs))}), and a network of photos has one. Export "
            "the part of it that takes the photo alone"
        )
    shape, element = inputs[0].get_partial_shape(), inputs[0].get_element_type()
    if shape.rank.is_dynamic:
        raise WeightsError(
            f"{place}: the number of dimensions of its input {_name(inputs[0])} is not known. Export it with a fixed shape, "
            "such as 1 x 3 x 224 x 224"
        )
    if len(shape) != _RANK_OF_PHOTOS:
        raise WeightsError(
            f"{place}: its input {_name(inputs[0])} has the shape {shape}, and photos have four dimensions. Export it with an "
            "input such as 1 x 3 x 224 x 224"
        )
    if not (element.is_real() or (element.get_type_name() == "u8" and _is_as_it_is(contract))):
        fix = "export it with an input of float32"
        if element.get_type_name() == "u8":
            fix = f"if it normalises them itself, give {_SETTING}.normalisation=0..255; otherwise {fix}"
        raise WeightsError(f"{place}: its input takes samples of type {element.get_type_name()}: {fix}")
    layout = _find_layout(place, shape, contract)
    return layout, _find_size(place, [shape[axis] for axis in range(1, 4) if axis != _CHANNEL_AXIS[layout]], input_size)


def _find_layout(place: str, shape: Any, contract: NetworkContract) -> Layout:
    """Find out where the channels are: the dimension of 3, unless the contract says it."""
    fixed = {axis: shape[axis].get_length() for axis in (1, 3) if shape[axis].is_static}
    if contract.layout != "auto":
        channels = fixed.get(_CHANNEL_AXIS[contract.layout], _CHANNELS)
        if channels == _CHANNELS:
            return contract.layout
        raise WeightsError(
            f"{place}: its input {shape} has {channels} channels in the layout {contract.layout}, and photos have 3. Give "
            f"another {_SETTING}.layout, or a network of colour photos"
        )
    found: list[Layout] = [layout for layout, axis in _CHANNEL_AXIS.items() if fixed.get(axis) == _CHANNELS]
    if len(found) == 1:
        return found[0]
    if not found and len(fixed) == len(_CHANNEL_AXIS):
        raise WeightsError(
            f"{place}: its input {shape} has {fixed[1]} channels (or {fixed[3]}, if they come last), and photos have 3. Give "
            "a network of colour photos"
        )
    raise WeightsError(
        f"{place}: its input {shape} does not tell where the channels are. Give {_SETTING}.layout=NCHW, which is PyTorch's, "
        "or NHWC, which is TensorFlow's"
    )


def _find_size(place: str, sides: list[Any], input_size: int | None) -> int:
    """Find out the side of the photos: that of the file, or the one that is given."""
    fixed = {side.get_length() for side in sides if side.is_static}
    if len(fixed) > 1:
        height, width = (side.get_length() for side in sides)
        raise WeightsError(
            f"{place}: it takes photos of {height} x {width} pixels, and photos are made squares. Export it for a square"
        )
    if not fixed:
        if input_size is None:
            raise WeightsError(
                f"{place}: it takes photos of any size. Say which one it was trained on: featurization.input_size=224"
            )
        return input_size
    size = int(fixed.pop())
    if input_size not in {None, size}:
        raise WeightsError(
            f"{place}: it takes photos of {size} x {size} pixels, and featurization.input_size is {input_size}. Leave "
            "featurization.input_size out, or export the network for the other size"
        )
    return size


def _choose_output(place: str, model: Any, wanted: str | None) -> int:
    """Find the output that is named, or the only one."""
    outputs = model.outputs
    names = ", ".join(map(_name, outputs))
    if wanted is not None:
        for index, tensor in enumerate(outputs):
            if wanted in tensor.get_names() | {_name(tensor)}:
                return index
        raise WeightsError(f"{place}: it has no output {wanted!r}. Give one of {names}: {_SETTING}.output=NAME")
    if len(outputs) != 1:
        raise WeightsError(f"{place}: it has {len(outputs)} outputs ({names}). Name one: {_SETTING}.output=NAME")
    return 0


def _reshape_to_probe(place: str, model: Any, layout: Layout, size: int) -> None:
    """Give the network the shape of some photos: its outputs then have shapes, too."""
    import openvino

    for batch in (_PROBED_BATCH, 1):
        try:
            model.reshape(openvino.PartialShape(_shape(batch, layout, size)))
        except RuntimeError as error:
            reason = error
            continue
        if batch == 1:
            raise _one_by_one(place)
        return
    raise WeightsError(
        f"{place}: it does not take photos of {size} x {size} pixels in the layout {layout}: {_reason(reason)}. Give the size "
        f"that it was trained on by featurization.input_size, and {_SETTING}.layout"
    )


def _one_by_one(place: str) -> WeightsError:
    return WeightsError(
        f"{place}: it was exported for one photo at a time. Export it with a batch of any size: "
        "torch.onnx.export(..., dynamic_axes={'INPUT': {0: 'batch'}})"
    )


def _inspect_output(place: str, output: Any, layout: Layout, contract: NetworkContract) -> tuple[int, int]:
    """Check the chosen output, for a batch of two photos.

    Returns:
        Its dimensions, and the numbers per photo after pooling.

    """
    shape, element = output.get_partial_shape(), output.get_element_type()
    if not element.is_real():
        raise WeightsError(
            f"{place}: its output is of type {element.get_type_name()}, and features are floating point. Export it with an "
            f"output of float32, or name another one: {_SETTING}.output=NAME"
        )
    if shape.rank.is_dynamic or any(side.is_dynamic for side in shape):
        raise WeightsError(
            f"{place}: the shape of its output ({shape}) is known only when it runs. Export it with fixed shapes, "
            "but for the batch"
        )
    sides, pooling = [side.get_length() for side in shape], contract.pooling
    if not sides or sides[0] != _PROBED_BATCH:
        raise _one_by_one(place)
    per_photo = " x ".join(map(str, sides[1:]))
    if len(sides) == _RANK_OF_VECTORS:
        if pooling != "none":
            raise WeightsError(
                f"{place}: its output is a vector of {per_photo} numbers a photo, which needs no pooling. Give "
                f"{_SETTING}.pooling=none"
            )
        return len(sides), sides[1]
    if len(sides) not in {_RANK_OF_TOKENS, _RANK_OF_MAPS}:
        raise WeightsError(
            f"{place}: its output has the shape {per_photo or 'of one number'} a photo; it has to be a vector, tokens, or a "
            f"feature map. Name another output: {_SETTING}.output=NAME"
        )
    is_map = len(sides) == _RANK_OF_MAPS
    if pooling == "none":
        what = "a feature map" if is_map else "a row of tokens"
        token = "" if is_map else ", or =0 for the CLS token of a ViT"
        raise WeightsError(
            f"{place}: its output is {what} of {per_photo} a photo, which has to become one vector. Give "
            f"{_SETTING}.pooling=mean{token}"
        )
    if pooling != "mean" and is_map:
        raise WeightsError(
            f"{place}: its output is a feature map of {per_photo} a photo, which has no token {pooling}. Give "
            f"{_SETTING}.pooling=mean"
        )
    if pooling != "mean" and int(pooling) >= sides[1]:
        raise WeightsError(
            f"{place}: it gives {sides[1]} tokens a photo, and there is no token {pooling}. Give {_SETTING}.pooling=mean, or "
            f"a number from 0 to {sides[1] - 1}; the CLS token of a ViT is 0"
        )
    return len(sides), sides[_CHANNEL_AXIS[layout] if is_map else 2]


def _shape(batch: int, layout: Layout, size: int) -> list[int]:
    return [batch, _CHANNELS, size, size] if layout == "NCHW" else [batch, size, size, _CHANNELS]


def _is_as_it_is(contract: NetworkContract) -> bool:
    """Whether the network takes the samples as they are, in [0, 255]."""
    return not any(contract.normalisation.mean) and set(contract.normalisation.scale) == {1.0}


def _name(tensor: Any) -> str:
    """A name of an input or output: an exporter may give it several, or, in an IR, none."""
    names = sorted(tensor.get_names())
    return str(names[0] if names else tensor.get_node().get_friendly_name())

"""Checks of networks in files, before a photo is read: the same whatever engine read the file."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol

from fruit_features.networks.contract import NetworkFacts
from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fruit_features.networks.contract import Layout, NetworkContract

MAX_FEATURES: Final = 8192
"""Numbers per photo at most: the PCA adds up a matrix of n x n float64 in every task, 0.5 GB for this many."""

_CHANNEL_AXIS: Final[Mapping[Layout, int]] = {"NCHW": 1, "NHWC": 3}
_RANK_OF_TOKENS: Final = 3

_CHANNELS: Final = 3
_RANK_OF_PHOTOS, _RANK_OF_VECTORS, _RANK_OF_MAPS = 4, 2, 4
_PROBED_BATCH: Final = 2
"""A network that was exported for one photo at a time does not give two rows for two photos."""

_SETTING: Final = "featurization.network_file"


class UnreadableError(Exception):
    """An engine cannot read a network, or not run it on photos of some shape; the message is the engine's reason."""


@dataclass(frozen=True)
class NetworkTensor:
    """An input or output of a network in a file.

    Attributes:
        names: An exporter may give it several; the first is shown. There is at least one.
        element: Type of its numbers, such as `f32`, `f16`, `u8` or `i64`.
        shape: Its dimensions, None where they are open; None if even their number is.

    """

    names: tuple[str, ...]
    element: str
    shape: tuple[int | None, ...] | None

    @property
    def is_real(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.element.startswith(("f", "bf"))

    @property
    def is_integral(self) -> bool:
        """Whether it holds whole numbers."""
        return self.element[0] in "iu"

    def describe_shape(self) -> str:
        """Write the shape with a question mark for each open dimension: `[?,3,224,224]`."""
        assert self.shape is not None
        return f"[{','.join('?' if side is None else str(side) for side in self.shape)}]"


class ReadNetwork(Protocol):
    """A network in a file, as an engine has read it."""

    @property
    def inputs(self) -> Sequence[NetworkTensor]:
        """Its inputs, weights left out."""
        ...

    @property
    def outputs(self) -> Sequence[NetworkTensor]:
        """Its outputs, in the order of the file."""
        ...

    def output_for(self, index: int, shape: tuple[int, ...]) -> NetworkTensor:
        """Find out one output's shape for an input of this shape.

        Raises:
            UnreadableError: The network does not take it.

        """
        ...


def inspect(place: str, network: ReadNetwork, contract: NetworkContract, input_size: int | None) -> NetworkFacts:
    """Check a network in a file against its contract.

    Args:
        place: Where the file lies, a path or a URI; for messages.
        network: What was read from it.
        contract: What its user states.
        input_size: Side of the photos that the user states; needed if the network takes any size.

    Returns:
        What was found out.

    Raises:
        WeightsError: It cannot be used; the message names the file, what is wrong, and what mends it.

    """
    layout, size = _inspect_input(place, network.inputs, contract, input_size)
    index = _choose_output(place, network.outputs, contract.output)
    output = _probe(place, network, index, layout, size)
    rank, n_features = _inspect_output(place, output, layout, contract)
    if not 1 <= n_features <= MAX_FEATURES:
        raise WeightsError(
            f"{place}: its output is {n_features:,} numbers a photo, and at most {MAX_FEATURES:,} can be reduced. Name a "
            f"smaller output: {_SETTING}.output=NAME, or export the network up to its last pooling"
        )
    return NetworkFacts(layout=layout, input_size=size, output=index, output_rank=rank, n_features=n_features)


def shape_of_photos(batch: int, layout: Layout, size: int) -> tuple[int, int, int, int]:
    """Return the shape of a network's input."""
    return (batch, _CHANNELS, size, size) if layout == "NCHW" else (batch, size, size, _CHANNELS)


def averaged_axes(facts: NetworkFacts) -> list[int]:
    """Return the dimensions of the chosen output over which `pooling=mean` averages: all but the batch and the channels."""
    channels = 2 if facts.output_rank == _RANK_OF_TOKENS else _CHANNEL_AXIS[facts.layout]
    return [axis for axis in range(1, facts.output_rank) if axis != channels]


def takes_samples_as_they_are(contract: NetworkContract) -> bool:
    """Whether the network takes the samples as they are, in [0, 255]."""
    return not any(contract.normalisation.mean) and set(contract.normalisation.scale) == {1.0}


@contextmanager
def copied(place: str, content: bytes, companions: Mapping[str, bytes]) -> Iterator[Path]:
    """Write a network's files into a folder of their own for a while: what is read is then what was identified.

    Yields:
        Where the network's own file is.

    """
    with tempfile.TemporaryDirectory() as folder:
        own_name = PurePosixPath(place).name
        for name, beside in {own_name: content, **companions}.items():
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(beside)
        yield Path(folder, own_name)


@contextmanager
def blamed_on(place: str, library: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged or strange network into a sentence about its file.

    Raises:
        WeightsError: In the place of any other error.

    """
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # an engine's reason, but also a UnicodeDecodeError on names, and others
        raise WeightsError(
            f"{place}: {library} cannot read this network, or the file is damaged: {shortened(str(error))}. Export it again"
        ) from error


def shortened(reason: str) -> str:
    """Bring a library's reason into one line that a sentence can go on after."""
    return " ".join(reason.split())[:200].rstrip(" .:")


def _inspect_input(
    place: str, inputs: Sequence[NetworkTensor], contract: NetworkContract, input_size: int | None
) -> tuple[Layout, int]:
    """Check the input of a network, and find out its layout and size."""
    for tensor in inputs:
        if tensor.is_integral and tensor.shape is not None and len(tensor.shape) == 2:  # noqa: PLR2004
            raise WeightsError(
                f"{place}: its input {tensor.names[0]} is rows of whole numbers, as networks of text take them. Give a "
                "network of images: one input of photos with 3 channels"
            )
    if len(inputs) != 1:
        raise WeightsError(
            f"{place}: it has {len(inputs)} inputs ({', '.join(tensor.names[0] for tensor in inputs)}), and a network of "
            "photos has one. Export the part of it that takes the photo alone"
        )
    photos = inputs[0]
    if photos.shape is None:
        raise WeightsError(
            f"{place}: the number of dimensions of its input {photos.names[0]} is not known. Export it with a fixed shape, "
            "such as 1 x 3 x 224 x 224"
        )
    if len(photos.shape) != _RANK_OF_PHOTOS:
        raise WeightsError(
            f"{place}: its input {photos.names[0]} has the shape {photos.describe_shape()}, and photos have four dimensions. "
            "Export it with an input such as 1 x 3 x 224 x 224"
        )
    if not (photos.is_real or (photos.element == "u8" and takes_samples_as_they_are(contract))):
        fix = "export it with an input of float32"
        if photos.element == "u8":
            fix = f"if it normalises them itself, give {_SETTING}.normalisation=0..255; otherwise {fix}"
        raise WeightsError(f"{place}: its input takes samples of type {photos.element}: {fix}")
    layout = _find_layout(place, photos, photos.shape, contract)
    sides = [photos.shape[axis] for axis in range(1, _RANK_OF_PHOTOS) if axis != _CHANNEL_AXIS[layout]]
    return layout, _find_size(place, sides, input_size)


def _find_layout(place: str, photos: NetworkTensor, shape: tuple[int | None, ...], contract: NetworkContract) -> Layout:
    """Find out where the channels are: the dimension of 3, unless the contract says it."""
    described = photos.describe_shape()
    fixed = {axis: side for axis, side in enumerate(shape) if axis in _CHANNEL_AXIS.values() and side is not None}
    if contract.layout != "auto":
        channels = fixed.get(_CHANNEL_AXIS[contract.layout], _CHANNELS)
        if channels == _CHANNELS:
            return contract.layout
        raise WeightsError(
            f"{place}: its input {described} has {channels} channels in the layout {contract.layout}, and photos have 3. Give "
            f"another {_SETTING}.layout, or a network of colour photos"
        )
    found: list[Layout] = [layout for layout, axis in _CHANNEL_AXIS.items() if fixed.get(axis) == _CHANNELS]
    if len(found) == 1:
        return found[0]
    if not found and len(fixed) == len(_CHANNEL_AXIS):
        raise WeightsError(
            f"{place}: its input {described} has {fixed[1]} channels (or {fixed[3]}, if they come last), and photos have 3. "
            "Give a network of colour photos"
        )
    raise WeightsError(
        f"{place}: its input {described} does not tell where the channels are. Give {_SETTING}.layout=NCHW, which is "
        "PyTorch's, or NHWC, which is TensorFlow's"
    )


def _find_size(place: str, sides: Sequence[int | None], input_size: int | None) -> int:
    """Find out the side of the photos: that of the file, or the one that is given."""
    fixed = {side for side in sides if side is not None}
    if len(fixed) > 1:
        height, width = sides
        raise WeightsError(
            f"{place}: it takes photos of {height} x {width} pixels, and photos are made squares. Export it for a square"
        )
    if not fixed:
        if input_size is None:
            raise WeightsError(
                f"{place}: it takes photos of any size. Say which one it was trained on: featurization.input_size=224"
            )
        return input_size
    size = fixed.pop()
    if input_size not in {None, size}:
        raise WeightsError(
            f"{place}: it takes photos of {size} x {size} pixels, and featurization.input_size is {input_size}. Leave "
            "featurization.input_size out, or export the network for the other size"
        )
    return size


def _choose_output(place: str, outputs: Sequence[NetworkTensor], wanted: str | None) -> int:
    """Find the output that is named, or the only one."""
    names = ", ".join(tensor.names[0] for tensor in outputs)
    if wanted is not None:
        for index, tensor in enumerate(outputs):
            if wanted in tensor.names:
                return index
        raise WeightsError(f"{place}: it has no output {wanted!r}. Give one of {names}: {_SETTING}.output=NAME")
    if len(outputs) != 1:
        raise WeightsError(f"{place}: it has {len(outputs)} outputs ({names}). Name one: {_SETTING}.output=NAME")
    return 0


def _probe(place: str, network: ReadNetwork, index: int, layout: Layout, size: int) -> NetworkTensor:
    """Find out the output's shape for two photos."""
    for batch in (_PROBED_BATCH, 1):
        try:
            output = network.output_for(index, shape_of_photos(batch, layout, size))
        except UnreadableError as error:
            reason = shortened(str(error))
            continue
        if batch == 1:
            raise _one_by_one(place)
        return output
    raise WeightsError(
        f"{place}: it does not take photos of {size} x {size} pixels in the layout {layout}: {reason}. Give the size "
        f"that it was trained on by featurization.input_size, and {_SETTING}.layout"
    )


def _one_by_one(place: str) -> WeightsError:
    return WeightsError(
        f"{place}: it was exported for one photo at a time. Export it with a batch of any size: "
        "torch.onnx.export(..., dynamic_axes={'INPUT': {0: 'batch'}})"
    )


def _inspect_output(place: str, output: NetworkTensor, layout: Layout, contract: NetworkContract) -> tuple[int, int]:
    """Check the chosen output, for a batch of two photos.

    Returns:
        Its dimensions, and the numbers per photo after pooling.

    """
    if not output.is_real:
        raise WeightsError(
            f"{place}: its output is of type {output.element}, and features are floating point. Export it with an "
            f"output of float32, or name another one: {_SETTING}.output=NAME"
        )
    if output.shape is None or None in output.shape:
        described = "[...]" if output.shape is None else output.describe_shape()
        raise WeightsError(
            f"{place}: the shape of its output ({described}) is known only when it runs. Export it with fixed shapes, "
            "but for the batch"
        )
    sides, pooling = [side for side in output.shape if side is not None], contract.pooling
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

"""Reads networks in files with OpenVINO, and makes them take photos and give features."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from fruit_features.networks.engines.file_checks import (
    NetworkTensor,
    UnreadableError,
    averaged_axes,
    blamed_on,
    copied,
    shape_of_photos,
    takes_samples_as_they_are,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fruit_features.networks.contract import NetworkFile

LIBRARY = "OpenVINO"


class OpenVinoFile:
    """A network in a file, as OpenVINO has read it.

    Args:
        model: The `openvino.Model`.

    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.inputs = [_described(tensor) for tensor in model.inputs]
        self.outputs = [_described(tensor) for tensor in model.outputs]

    def output_for(self, index: int, shape: tuple[int, ...]) -> NetworkTensor:
        """Find out one output's shape for an input of this shape, without running the network."""
        import openvino

        try:
            self._model.reshape(openvino.PartialShape(list(shape)))
        except RuntimeError as error:
            raise UnreadableError(_reason(error)) from error
        return _described(self._model.outputs[index])


@contextmanager
def read(place: str, content: bytes, companions: Mapping[str, bytes]) -> Iterator[OpenVinoFile]:
    """Read a network for the checks.

    Raises:
        WeightsError: OpenVINO cannot read it.

    """
    with _model(place, content, companions) as model, blamed_on(place, LIBRARY):
        yield OpenVinoFile(model)


def prepare(file: NetworkFile) -> Any:
    """Make the network take uint8 (batch, size, size, 3) RGB photos, and give float32 (batch, n_features).

    Returns:
        An `openvino.Model` with one input and one output.

    """
    import openvino
    from openvino import opset13, preprocess

    contract, facts = file.contract, file.facts
    normalisation = contract.normalisation
    with _model(file.place, file.content, file.companions) as model:
        model.reshape(openvino.PartialShape(list(shape_of_photos(-1, facts.layout, facts.input_size))))
        wrapped = preprocess.PrePostProcessor(model)
        photos = wrapped.input()
        photos.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        photos.model().set_layout(openvino.Layout(facts.layout))
        steps = photos.preprocess()
        if normalisation.channels == "BGR":
            steps.reverse_channels()
        if not takes_samples_as_they_are(contract):
            steps.convert_element_type(openvino.Type.f32)
            steps.mean(list(normalisation.mean)).scale([1 / scale for scale in normalisation.scale])
        of_photos = wrapped.build()
        features = of_photos.outputs[facts.output].get_node().input_value(0)
        if contract.pooling == "mean":
            axes = opset13.constant(np.array(averaged_axes(facts)))
            features = opset13.reduce_mean(features, axes, keep_dims=False).output(0)
        elif contract.pooling != "none":
            token, axis = opset13.constant(np.array(contract.pooling)), opset13.constant(np.array(1))
            features = opset13.gather(features, token, axis).output(0)
        if features.get_element_type() != openvino.Type.f32:
            features = opset13.convert(features, "f32").output(0)
        return openvino.Model([opset13.result(features)], of_photos.get_parameters(), "network")


@contextmanager
def _model(place: str, content: bytes, companions: Mapping[str, bytes]) -> Iterator[Any]:
    """Read a network from a copy of its files, which has to outlive what is done with the model."""
    import openvino

    with copied(place, content, companions) as copy:
        with blamed_on(place, LIBRARY):
            try:
                model = openvino.Core().read_model(copy)
            except RuntimeError as error:
                raise UnreadableError(_reason(error).replace(f"{copy.parent}/", "")) from error
        yield model


def _reason(error: Exception) -> str:
    """Take what a user can use from an error of OpenVINO, which begins with lines of its own source code."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from ", "Check '", "FrontEnd API failed"))]
    return " ".join(told or lines)


def _described(tensor: Any) -> NetworkTensor:
    shape = tensor.get_partial_shape()
    sides = None if shape.rank.is_dynamic else tuple(None if side.is_dynamic else side.get_length() for side in shape)
    # In an IR it may have no name but its layer's.
    names = dict.fromkeys([*sorted(tensor.get_names()), tensor.get_node().get_friendly_name()])
    return NetworkTensor(names=tuple(names), element=tensor.get_element_type().get_type_name(), shape=sides)

"""ONNX files are recognised, and the files that their weights lie in are found, without the library that writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper

from fruit_features.networks.onnx_files import OnnxDamageError, external_files
from tests.support.network_files import cnn, vit

if TYPE_CHECKING:
    from pathlib import Path


def test_a_network_of_one_file_has_no_other_files() -> None:
    assert external_files(vit().SerializeToString()) == []


def test_external_weights_are_found_in_initializers_attributes_and_branches(tmp_path: Path) -> None:
    model = cnn()
    onnx.save(model, tmp_path / "cnn.onnx", save_as_external_data=True, location="cnn.data", size_threshold=0)
    assert external_files((tmp_path / "cnn.onnx").read_bytes()) == ["cnn.data"]

    def constant(location: str) -> onnx.NodeProto:
        tensor = onnx.numpy_helper.from_array(np.zeros(1, np.float32))
        tensor.ClearField("raw_data")
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="offset", value="0")
        return helper.make_node("Constant", [], ["y"], value=tensor)

    branch = helper.make_graph([constant("in_a_branch")], "branch", [], [])
    model.graph.node.extend([constant("in_a_node"), helper.make_node("If", ["x"], ["z"], then_branch=branch)])
    assert external_files(model.SerializeToString()) == ["cnn.data", "in_a_branch", "in_a_node"]


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../b", "", "a\\b"])
def test_weights_outside_of_the_folder_are_refused(location: str) -> None:
    model = cnn()
    model.graph.initializer[0].external_data.add(key="location", value=location)
    with pytest.raises(OnnxDamageError, match="outside of the folder"):
        external_files(model.SerializeToString())


def test_no_part_of_a_file_passes_for_the_whole() -> None:
    content = cnn().SerializeToString()
    for length in range(len(content)):
        with pytest.raises(OnnxDamageError):
            external_files(content[:length])


def test_bytes_at_random_are_no_network() -> None:
    rng = np.random.default_rng(0)
    for length in (1, 10, 1000, 100_000):
        with pytest.raises(OnnxDamageError):
            external_files(rng.bytes(length))
    with pytest.raises(OnnxDamageError):
        external_files(b"\x89HDF\r\n\x1a\n" + bytes(1000))

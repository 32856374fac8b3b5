"""Files that hold a network: what identifies them, and which are refused before any library looks at them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import onnx
import pytest

from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.weights import WeightsError
from tests.support.network_files import cnn

if TYPE_CHECKING:
    from pathlib import Path


def network_format(name: str) -> NetworkFormat:
    found = BACKBONES.find(name)
    assert isinstance(found, NetworkFormat)
    return found


def test_a_network_of_one_file_is_known_by_its_sha256(tmp_path: Path) -> None:
    content = cnn().SerializeToString()
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    weights = network_format("onnx").resolve_weights(str(path))
    assert weights.digest == hashlib.sha256(content).hexdigest()
    assert network_format("onnx").read(weights) == (content, {})


@pytest.mark.parametrize("name", ["onnx", "ir"])
def test_a_network_of_two_files_is_known_by_both(name: str, tmp_path: Path) -> None:
    if name == "onnx":
        path, beside = tmp_path / "own.onnx", tmp_path / "own.data"
        onnx.save(cnn(), path, save_as_external_data=True, location="own.data", size_threshold=0)
    else:
        path, beside = tmp_path / "own.xml", tmp_path / "own.bin"
        path.write_bytes(b"<?xml version='1.0'?><net/>")
        beside.write_bytes(b"weights")
    kind = network_format(name)
    weights = kind.resolve_weights(str(path))
    assert weights.companions == (beside.name,)
    assert kind.read(weights) == (path.read_bytes(), {beside.name: beside.read_bytes()})
    beside.write_bytes(beside.read_bytes()[:-1] + b"?")
    assert kind.resolve_weights(str(path)).digest != weights.digest
    with pytest.raises(WeightsError, match=r"changed during the run\. Run again"):
        kind.read(weights)
    beside.unlink()
    with pytest.raises(WeightsError, match="can no longer be read"):
        kind.read(weights)
    with pytest.raises(WeightsError, match=f"the file {re.escape(beside.name)} is missing.*put it into"):
        kind.resolve_weights(str(path))


@pytest.mark.parametrize(
    ("backbone", "name", "content", "message"),
    [
        ("onnx", "own.onnx", b"", "own.onnx is not an ONNX network, or it is damaged: it is empty. Export it again"),
        ("onnx", "own.onnx", b"<html>", "own.onnx is not an ONNX network, or it is damaged: "),
        ("onnx", "own.onnx", cnn().SerializeToString()[:-40], "is damaged: it ends .* bytes too early"),
        ("tflite", "own.tflite", b"PK\x03\x04" + bytes(100), "own.tflite is not a TFLite network, or it is damaged"),
        ("ir", "own.xml", b"\x00" * 100, "own.xml is not OpenVINO's IR of a network, or it is damaged"),
        ("onnx", "own.tflite", b"", "takes an ONNX network, whose name ends in .onnx.*featurization.backbone=tflite"),
        ("ir", "own.h5", b"", "whose name ends in .xml.*featurization.backbone=mobilenet_v2"),
        ("tflite", "own", b"", "whose name ends in .tflite.*there is none for a name without ending"),
    ],
)
def test_other_files_are_refused(backbone: str, name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        network_format(backbone).resolve_weights(str(tmp_path / name))


@pytest.mark.parametrize("backbone", ["onnx", "tflite", "ir"])
def test_a_folder_or_nothing_is_refused(backbone: str, tmp_path: Path) -> None:
    kind = network_format(backbone)
    (tmp_path / f"folder{kind.ending}").mkdir()
    with pytest.raises(WeightsError, match=r"is not a file\. Give"):
        kind.resolve_weights(str(tmp_path / f"folder{kind.ending}"))
    with pytest.raises(WeightsError, match=r"no such file\. Give"):
        kind.resolve_weights(str(tmp_path / f"absent{kind.ending}"))
    with pytest.raises(WeightsError, match=r"'imagenet'.*Give its file"):
        kind.resolve_weights("imagenet")
    with pytest.raises(WeightsError, match=r"neither on a local disk nor on S3\. Download"):
        kind.resolve_weights(f"gs://bucket/own{kind.ending}")
    with pytest.raises(WeightsError, match=f"whose name ends in {kind.ending}"):  # before anything is fetched
        kind.resolve_weights("s3://bucket/own.zip")

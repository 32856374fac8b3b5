"""Whole runs with a network of a user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import reference

from fruit_features.networks.normalisation import NORMALISATIONS
from fruit_features.networks.weights import WeightsError
from fruit_features.photos.imaging import decode
from tests.support.network_files import SIZE, vit
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import Outputs, as_path, run_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in COLOURS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "photos" / label / f"{number}.jpg").write_bytes(encoded(fruit(label, number), "JPEG"))
    return tmp_path / "photos"


@pytest.mark.parametrize("engine", ["openvino", pytest.param("onnxruntime", marks=pytest.mark.slow)])
def test_features_are_what_the_network_in_the_file_computes(engine: str, photos: Path, tmp_path: Path) -> None:
    model, file = vit(), tmp_path / "vit.onnx"
    file.write_bytes(model.SerializeToString())
    contract = {"normalisation": "clip", "resize": "crop", "interpolation": "bilinear", "pooling": 0}
    featurization = {"backbone": "onnx", "weights": str(file), "network_file": contract, "engine": engine}
    outputs = run_project(photos, Outputs(tmp_path / "output"), featurization=featurization)
    stored = outputs.stored_photos()
    pixels = np.stack(
        [decode(as_path(path).read_bytes(), SIZE, resize="crop", interpolation="bilinear") for path in stored["path"]]
    )
    clip = NORMALISATIONS["clip"]
    normalised = ((pixels - np.array(clip.mean)) * np.array(clip.scale)).transpose(0, 3, 1, 2).astype(np.float32)
    tokens = reference.ReferenceEvaluator(model).run(None, {"pixels": normalised})[0]
    np.testing.assert_allclose(np.stack(stored["features"].to_list()), tokens[:, 0], atol=1e-4)
    counts = outputs.counts()
    assert counts["exported"] == counts["inferred"] == len(list(photos.rglob("*.jpg")))
    run_project(photos, outputs, featurization=featurization)
    assert outputs.counts()["inferred"] == 0


def test_a_file_that_cannot_be_used_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "vit.onnx"
    file.write_bytes(vit().SerializeToString())
    outputs = Outputs(tmp_path / "output")
    with pytest.raises(WeightsError, match="its output is a row of tokens of 17 x 24 a photo"):
        run_project(photos, outputs, featurization={"backbone": "onnx", "weights": str(file)})
    assert list(outputs.root.iterdir()) == []

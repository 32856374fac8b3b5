"""The sample renderer: repeatable photos of the right kind, and the committed sample is its work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "01_raw" / "sample"

# scripts/ is no package: its files are loaded by path
spec = importlib.util.spec_from_file_location("render_sample", ROOT / "scripts" / "render_sample.py")
render_sample = importlib.util.module_from_spec(spec)
sys.modules["render_sample"] = render_sample
spec.loader.exec_module(render_sample)

LABELS = sorted(fruit.label for fruit in render_sample.FRUITS)
SAMPLE_PER_CLASS = 24


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    assert render_sample.write_sample(folder, per_class=1) == len(LABELS)
    return folder


def pixels(path):
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB"), dtype=float)


def test_same_bytes_twice(rendered, tmp_path):
    render_sample.write_sample(tmp_path, per_class=1)
    first, second = ({p.relative_to(d): p.read_bytes() for p in d.rglob("*.jpg")} for d in (rendered, tmp_path))
    assert first == second


def test_photos_are_small_rgb_jpegs_on_white(rendered):
    photos = sorted(rendered.rglob("*.jpg"))
    assert [p.parent.name for p in photos] == LABELS
    for path in photos:
        with Image.open(path) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (100, 100))
        corners = pixels(path)[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert corners.min() > 250  # JPEG ringing may take a little off pure white


def test_fruit_turns_between_photos():
    for fruit in render_sample.FRUITS:
        before, after = (np.asarray(render_sample.render(fruit, i, 4), dtype=float) for i in (0, 1))
        assert np.abs(before - after).mean() > 2, fruit.label


def test_normals_of_a_ball_point_outwards():
    ball = render_sample.Part(lambda p: render_sample.length(p) - 1, render_sample.leaf)
    points = render_sample.unit(np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32))
    reach = 0.006  # the differences are of first order: on a unit ball they are off by no more than their reach
    np.testing.assert_allclose(render_sample.normals(ball, points, reach), points, atol=reach)


def test_committed_sample_is_complete():
    assert len(LABELS) >= 8
    assert sorted(p.name for p in SAMPLE.iterdir() if p.is_dir()) == LABELS
    for label in LABELS:
        names = sorted(p.name for p in (SAMPLE / label).iterdir())
        assert names == [f"{i:02d}.jpg" for i in range(SAMPLE_PER_CLASS)]
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*.jpg")) < 1_200_000


@pytest.mark.parametrize("fruit", render_sample.FRUITS, ids=LABELS)
def test_committed_sample_is_what_the_script_renders(fruit, tmp_path):
    """Pixels within a tolerance: JPEG encoders and float libraries differ in the last bits."""
    for index in (0, 7):
        path = tmp_path / f"{index}.jpg"
        render_sample.render(fruit, index, SAMPLE_PER_CLASS).save(path, quality=render_sample.JPEG_QUALITY)
        gap = np.abs(pixels(path) - pixels(SAMPLE / fruit.label / f"{index:02d}.jpg"))
        assert gap.mean() < 1.0
        assert np.percentile(gap, 99) < 12

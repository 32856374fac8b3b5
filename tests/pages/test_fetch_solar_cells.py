"""Sorting the solar cells, on a small archive of the wheel's layout; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

# scripts/ is no package: its files are loaded by path
spec = importlib.util.spec_from_file_location("fetch_solar_cells", ROOT / "scripts" / "fetch_solar_cells.py")
fetch_solar_cells = importlib.util.module_from_spec(spec)
sys.modules["fetch_solar_cells"] = fetch_solar_cells
spec.loader.exec_module(fetch_solar_cells)

CELLS = {  # name: (probability, type, expected label), the levels as the data set writes them
    "cell0001.png": ("1.0", "mono", "mono_defective"),
    "cell0002.png": ("0.6666666666666666", "mono", "mono_defective"),
    "cell0003.png": ("0.3333333333333333", "mono", "mono_ok"),
    "cell0004.png": ("0.0", "poly", "poly_ok"),
    "cell0005.png": ("1.0", "poly", "poly_defective"),
}


def png(grey):
    buffer = BytesIO()
    Image.new("L", (3, 3), grey).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {name: png(40 * grey) for grey, name in enumerate(CELLS)}


def write_wheel(path, missing=()):
    rows = [f"images/{name}  {probability:20}{kind}\n" for name, (probability, kind, _) in CELLS.items()]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("elpv_dataset/data/labels.csv", "".join(rows))
        for name, photo in PHOTOS.items():
            if name not in missing:
                archive.writestr(f"elpv_dataset/data/images/{name}", photo)
    return path


@pytest.fixture
def downloads(monkeypatch):
    """Stand in for pip with the small archive; returns the folders it was asked to fill."""
    folders = []

    def download(folder):
        folders.append(folder)
        return write_wheel(folder / "cells.whl")

    monkeypatch.setattr(fetch_solar_cells, "download_wheel", download)
    monkeypatch.setattr(fetch_solar_cells, "PHOTO_COUNT", len(CELLS))
    return folders


def test_photos_are_sorted_unchanged(tmp_path):
    counts = fetch_solar_cells.sort_photos(write_wheel(tmp_path / "cells.whl"), tmp_path / "out")
    assert counts == {"mono_defective": 2, "mono_ok": 1, "poly_ok": 1, "poly_defective": 1}
    written = {p.relative_to(tmp_path / "out"): p.read_bytes() for p in (tmp_path / "out").rglob("*.png")}
    assert written == {Path(label) / name: PHOTOS[name] for name, (_, _, label) in CELLS.items()}


@pytest.mark.parametrize(("probability", "label"), [(0.49, "poly_ok"), (0.5, "poly_defective")])
def test_a_cell_is_defective_from_one_half(probability, label):
    assert fetch_solar_cells.label_of("poly", probability) == label


def test_missing_photo_is_named(tmp_path):
    wheel = write_wheel(tmp_path / "cells.whl", missing=["cell0003.png"])
    with pytest.raises(fetch_solar_cells.FetchError, match=r"cell0003\.png.*Fix:"):
        fetch_solar_cells.sort_photos(wheel, tmp_path / "out")


def test_second_fetch_does_nothing(tmp_path, downloads):
    out = tmp_path / "solar_cells"
    first = fetch_solar_cells.fetch(out)
    assert fetch_solar_cells.fetch(out) == first
    assert len(downloads) == 1
    assert list(tmp_path.iterdir()) == [out]


def test_folder_with_other_contents_is_left_alone(tmp_path, downloads):
    (tmp_path / "mono_ok").mkdir()
    (tmp_path / "mono_ok" / "mine.png").write_bytes(b"mine")
    with pytest.raises(fetch_solar_cells.FetchError, match=r"holds 1 of 5 photos\. Fix:"):
        fetch_solar_cells.fetch(tmp_path)
    assert not downloads


def test_incomplete_archive_leaves_nothing_behind(tmp_path, downloads, monkeypatch):
    monkeypatch.setattr(fetch_solar_cells, "PHOTO_COUNT", len(CELLS) + 1)
    with pytest.raises(fetch_solar_cells.FetchError, match=r"gave 5 photos, not 6\."):
        fetch_solar_cells.fetch(tmp_path / "solar_cells")
    assert list(tmp_path.iterdir()) == []


def test_failed_download_is_one_line_with_the_fix(tmp_path):
    """An empty package index stands for a missing network."""
    script = ROOT / "scripts" / "fetch_solar_cells.py"
    run = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path / "solar_cells")],
        env={"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: Could not download elpv-dataset==1.0.0.post1: ")
    assert "Fix:" in run.stderr
    assert list(tmp_path.iterdir()) == []

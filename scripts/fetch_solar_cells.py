"""Fetch 2,624 photos of solar cells and sort them into labelled folders: a real data set for the same pipeline.

Source: ELPV (Buerhop-Lutz et al., EU PVSEC 2018; Deitsch et al., Solar Energy 185, 2019), 300x300 grey-scale PNGs of
mono- and polycrystalline cells under electroluminescence, licensed CC BY-NC-SA 4.0: no commercial use. They come out
of the wheel of `elpv-dataset`, pinned by hash.

A label is <type>_<ok|defective>. ELPV gives a cell a defect probability of 0, 1/3, 2/3 or 1 and leaves it to the reader
whether those are four classes or a regression target. Here a cell is defective from 0.5 on: the two doubtful levels
join the nearer certain one, and no cell lies near the cut.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "data" / "01_raw" / "solar_cells"
REQUIREMENT = "elpv-dataset==1.0.0.post1"
WHEEL_SHA256 = "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c"
DATA_FOLDER = PurePosixPath("elpv_dataset/data")  # inside the wheel
PHOTO_COUNT = 2624
DEFECTIVE_FROM = 0.5
LICENCE = "ELPV photos: CC BY-NC-SA 4.0, Buerhop-Lutz et al. 2018 and Deitsch et al. 2019 (non-commercial use only)"


class FetchError(Exception):
    """The photos cannot be had; the message says what to do."""


def label_of(cell_type: str, defect_probability: float) -> str:
    """Label of a cell: <type>_<ok|defective>."""
    return f"{cell_type}_{'defective' if defect_probability >= DEFECTIVE_FROM else 'ok'}"


def sort_photos(wheel: Path, out: Path) -> Counter[str]:
    """Write the wheel's photos to <out>/<label>/<name>.png and count them by label.

    Args:
        wheel: zip with elpv_dataset/data/labels.csv, whose rows are `path probability type` apart by blanks.
        out: folder for the label folders.

    Raises:
        FetchError: the wheel lacks the labels or a photo that they name.

    """
    counts: Counter[str] = Counter()
    with zipfile.ZipFile(wheel) as archive:
        try:
            for row in archive.read(str(DATA_FOLDER / "labels.csv")).decode().splitlines():
                path, probability, cell_type = row.split()
                photo = archive.read(str(DATA_FOLDER / path))
                label = label_of(cell_type, float(probability))
                (out / label).mkdir(parents=True, exist_ok=True)
                (out / label / PurePosixPath(path).name).write_bytes(photo)
                counts[label] += 1
        except KeyError as error:
            raise FetchError(f"{wheel.name}: {error.args[0]} Fix: check that it is {REQUIREMENT}.") from error
    return counts


def download_wheel(folder: Path) -> Path:
    """Download the pinned wheel into a folder and return its path.

    Raises:
        FetchError: pip failed, for want of a network or because the wheel's hash differs.

    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n")
    pip_download = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(requirements), "--dest", str(folder)]
    pip = subprocess.run(pip_download + options, check=False, capture_output=True, text=True)
    if pip.returncode != 0:
        reason = " ".join(pip.stderr.split()) or f"exit code {pip.returncode}"
        raise FetchError(
            f"Could not download {REQUIREMENT}: {reason} Fix: run it with a Python that has pip and, for pip, a working"
            " network or package index (see `python -m pip config list`), then start again."
        )
    return next(folder.glob("*.whl"))


def fetch(out: Path) -> Counter[str]:
    """Make the folder of labelled photos, whole or not at all, and count them by label.

    Raises:
        FetchError: the download failed, or `out` holds something other than the full set.

    """
    present = Counter(photo.parent.name for photo in out.glob("*/*.png"))
    if present.total() == PHOTO_COUNT:
        return present
    if out.exists() and any(out.iterdir()):
        raise FetchError(
            f"{out} holds {present.total():,} of {PHOTO_COUNT:,} photos. Fix: move it away or pick another --out."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".solar_cells-") as staging:
        sorted_photos = Path(staging) / "sorted"
        counts = sort_photos(download_wheel(Path(staging)), sorted_photos)
        if counts.total() != PHOTO_COUNT:
            raise FetchError(f"{REQUIREMENT} gave {counts.total():,} photos, not {PHOTO_COUNT:,}. Fix: report it.")
        sorted_photos.replace(out)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetch the ELPV solar cell photos.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write to (default: %(default)s)")
    out = parser.parse_args().out
    try:
        counts = fetch(out)
    except FetchError as error:
        sys.exit(f"error: {error}")
    print(LICENCE)
    print(f"{counts.total():,} photos in {out}: " + ", ".join(f"{label} {n:,}" for label, n in sorted(counts.items())))


if __name__ == "__main__":
    main()

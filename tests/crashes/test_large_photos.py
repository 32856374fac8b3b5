"""Photos of a camera, and larger ones: a worker's memory stays within the bound that is documented."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.support.killing import started_run
from tests.support.runs import Outputs

if TYPE_CHECKING:
    from tests.support.killing import Run

N_PHOTOS = 200
SIZE = (8192, 6144)  # 50 megapixels
MAX_DECODED_MB = 1024
WORKER_MB = 450
"""Megabytes that a worker takes beside what it decodes: Python, OpenVINO, a network, and the files that it reads ahead."""


class WorkersPeak(threading.Thread):
    """Looks again and again how much memory the workers of a run have taken at most."""

    def __init__(self, run: Run) -> None:
        super().__init__(daemon=True)
        self.megabytes = 0.0
        self._run = run
        self._has_ended = threading.Event()

    def run(self) -> None:
        while not self._has_ended.wait(0.5):
            for worker in self._run.python_workers():
                with contextlib.suppress(psutil.Error, OSError):
                    status = Path(f"/proc/{worker.pid}/status").read_text()
                    self.megabytes = max(self.megabytes, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024 / 10**6)

    def end(self) -> None:
        self._has_ended.set()
        self.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 JPEGs of 50 megapixels, and four that only a header tells from bombs."""
    root = tmp_path_factory.mktemp("large")
    (root / "camera").mkdir()
    small = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(small).resize(SIZE, Image.Resampling.BILINEAR).save(root / "camera" / "0.jpg", quality=90)
    for number in range(1, N_PHOTOS):
        (root / "camera" / f"{number}.jpg").hardlink_to(root / "camera" / "0.jpg")
    (root / "monsters").mkdir()
    Image.fromarray(small).resize((512, 384)).save(root / "monsters" / "ordinary.jpg")
    for mode, side in (("RGBA", 13_300), ("1", 13_000), ("RGB", 13_300), ("CMYK", 13_300)):
        Image.new(mode, (side, side)).save(root / "monsters" / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}")
    return root


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is looked up in Linux's /proc")
@pytest.mark.parametrize(("limit", "rejected"), [(MAX_DECODED_MB, {"RGBA.png"}), (400, {"RGBA.png", "RGB.png", "1.png"})])
def test_workers_keep_to_their_bound(limit: int, rejected: set[str], folder: Path, tmp_path: Path) -> None:
    with started_run(folder, Outputs(tmp_path / "data"), parameters=f"featurization.max_decoded_mb={limit}") as run:
        peak = WorkersPeak(run)
        peak.start()
        assert run.wait() == 0, run.text
        peak.end()
    rejects = run.outputs.rejected_images()
    assert {Path(path).name for path in rejects["path"]} == rejected
    assert rejects["reason"].str.contains(rf"^too large: .* MB to decode, max_decoded_mb={limit}$").all()
    assert run.outputs.counts()["exported"] == N_PHOTOS + 5 - len(rejected)
    assert 200 < peak.megabytes < limit + WORKER_MB
    print(f"max_decoded_mb={limit}: a worker took {peak.megabytes:.0f} MB at most")  # noqa: T201

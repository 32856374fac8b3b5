"""What fuzzing starts from keeps the promise, and so does, ever since, what it has found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.promise import MEMORY_MIB, check
from tests.fuzz.seeds import seeds
from tests.support.runs import PROJECT

FINDINGS = sorted(path for path in (Path(__file__).parent / "findings").iterdir() if path.name != ".gitkeep")
NO_PHOTOS = {"claims.png": "truncated", "photo.eps": "program"}
SEEDS = seeds()


@pytest.mark.parametrize("apply_exif_orientation", [False, True])
@pytest.mark.parametrize("name", SEEDS)
def test_fuzzing_starts_from_photos(name: str, apply_exif_orientation: bool) -> None:
    reason = check(SEEDS[name], apply_exif_orientation=apply_exif_orientation)
    assert NO_PHOTOS.get(name, "photo") in (reason or "photo")


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda path: path.name)
def test_what_fuzzing_found_keeps_the_promise(finding: Path) -> None:
    process = subprocess.Popen([sys.executable, "-m", "tests.fuzz.promise", finding], cwd=PROJECT, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    assert process.stderr is not None
    assert status == 0, process.stderr.read().decode()
    assert usage.ru_maxrss / 1024 < MEMORY_MIB

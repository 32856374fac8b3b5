"""A disk that fills up during a run: one clear error, nothing that looks whole, and a rerun that goes on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

IN_NAMESPACE = ["unshare", "--map-root-user", "--mount"]

SCRIPT = """
set -u
mount -t tmpfs -o size=8m tmpfs "$DISK"
df --output=avail -B1 "$DISK" | tail -1 | {{ read available; head -c $((available - {room})) /dev/zero > "$DISK/filler"; }}
{run}
echo "exit code $?"
ls "$DISK/data/07_model_output" 2>/dev/null
rm "$DISK/filler"
mount -o remount,size=64m "$DISK"
{run} || exit 1
cp -r "$DISK/data" "$COPY"
"""


def may_mount() -> bool:
    mount = [*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="needs a small disk, and this user may not mount one")
def test_a_full_disk_is_named_and_a_rerun_goes_on(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    roots = f"images_root={photo_tree.root},output_root={disk}/data,models_root={full_run.root}/06_models"
    run = f'"{sys.executable}" -m kedro run --env test --params "{roots}" 2>&1'
    script = SCRIPT.format(run=run, room=100_000)  # bytes: the list of photos fits, their features do not
    result = subprocess.run(
        [*IN_NAMESPACE, "sh", "-c", script],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "DISK": str(disk), "COPY": str(copy), "KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    first_run, _, rest = result.stdout.partition("exit code 1\n")
    assert "Error:" in first_run, result.stdout
    error = first_run[first_run.index("Error:") :]
    assert "No space left on device" in error
    assert len(error.splitlines()) <= 6
    assert "07_model_output" not in rest.split("INFO")[0]
    assert result.returncode == 0, result.stdout
    assert Outputs(copy).csv_bytes() == full_run.csv_bytes()

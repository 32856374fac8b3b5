"""Folders that a user may not write to: named before Spark starts, and nothing is half written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

RIGHTS_OF_ROOT = "-dac_override,-dac_read_search"
AS_ANY_USER = ["setpriv", f"--bounding-set={RIGHTS_OF_ROOT}", f"--inh-caps={RIGHTS_OF_ROOT}"] if os.getuid() == 0 else []
"""Root without these two capabilities is held to the rights of files and folders as every other user is."""


def is_held_to_rights() -> bool:
    try:
        return subprocess.run([*AS_ANY_USER, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.skipif(not is_held_to_rights(), reason="root may write everywhere, and setpriv cannot take that right away here")
@pytest.mark.parametrize(
    "closed", ["07_model_output", "07_model_output/pca_features", "08_reporting", "04_feature/feature_store"]
)
def test_a_folder_that_may_not_be_written_to_is_named_before_spark_starts(
    closed: str, full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    folder, before = outputs.root / closed, files_of(outputs.root)
    roots = f"images_root={photo_tree.root},output_root={outputs.root}"
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", "--params", roots]
    folder.chmod(0o555)
    try:
        run = subprocess.run(
            [*AS_ANY_USER, *command],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert run.returncode == 1, run.stdout
    assert "Using incubator modules" not in run.stdout, "Java has not started"
    error = run.stdout[run.stdout.index("Error:") :]
    assert error.startswith(f"Error: {folder}: this user may not write there")
    assert "kedro run --params output_root=FOLDER" in error
    assert files_of(outputs.root) == before

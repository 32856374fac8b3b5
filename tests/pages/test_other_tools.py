"""The how-to's recipes for other tools, each run by the tool itself, in an environment that is made for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fruit_features.photos.heic import INSTALL
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

PACKAGES = ("pandas<3", "pyarrow", "duckdb>=1", "faiss-cpu>=1.11", "lancedb>=0.24", "datasets>=4", "pillow")
CHECKS = {
    "faiss": "assert nearest.shape == (len(photos), 6) and np.abs(distances[:, 0]).max() < 0.01 < distances[:, 5].min()",
    "lancedb": "assert table.search(first['embedding']).limit(1).to_list()[0]['path'] == first['path']",
    "duckdb": "assert duckdb.sql(\"select count(*) from 'data/07_model_output/embeddings.parquet'\").fetchall()[0][0] > 30",
    "datasets": "assert dataset[0]['image'].size == (photos['width'][0], photos['height'][0])",
}


def recipes() -> dict[str, str]:
    """Blocks of Python by the tool that they import."""
    page = (PROJECT / "docs" / "how-to.md").read_text(encoding="utf-8")
    section = page.split("## Hand results to other tools\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return {name: block for block in blocks for name in CHECKS if re.search(rf"^(import|from) {name}\b", block, re.MULTILINE)}


@pytest.fixture(scope="module")
def home(full_run: Outputs, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `data` holds results, with their embeddings."""
    home = tmp_path_factory.mktemp("home")
    outputs = full_run.copy_to(home / "data")
    run_project(photo_tree.root, outputs, "embeddings")
    return home


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the tools."""
    environment = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
    return environment / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("tool", CHECKS)
def test_a_recipe_does_what_it_says(tool: str, home: Path, python: Path) -> None:
    program = f"{recipes()[tool]}\n{CHECKS[tool]}\n"
    done = subprocess.run([python, "-c", program], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_package_that_a_reject_names_decodes_the_photos_of_phones(tmp_path: Path) -> None:
    """The tests of HEIC, none of them skipped, with what the how-to installs."""
    (package,) = re.findall(r'pip install "([^"]+)"', INSTALL)
    assert f'.venv/bin/pip install "{package}"' in (PROJECT / "docs" / "how-to.md").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, package], check=True)
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit/photos/test_heic.py"],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout
    assert "skipped" not in tests.stdout

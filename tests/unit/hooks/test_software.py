"""Which software a run is made of: an edit without another version, and an installation, show."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fruit_features
from fruit_features.hooks.up_to_date.software import identify_software

if TYPE_CHECKING:
    from collections.abc import Callable

CODE, PACKAGES = "the code of this project", "installed packages"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return shutil.copytree(Path(fruit_features.__file__).parent, tmp_path / "fruit_features")


def _edit(package: Path) -> None:
    file = package / "spark" / "projection.py"
    file.write_text(file.read_text() + "# the same version, but edited\n")


def _delete(package: Path) -> None:
    (package / "spark" / "projection.py").unlink()


def _move(package: Path) -> None:
    (package / "spark" / "projection.py").rename(package / "spark" / "projecting.py")


def _edit_a_template(package: Path) -> None:
    next(package.rglob("*.j2")).write_text("")


@pytest.mark.parametrize("change", [_edit, _delete, _move, _edit_a_template])
def test_code_of_the_same_version_that_was_edited_is_another(change: Callable[[Path], None], package: Path) -> None:
    before = identify_software(package)
    assert before == identify_software()
    change(package)
    after = identify_software(package)
    assert after[CODE] != before[CODE]
    assert after[PACKAGES] == before[PACKAGES]


def test_what_python_compiles_changes_nothing(package: Path) -> None:
    before = identify_software(package)
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"")
    assert identify_software(package) == before


def test_code_that_cannot_be_looked_at_is_not_known(tmp_path: Path) -> None:
    assert identify_software(tmp_path / "code.zip" / "fruit_features")[CODE] is None


def test_an_installation_changes_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    found = [identify_software()]
    for name in ("numpy-2.4.6.dist-info", "numpy-2.4.7.dist-info"):
        for old in tmp_path.iterdir():
            old.rmdir()
        (tmp_path / name).mkdir()
        found.append(identify_software())
    assert len({software[PACKAGES] for software in found}) == 3
    assert len({software[CODE] for software in found}) == 1


def test_another_java_or_spark_is_other_software(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for home in ("/java/17", "/java/21"):
        monkeypatch.setenv("JAVA_HOME", home)
        found.add(identify_software()["Java and Spark"])
    assert len(found) == 2

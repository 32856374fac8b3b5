"""What is packaged of the configuration, and what finds it where it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from fruit_features.emr import run
from fruit_features.emr.package import pack_configuration
from fruit_features.emr.run import find_configuration
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The project's configuration, packed, with secrets beside it that are not."""
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    for name in ("local/globals.yml", "local/notes.txt", "base/credentials.yml", "emr/my_credentials_2.yml"):
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text("secret")
    packed = tmp_path / "dist" / run.ARCHIVE
    packed.parent.mkdir()
    pack_configuration(conf, packed)
    return packed


def test_no_secret_is_packed(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        files = {member.name for member in tar if member.isfile()}
    assert {"conf/base/catalog.yml", "conf/emr/spark.yml", "conf/logging.yml"} <= files
    assert not [name for name in files if "local" in name or "credentials" in name]


def test_the_archive_beside_the_entry_point_is_found(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "dist")
    assert (find_configuration(archive.parent) / "emr" / "spark.yml").is_file()


def test_what_spark_has_unpacked_comes_first(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = tmp_path / "container"
    (container / "conf").mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(container / "conf", filter="data")
    monkeypatch.chdir(container)
    assert find_configuration(archive.parent) == container / "conf" / "conf"


def test_a_missing_configuration_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"--archives conf-fruit_features.tar.gz#conf"):
        find_configuration(tmp_path)


def test_arguments_are_those_of_kedro_run(archive: Path, tmp_path: Path) -> None:
    entry_point = tmp_path / "dist" / "run.py"
    shutil.copyfile(run.__file__, entry_point)
    parameters = "featurization.backbone=vgg99"
    command = [sys.executable, str(entry_point), "--env", "emr", "--params", parameters]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "backbone 'vgg99' is unknown" in result.stderr
    assert len(result.stderr.splitlines()) < 8, result.stderr

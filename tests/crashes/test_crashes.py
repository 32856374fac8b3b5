"""Runs killed with `kill -9`, at seeded moments: the next run goes on, and nothing is lost, doubled or half there."""

from __future__ import annotations

import json
import random
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest

from tests.support.killing import Moment, Run, complete_run, started_run
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import Outputs, run_project
from tests.support.standalone_cluster import ENV, standalone_cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

PHOTOS_PER_LABEL = 20

STORE, RESULTS = "04_feature/feature_store", "07_model_output"
LISTING = Moment(file="02_intermediate/photos.new")
THE_FIRST_CHUNK_BEGINS = Moment(said="photos to featurize")
A_CHUNK_IS_WRITTEN = Moment(file=f"{STORE}/_temporary/0/_temporary/attempt_*")
HALF_A_CHUNK_IS_WRITTEN = Moment(file=f"{STORE}/_temporary/0/task_*")
A_CHUNK_IS_SAVED = Moment(said=r"\d+ of \d+ photos featurized")
REDUCTION = Moment(file="04_feature/featurized_photos/_SUCCESS")
EXPORT = Moment(file=f"{RESULTS}/pca_features.new")
CSV = Moment(file=f"{RESULTS}/pca_features_csv.new")

VICTIMS: dict[str, Callable[[Run], list[psutil.Process]]] = {
    "driver": lambda run: [psutil.Process(run.process.pid)],
    "jvm": lambda run: run.jvms(),
    "driver and jvm": lambda run: [psutil.Process(run.process.pid), *run.jvms()],
    "all": lambda run: run.processes(),
}
"""The JVM and the workers of a killed driver, and the workers of a killed JVM, have to end by themselves."""


@dataclass(frozen=True)
class Undisturbed:
    """A tree of photos, and a run on it that nobody killed.

    Attributes:
        photos: The tree.
        n_photos: How many are listed.
        outputs: What the run left.

    """

    photos: Path
    n_photos: int
    outputs: Outputs


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, full_run: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Enough photos for four chunks; three are slow to decode, so that their task ends long after the others of its chunk."""
    folder = tmp_path_factory.mktemp("undisturbed")
    photos = folder / "photos"
    for label in COLOURS:
        (photos / label).mkdir(parents=True)
        for number in range(PHOTOS_PER_LABEL):
            (photos / label / f"{number:02}.jpg").write_bytes(encoded(fruit(label, number), "JPEG"))
        (photos / label / "truncated.jpg").write_bytes(encoded(fruit(label, 100), "JPEG")[:700])
        (photos / label / "large.png").write_bytes(encoded(fruit(label, 101).resize((3000, 3000)), "PNG", compress_level=1))
    outputs = run_project(photos, full_run.with_networks_only(folder / "data"))
    assert outputs.counts()["featurized"] == (PHOTOS_PER_LABEL + 2) * len(COLOURS)
    return Undisturbed(photos, outputs.counts()["listed"], outputs)


@pytest.fixture
def outputs(undisturbed: Undisturbed, tmp_path: Path) -> Outputs:
    """Where nothing has run yet."""
    return undisturbed.outputs.with_networks_only(tmp_path / "data")


def seconds(seed: object, at_most: float) -> float:
    return random.Random(str(seed)).uniform(0, at_most)


def n_stored(outputs: Outputs) -> int:
    """Photos in the feature store; none of them twice."""
    if not any((outputs.root / STORE).glob("*.parquet")):
        return 0
    store = outputs.stored_photos()
    assert not store.duplicated(["path", "length", "modificationTime", "fingerprint"]).any()
    assert not outputs.feature_store().duplicated(["digest", "fingerprint"]).any()
    return len(store)


def kill_a_run(undisturbed: Undisturbed, outputs: Outputs, victims: str, moment: Moment, delay: float) -> None:
    """Start a run, kill some of it, and look at what it leaves."""
    pending = undisturbed.n_photos - n_stored(outputs)
    with started_run(undisturbed.photos, outputs) as run:
        run.kill_after(moment, delay, VICTIMS[victims])
        assert run.wait() != 0
        run.wait_for_the_last()
    if victims == "jvm":
        assert "Error: Java, in which Spark runs, has ended in the middle of the run" in run.text
    assert run.number(r"(\d+) photos to featurize") in {None, pending}, "what a run before had saved is not done again"
    assert n_stored(outputs) >= undisturbed.n_photos - pending + (run.number(r"(\d+) of \d+ photos featurized") or 0)
    check_that_nothing_half_written_looks_whole(undisturbed, outputs)


def check_that_nothing_half_written_looks_whole(undisturbed: Undisturbed, outputs: Outputs) -> None:
    """What is there at all is what an undisturbed run wrote, with a mark of success or without."""
    expected = undisturbed.outputs
    for name, read in {
        "02_intermediate/photos": lambda root: pd.read_parquet(root / "02_intermediate/photos").sort_values("path"),
        f"{RESULTS}/pca_features": lambda root: Outputs(root).pca_features().sort_values("path"),
        f"{RESULTS}/pca_features_csv": lambda root: Outputs(root).pca_features_csv(),
        f"{RESULTS}/rejected_images": lambda root: Outputs(root).rejected_images().sort_values("path"),
    }.items():
        if (outputs.root / name).exists():
            pd.testing.assert_frame_equal(
                read(outputs.root).reset_index(drop=True), read(expected.root).reset_index(drop=True), obj=name
            )
    for file in ("06_models/pca_model.parquet", "08_reporting/explained_variance.csv"):
        if (outputs.root / file).exists():
            assert (outputs.root / file).read_bytes() == (expected.root / file).read_bytes(), file
    for file in ("photo_counts.json", "run_report.json"):
        path = outputs.root / "08_reporting" / file
        if path.exists():
            whole = json.loads((expected.root / "08_reporting" / file).read_text())
            assert json.loads(path.read_text()).keys() == whole.keys()


def check_the_next_run(undisturbed: Undisturbed, outputs: Outputs) -> None:
    """It does what is left to do and no more, and no trace of the crash shows in the results."""
    stored = n_stored(outputs)
    complete_run(undisturbed.photos, outputs)
    check_results(undisturbed, outputs)
    assert outputs.counts()["reused"] == stored


def check_results(undisturbed: Undisturbed, outputs: Outputs) -> None:
    assert outputs.csv_bytes() == undisturbed.outputs.csv_bytes()
    assert n_stored(outputs) == undisturbed.n_photos
    check_that_nothing_half_written_looks_whole(undisturbed, outputs)
    for name in (f"{RESULTS}/pca_features", f"{RESULTS}/pca_features_csv", f"{RESULTS}/rejected_images"):
        assert (outputs.root / name / "_SUCCESS").exists()


# --- drivers ----------------------------------------------------------------------------------------------------------


def test_a_run_killed_within_a_chunk_is_continued(undisturbed: Undisturbed, outputs: Outputs) -> None:
    kill_a_run(undisturbed, outputs, "driver and jvm", HALF_A_CHUNK_IS_WRITTEN, 0)
    check_the_next_run(undisturbed, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [False, True], ids=["driver", "all"])
@pytest.mark.parametrize(("received", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_a_signal_ended_is_continued(
    received: signal.Signals, exit_code: int, *, to_all: bool, undisturbed: Undisturbed, outputs: Outputs
) -> None:
    with started_run(undisturbed.photos, outputs) as run:
        run.wait_for(HALF_A_CHUNK_IS_WRITTEN)
        for process in VICTIMS["all" if to_all else "driver"](run):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(received)
        assert run.process.wait(20) == exit_code, run.text
        run.wait_for_the_last()
    assert f"Stopped by {received.name}. " in run.text
    assert "Traceback" not in run.text
    check_the_next_run(undisturbed, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("victims", ["driver", "jvm", "all"])
def test_runs_killed_one_after_the_other_come_to_the_same_end(
    victims: str, undisturbed: Undisturbed, outputs: Outputs
) -> None:
    for moment, longest_delay in (
        (LISTING, 1.0),
        (A_CHUNK_IS_WRITTEN, 0.3),
        (A_CHUNK_IS_SAVED, 0.3),
        (REDUCTION, 0.3),
        (EXPORT, 0.3),
        (CSV, 0.1),
    ):
        kill_a_run(undisturbed, outputs, victims, moment, seconds((victims, moment), longest_delay))
    check_the_next_run(undisturbed, outputs)


@pytest.mark.slow
def test_runs_killed_while_they_replace_results_leave_them_whole_or_visibly_not(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    outputs = undisturbed.outputs.copy_to(tmp_path / "data")
    for moment in (LISTING, REDUCTION, EXPORT, CSV):
        kill_a_run(undisturbed, outputs, "driver and jvm", moment, seconds(("replace", moment), 0.1))
    check_the_next_run(undisturbed, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [HALF_A_CHUNK_IS_WRITTEN, CSV])
def test_the_next_run_need_not_wait_for_the_java_of_a_killed_driver(
    moment: Moment, undisturbed: Undisturbed, outputs: Outputs
) -> None:
    with started_run(undisturbed.photos, outputs) as killed:
        killed.kill_after(moment, 0, VICTIMS["driver"])
        killed.wait()
        complete_run(undisturbed.photos, outputs)
        killed.wait_for_the_last()
    check_results(undisturbed, outputs)


@pytest.mark.parametrize(
    ("file", "delay"),
    [
        ("06_models/networks/*/.*", 0.0),  # a file of the network is being written
        pytest.param("06_models/networks/*/*.xml", 0.0, marks=pytest.mark.slow),  # not all of its files are there
        pytest.param("04_feature/.lock", 8.0, marks=pytest.mark.slow),  # Spark starts, or Keras builds
    ],
)
def test_a_run_killed_while_it_builds_its_network_leaves_none(
    file: str, delay: float, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    outputs = Outputs(tmp_path / "data")
    with started_run(undisturbed.photos, outputs) as run:
        run.kill_after(Moment(file=file), delay, VICTIMS["driver and jvm"])
        run.wait_for_the_last()
    assert list(outputs.networks.glob("*/network.json")) == []
    complete_run(undisturbed.photos, outputs)
    check_results(undisturbed, outputs)
    (record,) = outputs.networks.glob("*/network.json")
    whole = undisturbed.outputs.networks / record.parent.name
    for name in json.loads(record.read_text())["files"]:
        assert (record.parent / name).read_bytes() == (whole / name).read_bytes()


# --- workers ----------------------------------------------------------------------------------------------------------


def test_a_run_outlives_its_workers(undisturbed: Undisturbed, outputs: Outputs) -> None:
    with started_run(undisturbed.photos, outputs) as run:
        for _ in range(3):  # Spark tries a task four times
            run.kill_after(THE_FIRST_CHUNK_BEGINS, 0.5, Run.python_workers)
        assert run.wait() == 0, run.text
        run.wait_for_the_last()
    assert "Exception in task" in run.text, "it hit a worker at work"
    check_results(undisturbed, outputs)
    assert outputs.counts()["featurized"] == undisturbed.n_photos


@pytest.mark.slow
@pytest.mark.parametrize("victims", ["one worker", "all workers", "daemons"])
def test_a_run_outlives_what_is_killed_in_every_stage(victims: str, undisturbed: Undisturbed, outputs: Outputs) -> None:
    dice = random.Random(victims)
    choose: dict[str, Callable[[Run], list[psutil.Process]]] = {
        "one worker": lambda run: dice.sample(run.python_workers(), 1),
        "all workers": Run.python_workers,
        "daemons": Run.python_daemons,
    }
    with started_run(undisturbed.photos, outputs) as run:
        for moment in (A_CHUNK_IS_WRITTEN, A_CHUNK_IS_SAVED, REDUCTION, EXPORT):
            run.kill_after(moment, dice.uniform(0, 0.2), choose[victims])
        assert run.wait() == 0, run.text
        run.wait_for_the_last()
    check_results(undisturbed, outputs)
    assert outputs.counts()["featurized"] == undisturbed.n_photos


@pytest.mark.slow
def test_a_run_outlives_the_executors_of_a_cluster(undisturbed: Undisturbed, outputs: Outputs, tmp_path: Path) -> None:
    with standalone_cluster(2, tmp_path / "cluster") as cluster:
        conf = cluster.configuration(tmp_path / "conf", like="test", executor_memory="1g")
        options = ("--conf-source", str(conf))
        with started_run(undisturbed.photos, outputs, *options, env=ENV) as run:
            for moment in (A_CHUNK_IS_WRITTEN, REDUCTION):
                run.kill_after(moment, seconds(("executor", moment), 0.2), lambda _: cluster.executors()[:1])
            assert run.wait() == 0, run.text
            run.wait_for_the_last()
    check_results(undisturbed, outputs)
    assert outputs.counts()["featurized"] == undisturbed.n_photos

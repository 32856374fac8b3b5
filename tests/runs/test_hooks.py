"""What happens around a run: names are checked, Spark is started as conf says, and a report is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from fruit_features import __version__
from fruit_features.hooks.output_lock import OutputLockHooks
from fruit_features.hooks.places import places
from fruit_features.hooks.preflight.photos import check_photos
from fruit_features.photos.tree import glob_to_regex
from fruit_features.pipeline_registry import register_pipelines
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kedro.framework.context import KedroContext
    from pyspark.sql import SparkSession

    from tests.support.photos import PhotoTree


def load_context(**runtime_params: Any) -> KedroContext:
    with KedroSession.create(PROJECT, env="test", runtime_params=runtime_params) as session:
        return session.load_context()


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("image_root", "did you mean 'images_root'?"),
        ("outputroot", "did you mean 'output_root'?"),
        ("reductions", "did you mean 'reduction'?"),
        (
            "x",
            "known: export, featurization, findings, force, images_root, ingestion, models_root, output_root, reduction, "
            "reporting",
        ),
    ],
)
def test_a_parameter_that_nothing_reads_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match="unknown parameter") as caught:
        load_context(**{name: "value"})
    assert str(caught.value) == f"unknown parameter '{name}': {hint}"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"featurization": {"bach_size": 3}}, "unknown parameter 'bach_size': did you mean 'batch_size'?"),
        ({"featurization": {"backbone": "vgg16"}}, "backbone 'vgg16' is unknown"),
        ({"reduction": {"variance_threshold": 1.5}}, "variance_threshold"),
        ({"reporting": {"max_scatter_points": 0}}, "max_scatter_points"),
        ({"reporting": {"max_quality_photos": -1}}, "max_quality_photos"),
    ],
)
def test_a_wrong_parameter_of_a_stage_is_refused_with_the_context(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match="Parameter validation failed") as caught:
        load_context(**parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_force_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^force=.*: allowed are true and false, as in kedro run --params force=true$"):
        load_context(force=value)


def test_known_parameters_are_typed_and_merged_with_those_of_conf() -> None:
    params = load_context(images_root="/photos", models_root="/models", featurization={"chunk_size": 7}).params
    featurization = params["featurization"]
    assert (type(featurization).__name__, featurization.chunk_size) == ("FeaturizationParameters", 7)
    assert featurization.backbone == "efficientnet_lite0", "from conf/test"
    assert featurization.calibration_seed == 0, "from conf/base"


# --- the folder of photos ---------------------------------------------------------------------------------------------


def look_for_photos(images_root: str, pipeline: str) -> None:
    check(pipeline, images_root=images_root)


def check(pipeline: str, **roots: str) -> None:
    context = load_context(**roots)
    catalog = context.config_loader["catalog"]
    is_photo = glob_to_regex(catalog["images"]["load_args"]["pathGlobFilter"])
    check_photos(pipelines[pipeline], places(context), is_photo)


@pytest.mark.parametrize("pipeline", ["__default__", "ingestion", "featurization", "project"])
def test_a_missing_folder_of_photos_is_named(pipeline: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"images_root={tmp_path}/absent: there is no such folder.*--params"):
        look_for_photos(f"{tmp_path}/absent", pipeline)


def test_a_file_is_no_folder_of_photos(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(NotADirectoryError, match=r"photo\.jpg is a file, not a folder.*--params images_root=FOLDER"):
        look_for_photos(f"{tmp_path}/photo.jpg", "ingestion")


def test_a_folder_without_photos_is_refused_and_what_is_there_is_counted(tmp_path: Path) -> None:
    (tmp_path / "photos" / "Pear").mkdir(parents=True)
    for name in ("a.mov", "b.MOV", "notes.txt", "_c.jpg", ".d.jpg"):
        (tmp_path / "photos" / "Pear" / name).touch()
    message = r"there is no photo in it, but other files \(\.mov 2, \.\*\.jpg 1, \.txt 1, _\*\.jpg 1\)\."
    with pytest.raises(ValueError, match=message):
        look_for_photos(f"{tmp_path}/photos", "ingestion")


def test_one_photo_is_enough_to_be_projected_but_not_to_fit_a_pca(tmp_path: Path) -> None:
    (tmp_path / "photos" / "Pear").mkdir(parents=True)
    (tmp_path / "photos" / "Pear" / "a.JPeG").touch()
    look_for_photos(f"{tmp_path}/photos", "project")
    with pytest.raises(ValueError, match=r"there is one photo, and a PCA needs at least 2.*--pipelines project"):
        look_for_photos(f"{tmp_path}/photos", "__default__")
    (tmp_path / "photos" / "Pear" / "b.png").touch()
    look_for_photos(f"{tmp_path}/photos", "__default__")


def test_photos_behind_a_link_count(tmp_path: Path) -> None:
    for folder in ("photos", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "a.jpg").touch()
    look_for_photos(f"{tmp_path}/photos", "ingestion")


def test_links_to_what_is_listed_already_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "photos"
    (root / "Pear").mkdir(parents=True)
    (root / "Pear" / "a.jpg").touch()
    for link, target in {"Pear/again": "..", "Quince": "Pear"}.items():
        (root / link).symlink_to(target, target_is_directory=True)
    look_for_photos(str(root), "ingestion")
    (record,) = caplog.records
    assert record.getMessage() == (
        "2 links are left out, as the photos that they lead to are listed by another path already. The first is "
        f"{root}/Pear/again, which leads to {root}"
    )


def test_a_folder_with_nothing_that_can_be_read_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match=r"but 1 path that cannot be read, such as .*/pipe\.jpg: not a file"):
        look_for_photos(str(tmp_path), "ingestion")


@pytest.mark.parametrize("output_root", ["photos", "photos/results", "photos/../photos/results"])
def test_results_among_the_photos_are_refused(tmp_path: Path, output_root: str) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"output_root=.* lies in images_root=.*--params output_root=FOLDER"):
        check("__default__", images_root=f"{tmp_path}/photos", output_root=f"{tmp_path}/{output_root}")


@pytest.mark.parametrize("pipeline", ["reduction", "export", "reporting"])
def test_stages_after_featurization_need_no_photos(pipeline: str, tmp_path: Path) -> None:
    look_for_photos(f"{tmp_path}/absent", pipeline)


@pytest.mark.parametrize("images_root", ["s3a://bucket/photos", "hdfs://host/photos"])
def test_a_remote_folder_is_left_to_spark(images_root: str) -> None:
    look_for_photos(images_root, "ingestion")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are its user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("closed", ["photos", "photos/Pear"])
def test_a_folder_that_may_not_be_read_is_named(closed: str, open_folder: Path) -> None:
    root, folder = open_folder / "photos", open_folder / closed
    folder.mkdir(parents=True)
    folder.chmod(0o300)
    program = f"""
import os, sys
from pathlib import Path
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from fruit_features.hooks.places import places
from fruit_features.hooks.preflight.photos import check_photos
from fruit_features.photos.tree import glob_to_regex

bootstrap_project(Path({str(PROJECT)!r}))
ingestion = pipelines["ingestion"]
with KedroSession.create({str(PROJECT)!r}, env="test", runtime_params={{"images_root": {str(root)!r}}}) as session:
    found = places(session.load_context())
if os.getuid() == 0:
    os.setuid(65534)  # root may read everything
try:
    check_photos(ingestion, found, glob_to_regex("*.jpg"))
except PermissionError as error:
    sys.exit(str(error))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=PROJECT)
    what = "the folder" if closed == "photos" else f"{folder}, so it is not known which photos it holds"
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith(f"images_root={root}: this user may not read {what}. Let it"), message


def test_photos_that_spark_does_not_see_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (
        "Pear/_DSC0001.JPG",
        "_unsorted/1.jpg",
        "_unsorted/_2.jpg",
        "Pear/.hidden.jpg",
        ".cache/_3.jpg",
        "Pear/4.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    look_for_photos(str(tmp_path), "ingestion")
    (record,) = caplog.records
    assert record.getMessage().startswith("2 files or folders are left out")
    assert record.getMessage().endswith((f"{tmp_path}/_unsorted", f"{tmp_path}/Pear/_DSC0001.JPG"))


def test_a_relative_folder_is_the_projects_wherever_the_command_is_given(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        look_for_photos("data/01_raw/sample", "ingestion")


# --- what does not fit together -----------------------------------------------------------------------------------------


def test_more_components_than_features_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match=r"reduction\.n_components=1281: efficientnet_lite0 gives 1280 features"):
        load_context(reduction={"n_components": 1281})
    load_context(reduction={"n_components": 1280})


# --- one run at a time ------------------------------------------------------------------------------------------------


def output_lock(output_root: Path | str, **roots: str) -> OutputLockHooks:
    hooks = OutputLockHooks()
    hooks.after_context_created(load_context(output_root=str(output_root), **roots))
    return hooks


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    first, second = output_lock(tmp_path), output_lock(tmp_path)
    first.before_pipeline_run(pipelines["ingestion"])
    message = rf"another run \(process {os.getpid()}\) is writing to {tmp_path}.*--params output_root"
    with pytest.raises(RuntimeError, match=message):
        second.before_pipeline_run(pipelines["ingestion"])
    output_lock(tmp_path / "another").before_pipeline_run(pipelines["ingestion"])


def test_two_runs_do_not_fit_a_pca_for_one_folder_of_models(tmp_path: Path) -> None:
    fits, projects = pipelines["__default__"], pipelines["project"]
    shared = {"models_root": str(tmp_path / "one" / "06_models")}
    first = output_lock(tmp_path / "one")  # its own folder of models is the one that the others name
    first.before_pipeline_run(fits)
    message = rf"another run \(process {os.getpid()}\) is writing to {shared['models_root']}: .*--params models_root=FOLDER"
    with pytest.raises(RuntimeError, match=message):
        output_lock(tmp_path / "two", **shared).before_pipeline_run(fits)
    output_lock(tmp_path / "two", **shared).before_pipeline_run(projects)  # whoever was refused has left no lock behind
    first.after_pipeline_run()
    output_lock(tmp_path / "three", **shared).before_pipeline_run(fits)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(OSError, match=r"output_root=/proc/x: this user cannot write there \(No such file or directory\)"):
        output_lock(Path("/proc/x")).before_pipeline_run(pipelines["ingestion"])


@pytest.mark.parametrize("release", ["after_pipeline_run", "on_pipeline_error"])
def test_a_run_that_ended_or_failed_is_in_nobodys_way(release: str, tmp_path: Path) -> None:
    first, second = output_lock(tmp_path), output_lock(tmp_path)
    first.before_pipeline_run(pipelines["ingestion"])
    getattr(first, release)()
    second.before_pipeline_run(pipelines["ingestion"])


def test_the_folder_is_locked_until_every_report_is_written(tmp_path: Path) -> None:
    lock, found = output_lock(tmp_path), []

    class Reporter:
        @hook_impl
        def after_pipeline_run(self) -> None:
            with pytest.raises(RuntimeError, match="another run"):
                output_lock(tmp_path).before_pipeline_run(pipelines["ingestion"])
            found.append("locked")

    manager = _create_hook_manager()
    for hooks in (Reporter(), lock):  # in the order of `settings.HOOKS`, where reports come first
        manager.register(hooks)
    lock.before_pipeline_run(pipelines["ingestion"])
    manager.hook.after_pipeline_run(run_params={}, run_result={}, pipeline=pipelines["reporting"], catalog=None)
    assert found == ["locked"]
    output_lock(tmp_path).before_pipeline_run(pipelines["ingestion"])


def test_the_lock_of_a_dead_run_is_void(tmp_path: Path) -> None:
    program = f"""
import fcntl, os, signal
from pathlib import Path
folder = Path({str(tmp_path)!r}, "04_feature")
folder.mkdir()
lock = (folder / ".lock").open("a+")
fcntl.flock(lock, fcntl.LOCK_EX)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    output_lock(tmp_path).before_pipeline_run(pipelines["ingestion"])


# --- Spark ------------------------------------------------------------------------------------------------------------


def test_spark_is_started_as_base_and_environment_say(spark: SparkSession) -> None:
    assert spark.sparkContext.master == "local[2,4]", "from conf/test"
    assert spark.sparkContext.appName == "fruit_features", "from conf/base"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def test_workers_run_on_this_python(spark: SparkSession) -> None:
    prefixes = spark.sparkContext.parallelize(range(2), 2).map(lambda _: __import__("sys").prefix).collect()
    assert set(prefixes) == {sys.prefix}


def test_workers_have_imported_the_engine_before_they_are_needed(tmp_path: Path) -> None:
    program = f"""
import sys, threading
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pyspark.sql import SparkSession
from fruit_features.hooks.spark import SparkHooks

project = Path({str(PROJECT)!r})
bootstrap_project(project)
with KedroSession.create(project, env="test") as session:
    hooks = SparkHooks()
    hooks.after_context_created(session.load_context())
    hooks.before_pipeline_run()
(warm_up,) = (thread for thread in threading.enumerate() if thread.name == "warm up workers")
warm_up.join()

def look(batches):
    for batch in batches:
        yield batch.filter([("openvino" in sys.modules)] * len(batch))

assert SparkSession.active().range(4, numPartitions=2).mapInArrow(look, "id long").count() == 4
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_a_context_costs_no_spark(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
project = Path({str(PROJECT)!r})
bootstrap_project(project)
with KedroSession.create(project, env="test") as session:
    assert session.load_context().catalog["images"]
from pyspark import SparkContext
assert SparkContext._gateway is None, "a JVM was started"
import sys
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env={**os.environ, "JAVA_HOME": "/absent"})


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_report_counts_every_photo(full_run: Outputs, photo_tree: PhotoTree) -> None:
    report = full_run.run_report()
    assert report["counts"] == {
        "listed": photo_tree.n_photos,
        "featurized": photo_tree.n_photos,
        "reused": 0,
        "inferred": len(photo_tree.good),
        "rejected": len(photo_tree.bad),
        "exported": len(photo_tree.good),
        "orientation_ignored": 0,
        "left_out": {".txt": 1},
        "metadata_mismatches": None,
    }
    assert sum(report["rejected_by_reason"].values()) == len(photo_tree.bad)


def test_the_report_says_how_the_numbers_came_about(full_run: Outputs, photo_tree: PhotoTree) -> None:
    report = full_run.run_report()
    assert {report["fingerprint"]} == set(full_run.feature_store()["fingerprint"])
    assert report["parameters"]["images_root"] == str(photo_tree.root)
    assert report["parameters"]["featurization"]["backbone"] == "efficientnet_lite0"
    assert report["parameters"]["reduction"]["variance_threshold"] == 0.9
    assert report["components"] == len(full_run.pca_features_csv().columns) - 2
    assert report["versions"]["fruit-features"] == __version__
    assert report["versions"]["pyspark"] == "4.0.2"
    assert set(report["versions"]) >= {"python", "kedro", "openvino", "numpy", "pillow"}


def test_the_report_times_every_node(full_run: Outputs) -> None:
    report = full_run.run_report()
    seconds = report["seconds_per_node"]
    assert set(seconds) == {node.name for node in register_pipelines()["__default__"].nodes}
    assert min(seconds.values()) >= 0
    assert seconds["featurize_photos"] > 0
    speed = report["counts"]["featurized"] / seconds["featurize_photos"]
    assert report["images_per_second"] == pytest.approx(speed, abs=0.1)


def test_a_run_that_accounts_for_no_photos_leaves_the_report_alone(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "reporting")
    assert outputs.run_report() == full_run.run_report()


def test_a_run_that_featurizes_nothing_says_so(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    """Even where the run before it featurized everything."""
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "export")
    report = outputs.run_report()
    assert report["counts"] == full_run.counts() | {
        "featurized": 0,
        "reused": photo_tree.n_photos,
        "inferred": 0,
        "orientation_ignored": None,
        "left_out": None,
    }
    assert report["images_per_second"] == 0.0
    assert report["pipelines"] == ["export"]
    assert set(report["seconds_per_node"]) == {node.name for node in register_pipelines()["export"].nodes}


def test_the_page_says_what_the_run_took(full_run: Outputs) -> None:
    page, report = full_run.report(), full_run.run_report()
    of_other_steps = {name: seconds for name, seconds in report["seconds_per_node"].items() if name != "render_report"}
    assert len(of_other_steps) == len(report["seconds_per_node"]) - 1, "the page is written by a step of its own"
    for name, seconds in of_other_steps.items():
        assert f'<td>{name}</td><td class="number">{seconds:.1f}</td>' in page
    assert report["fingerprint"] in page
    assert f'<td class="name">images_root</td><td>{report["parameters"]["images_root"]}</td>' in page
    assert f"<td>fruit-features</td><td>{__version__}</td>" in page
    assert "when the run has ended" not in page


def test_a_page_drawn_again_says_what_drawing_it_took(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    """The results on it are the same; what it says of a run is of the run that drew it, and not of the one before."""
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "reporting")
    (results, _, run), (results_before, _, _) = (one.report().partition('<section id="run">') for one in (outputs, full_run))
    assert results == results_before
    assert "This run featurized no photo: it drew the results that were there." in run
    assert "<td>plot_scree</td>" in run
    assert "<td>featurize_photos</td>" not in run
    assert full_run.run_report()["fingerprint"] in run


def test_a_run_that_draws_no_page_leaves_the_page_alone(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "export")
    assert outputs.report() == full_run.report()
    assert outputs.run_report() != full_run.run_report()

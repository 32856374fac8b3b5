"""`conf/emr`: what it leaves to the cluster, and what it takes from the environment."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.framework.session import KedroSession

from tests.support.runs import PROJECT

ENDPOINT = "http://127.0.0.1:9000"


def settings() -> dict[str, Any]:
    with KedroSession.create(PROJECT, env="emr") as session:
        spark: dict[str, Any] = session.load_context().config_loader["spark"]
    return {name: value for name, value in spark.items() if value is not None}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "FRUIT_FEATURES_SPARK_MASTER"):
        monkeypatch.delenv(name, raising=False)


def test_a_cluster_decides_on_its_own_sizes_and_addresses() -> None:
    spark = settings()
    assert spark["spark.master"] == "yarn"
    for name in ("driver.memory", "driver.host", "driver.bindAddress", "sql.shuffle.partitions", "hadoop.fs.s3a.endpoint"):
        assert f"spark.{name}" not in spark
    assert spark["spark.hadoop.fs.s3a.path.style.access"] is False


def test_another_store_is_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ENDPOINT)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    spark = settings()
    assert spark["spark.hadoop.fs.s3a.endpoint"] == ENDPOINT
    assert spark["spark.hadoop.fs.s3a.path.style.access"] is True
    assert spark["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-3"


def test_one_machine_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUIT_FEATURES_SPARK_MASTER", "local[2,4]")
    assert settings()["spark.master"] == "local[2,4]"

"""What the tests on a cluster share: S3, YARN, the packaged project, the sample in a bucket, and a local run on it."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fruit_features.emr.environment import Target
from fruit_features.emr.package import package as package_project
from fruit_features.networks.backbones import BACKBONES
from tests.support.cluster import tools
from tests.support.cluster.object_store import ObjectStore, running_store
from tests.support.cluster.places import Prefix
from tests.support.cluster.submission import Package
from tests.support.cluster.yarn import Yarn, running_yarn
from tests.support.killing import complete_run
from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = PROJECT / "data" / "01_raw" / "sample"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, as two are run at a time."""
    items.sort(key=lambda item: item.path.name != "test_yarn.py")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A running S3 server."""
    tools.require_tools()
    with running_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    """A running YARN."""
    tools.require_tools()
    with running_yarn(tmp_path_factory.mktemp("yarn")) as running:
        yield running


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """What `make package` writes."""
    dist = tmp_path_factory.mktemp("dist")
    package_project(PROJECT, dist, Target(platform.machine(), Path(sys.executable).resolve()))
    return Package(dist)


@pytest.fixture(scope="session")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """What `make demo` leaves."""
    outputs = Outputs(tmp_path_factory.mktemp("local") / "data")
    complete_run(SAMPLE, outputs, env="demo")
    return outputs


@pytest.fixture(scope="session")
def weights() -> Path:
    """The file of the demo's weights: where no network is built, it is only looked at."""
    path = BACKBONES.find("efficientnet_lite0").resolve_weights("imagenet").path
    assert path is not None
    return path


@pytest.fixture(scope="session")
def sample(store: ObjectStore) -> Prefix:
    """The sample in a bucket; tests that change photos take others."""
    store.client.create_bucket(Bucket="sample")
    prefix = Prefix(store, "sample", "all photos/sample")
    prefix.upload(SAMPLE)
    return prefix


@pytest.fixture
def nowhere_yet(store: ObjectStore, request: pytest.FixtureRequest) -> Prefix:
    """A bucket where nothing has run yet."""
    bucket = f"results-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
    store.client.create_bucket(Bucket=bucket)
    return Prefix(store, bucket, "runs/one")


@pytest.fixture
def results(nowhere_yet: Prefix, local_run: Outputs) -> Prefix:
    """The same with the network, which takes a minute to build."""
    nowhere_yet.upload(local_run.networks, "06_models/networks")
    return nowhere_yet

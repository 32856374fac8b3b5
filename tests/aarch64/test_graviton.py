"""The environment for Graviton: what is in it runs on such a processor, and gives the numbers of this machine's."""

from __future__ import annotations

import pickle
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.accumulators import INT_ACCUMULATOR_PARAM, Accumulator

from fruit_features.emr.environment import AMAZON_LINUX_GLIBC
from fruit_features.networks.building import build_network
from fruit_features.photos.reading import PhotoReader
from fruit_features.spark.featurizer import PhotoFeaturizer
from tests.support.killing import started_run
from tests.support.photos import COLOURS, fruit, write_photo_tree
from tests.support.runs import Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from fruit_features.networks.network import Network
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters
    from tests.support.emulated_node import Node
    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.aarch64

TOLERANCE = 1e-4
"""How far the features of the two processors may be apart."""

ROUNDING = 1e-4
"""By what part facts such as the contrast, and shares of the variance, may differ."""

_ELF, _AARCH64 = b"\x7fELF", 183
_AMAZON_LINUX_GLIBCXX = 29
"""Amazon Linux 2023 has the C++ library of GCC 11, version 3.4.29."""

_FEATURIZE = """
import pickle, sys
import pyarrow as pa
with open(sys.argv[1], "rb") as task:
    featurize, batch = pickle.load(task)
(result,) = featurize(iter([batch]))
with pa.OSFile(sys.argv[2], "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
    writer.write(result)
"""


def test_libraries_are_for_the_processor_and_ask_for_no_newer_system_than_amazon_linux(node: Node) -> None:
    libraries = {path: path.read_bytes() for path in node.environment.rglob("*.so*") if path.is_file()}
    libraries = {path: content for path, content in libraries.items() if content.startswith(_ELF)}
    assert len(libraries) > 100
    for path, content in libraries.items():
        assert int.from_bytes(content[18:20], "little") == _AARCH64, path
        assert newest(content, rb"GLIBC_2") <= AMAZON_LINUX_GLIBC, path
        assert newest(content, rb"GLIBCXX_3\.4") <= _AMAZON_LINUX_GLIBCXX, path


def newest(library: bytes, version: bytes) -> int:
    """The newest version of a system's library that a library names: what it asks for, as it was linked against it."""
    return max((int(minor) for minor in re.findall(rb"\0" + version + rb"\.(\d+)(?:\.\d+)?(?=\0)", library)), default=0)


def test_the_node_is_another_machine(node: Node) -> None:
    said = node.run("-c", "import platform, sys; print(platform.machine(), sys.executable, sys.prefix)")
    assert said.split() == ["aarch64", str(node.environment / "bin" / "python"), str(node.environment)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> PhotoTree:
    """Photos in all formats and colour modes, five of them broken."""
    return write_photo_tree(tmp_path_factory.mktemp("photos") / "my photos")


def test_workers_give_the_features_of_this_machine(
    node: Node,
    tree: PhotoTree,
    parameters: FeaturizationParameters,
    network_parameters: dict[str, str],
    tmp_path: Path,
) -> None:
    featurize = featurizer(build_network(parameters.model_copy(update=network_parameters).network, None))
    batch = listing(tree)
    (here,) = featurize(iter([batch]))
    task, result = tmp_path / "task.pickle", tmp_path / "features.arrow"
    task.write_bytes(pickle.dumps((featurize, batch)))
    node.run("-c", _FEATURIZE, str(task), str(result))
    with pa.OSFile(str(result)) as file:
        (there,) = pa.ipc.open_file(file).read_all().to_batches()
    everything_else = [batch.drop_columns("features").to_pandas() for batch in (there, here)]
    pd.testing.assert_frame_equal(*everything_else, rtol=ROUNDING)
    assert_features_agree(features_of(here), features_of(there), n_photos=len(tree.good))


def featurizer(network: Network) -> PhotoFeaturizer:
    """What Spark sends to a worker; the network comes with it, where Spark would broadcast it."""
    return PhotoFeaturizer(
        PhotoReader(3),
        SimpleNamespace(value=network),  # type: ignore[arg-type]
        fingerprint=network.fingerprint,
        batch_size=4,
        decoding={},
        done=Accumulator(0, 0, INT_ACCUMULATOR_PARAM),
        rejected=Accumulator(1, 0, INT_ACCUMULATOR_PARAM),
    )


def listing(tree: PhotoTree) -> pa.RecordBatch:
    """The tree as the listing hands it to a worker."""
    files = sorted(tree.good | tree.bad.keys())
    return pa.RecordBatch.from_pydict(
        {
            "path": pa.array([f"file:{file}" for file in files]),
            "length": pa.array([file.stat().st_size for file in files]),
            "modificationTime": pa.array(
                [file.stat().st_mtime_ns // 1_000_000 * 1000 for file in files], pa.timestamp("us", "UTC")
            ),
            "digest": pa.nulls(len(files), pa.string()),
        }
    )


def features_of(batch: pa.RecordBatch) -> np.ndarray:
    return np.stack(batch.column("features").drop_null().to_numpy(zero_copy_only=False))


def assert_features_agree(here: np.ndarray, there: np.ndarray, n_photos: int) -> None:
    """They are as near as the tolerance, which is far less than what sets one photo apart from another."""
    assert here.shape == there.shape == (n_photos, 1280)
    np.testing.assert_allclose(there, here, rtol=0, atol=TOLERANCE)
    assert here.std(axis=0).max() > 1000 * TOLERANCE


def test_a_whole_run_exports_the_table_of_this_machine(node: Node, network_parameters: dict[str, str], tmp_path: Path) -> None:
    photos, here, there = tmp_path / "photos", Outputs(tmp_path / "here"), Outputs(tmp_path / "there")
    for label in COLOURS:
        (photos / label).mkdir(parents=True)
        for number in range(4):
            fruit(label, number).save(photos / label / f"{number}.jpg")
    given = ",".join(f"featurization.{name}={value}" for name, value in network_parameters.items())
    with started_run(photos, here, env="demo", parameters=given) as run:
        assert run.wait() == 0, run.text
    here.with_networks_only(there.root)
    roots = f"images_root={photos},output_root={there.root}"
    said = node.spark_submit("--master", "local[2,4]", "run.py", "--env", "demo", "--params", f"{roots},{given}")
    assert re.search(r"photos exported +12 ", said)
    assert "Building" not in said
    stores = [outputs.stored_photos().sort_values("path") for outputs in (here, there)]
    assert_features_agree(*(np.stack(store["features"].tolist()) for store in stores), n_photos=12)
    tables = [outputs.pca_features_csv() for outputs in (here, there)]
    assert tables[0].columns.tolist() == tables[1].columns.tolist()
    assert tables[0][["path", "label"]].equals(tables[1][["path", "label"]])
    components = [table.filter(like="pca_").to_numpy() for table in tables]
    np.testing.assert_allclose(components[1], components[0], rtol=0, atol=ROUNDING * np.abs(components[0]).max())

"""Weights and networks on S3: the same as on a disk, and what cannot be read is named with its URI and the fix."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import openvino
import pytest
from kedro.framework.session import KedroSession
from s3fs import S3FileSystem

from fruit_features.emr.submit import _read_conf
from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.engines.file_checks import inspect
from fruit_features.networks.weights import WeightsError
from tests.support.cluster.object_store import User
from tests.support.network_files import SIZE, cnn, contract
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from tests.support.cluster.object_store import ObjectStore
    from tests.support.cluster.places import Prefix

pytestmark = pytest.mark.cluster


@pytest.fixture
def networks(nowhere_yet: Prefix, monkeypatch: pytest.MonkeyPatch) -> Prefix:
    """A prefix in a bucket, which this process has the right to read."""
    use(nowhere_yet.store, monkeypatch)
    return nowhere_yet


def use(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()


def write_network(backbone: str, folder: Path) -> Path:
    """Write a network that has weights beside its own file."""
    folder.mkdir()
    if backbone == "onnx":
        (folder / "parts").mkdir()
        onnx.save(cnn(), folder / "own net.onnx", save_as_external_data=True, location="parts/1.data", size_threshold=0)
        return folder / "own net.onnx"
    (folder / "net.onnx").write_bytes(cnn().SerializeToString())
    openvino.save_model(openvino.Core().read_model(folder / "net.onnx"), folder / "own net.xml")
    (folder / "net.onnx").unlink()
    return folder / "own net.xml"


def network_format(backbone: str) -> NetworkFormat:
    found = BACKBONES.find(backbone)
    assert isinstance(found, NetworkFormat)
    return found


@pytest.mark.parametrize("backbone", ["onnx", "ir"])
@pytest.mark.parametrize("protocol", ["s3", "s3a"])
def test_a_network_of_two_files_is_the_same_as_on_a_disk(
    backbone: str, protocol: str, networks: Prefix, tmp_path: Path
) -> None:
    file = write_network(backbone, tmp_path / "networks")
    networks.upload(file.parent)
    uri = f"{protocol}://{networks.bucket}/{networks.name}/{file.name}"
    kind = network_format(backbone)
    here, there = kind.resolve_weights(str(file)), kind.resolve_weights(uri)
    assert (there.digest, there.companions, there.source) == (here.digest, here.companions, uri)
    assert kind.read(there) == kind.read(here)
    assert kind.resolve_weights(uri) == there, "which was not fetched again"


def test_weights_of_keras_are_the_same_as_on_a_disk(networks: Prefix, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    network: keras.Model = keras.applications.MobileNet(weights=None, include_top=False, pooling="avg")
    network.save_weights(tmp_path / "own.weights.h5")
    networks.upload(tmp_path)
    backbone = BACKBONES.find("keras:MobileNet")
    assert not isinstance(backbone, NetworkFormat)
    weights = backbone.resolve_weights(f"{networks.uri}/own.weights.h5")
    assert weights.digest == backbone.resolve_weights(str(tmp_path / "own.weights.h5")).digest
    for expected, array in zip(network.get_weights(), backbone.build(weights, 96).get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.usefixtures("spark")
def test_a_run_with_a_network_on_s3_goes_on_from_one_on_a_disk(networks: Prefix, tmp_path: Path) -> None:
    for label in COLOURS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "photos" / label / f"{number}.jpg").write_bytes(encoded(fruit(label, number), "JPEG"))
    (tmp_path / "own.onnx").write_bytes(cnn().SerializeToString())
    networks.put("own.onnx", cnn().SerializeToString())
    outputs = Outputs(tmp_path / "output")

    def run(weights: str) -> dict[str, Any]:
        run_project(tmp_path / "photos", outputs, featurization={"backbone": "onnx", "weights": weights})
        return outputs.counts()

    assert run(f"{networks.uri}/own.onnx")["inferred"] == 4 * len(COLOURS)
    assert run(str(tmp_path / "own.onnx"))["inferred"] == 0, "the same content has the same fingerprint"
    networks.put("own.onnx", cnn(n_features=6).SerializeToString())
    counts = run(f"{networks.uri}/own.onnx")
    assert counts["inferred"] == counts["exported"] == 4 * len(COLOURS), "another content is another network"


def test_what_is_not_there_is_named_with_the_command_that_shows_what_is(networks: Prefix) -> None:
    kind = network_format("onnx")
    for uri in (f"{networks.uri}/absent.onnx", "s3a://no-such-bucket/absent.onnx"):
        with pytest.raises(WeightsError, match="there is no such object, or no such bucket") as caught:
            kind.resolve_weights(uri)
        as_aws_has_it = uri.replace("s3a://", "s3://")
        assert str(caught.value).startswith(f"weights '{uri}': ")
        assert f"`aws s3 ls {as_aws_has_it.removesuffix('absent.onnx')}`" in str(caught.value)
        assert f"`aws s3 cp FILE {as_aws_has_it}`" in str(caught.value)
    with pytest.raises(WeightsError, match=r"weights=s3://my bucket!/own.onnx: no bucket can be called that\. Names of"):
        kind.resolve_weights("s3://my bucket!/own.onnx")
    for uri in ("s3://bucket/", "s3://bucket", "s3://"):
        with pytest.raises(WeightsError, match="there is no such object"):
            BACKBONES.find("mobilenet_v2").resolve_weights(uri)


def test_weights_that_are_missing_beside_a_network_are_named(networks: Prefix, tmp_path: Path) -> None:
    networks.put("own.onnx", write_network("onnx", tmp_path / "networks").read_bytes())
    with pytest.raises(WeightsError) as caught:
        network_format("onnx").resolve_weights(f"{networks.uri}/own.onnx")
    assert str(caught.value) == (
        f"weights '{networks.uri}/own.onnx': the file parts/1.data is missing, which holds weights of this network. It has to "
        f"lie beside it: put it into {networks.uri}"
    )


def test_a_network_that_does_not_fit_is_named_by_its_uri(networks: Prefix) -> None:
    networks.put("grey.onnx", cnn(("batch", 1, SIZE, SIZE)).SerializeToString())
    weights = network_format("onnx").resolve_weights(f"{networks.uri}/grey.onnx")
    files = network_format("onnx").read(weights)
    refused = pytest.raises(WeightsError, match=f"^{networks.uri}/grey.onnx: its input .* photos have 3")
    with refused, ENGINES.find("openvino").read(weights.place, *files) as network:
        inspect(weights.place, network, contract(), None)


def test_wrong_credentials_and_missing_rights_are_told_apart(networks: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    networks.put("own.onnx", cnn().SerializeToString())
    store = networks.store
    for user, reason in (
        (store.add_user("who-may-read-nothing"), "these credentials may not read there"),
        (User("", ""), "there are no AWS credentials"),
    ):
        use(store.as_user(user), monkeypatch)
        with pytest.raises(WeightsError) as caught:
            network_format("onnx").resolve_weights(f"{networks.uri}/own.onnx")
        assert str(caught.value).startswith(f"featurization.weights={networks.uri}/own.onnx: {reason}")


def test_a_change_is_noticed_and_nothing_is_left_behind(networks: Prefix, tmp_path: Path) -> None:
    networks.put("own.onnx", cnn().SerializeToString())
    program = """
import sys
import fsspec
from fruit_features.networks.backbones import BACKBONES
kind, uri = BACKBONES.find("onnx"), sys.argv[1]
first = kind.resolve_weights(uri)
content = kind.read(first)[0]
fsspec.filesystem("s3").pipe_file(uri.removeprefix("s3a://"), content.replace(b"network", b"NETWORK"))
second = kind.resolve_weights(uri)
assert first.digest != second.digest
assert kind.read(first)[0] == content, "a run goes on with what it began with"
print(first.path, second.path)
"""
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", program, f"{networks.uri}/own.onnx"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert printed.count(str(tmp_path / "tmp")) == 2
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_submit_takes_a_network_on_s3_and_knows_its_fingerprint(networks: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    networks.put("own.onnx", cnn().SerializeToString())
    monkeypatch.chdir(PROJECT)
    given = {"backbone": "onnx", "weights": f"{networks.uri}/own.onnx"}
    roots = {"images_root": f"{networks.uri}/images", "output_root": f"{networks.uri}/output"}
    _, fingerprint = _read_conf({**roots, "featurization": given}, None, "x86_64")
    with KedroSession.create(runtime_params={"featurization": given}) as session:
        context = session.load_context()  # type: ignore[attr-defined]
    assert fingerprint == context.params["featurization"].network.fingerprint()

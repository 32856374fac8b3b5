"""Networks on disk: written once, found by configuration, and never half."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from kedro.io import DatasetError

from fruit_features.datasets import NetworkDataset, NetworksDataset
from fruit_features.networks.network import Network

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = Network(
    fingerprint="0123456789abcdef",
    configuration="0123456789abcdef",
    backbone="tiny",
    engine="openvino",
    precision="f32",
    input_size=32,
    n_features=5,
    files={"network.xml": b"<net/>", "network.bin": bytes(range(256))},
)
CALIBRATED = dataclasses.replace(
    NETWORK, fingerprint="calibrated", configuration="fedcba9876543210", precision="int8", files={"network.xml": b"8"}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "networks"


@pytest.fixture
def network(folder: Path) -> NetworkDataset:
    return NetworkDataset(filepath=folder.as_posix())


@pytest.fixture
def networks(folder: Path) -> NetworksDataset:
    return NetworksDataset(filepath=folder.as_posix())


def test_a_saved_network_is_loaded_as_it_was(network: NetworkDataset) -> None:
    network.save(NETWORK)
    assert network.load() == NETWORK


def test_a_network_lies_in_a_folder_of_its_fingerprint(network: NetworkDataset, folder: Path) -> None:
    network.save(NETWORK)
    files = {path.name: path.read_bytes() for path in (folder / NETWORK.fingerprint).iterdir()}
    record = json.loads(files.pop("network.json"))
    assert files == NETWORK.files
    assert {name: record[name] for name in ("fingerprint", "backbone", "engine", "precision")} == {
        "fingerprint": "0123456789abcdef",
        "backbone": "tiny",
        "engine": "openvino",
        "precision": "f32",
    }


def test_networks_are_found_by_their_configuration(network: NetworkDataset, networks: NetworksDataset) -> None:
    network.save(NETWORK)
    network.save(CALIBRATED)
    kept = networks.load()
    assert {name: stored.load() for name, stored in kept.items()} == {
        "0123456789abcdef": NETWORK,
        "fedcba9876543210": CALIBRATED,
    }


def test_there_are_no_networks_before_the_first_run(networks: NetworksDataset, network: NetworkDataset) -> None:
    assert networks.load() == {}
    assert not network.exists()
    with pytest.raises(DatasetError, match="this run has no network yet: the featurization"):
        network.load()


def test_a_network_is_that_of_this_run_and_of_no_other(network: NetworkDataset, folder: Path) -> None:
    network.save(NETWORK)
    another_run = NetworkDataset(filepath=folder.as_posix())
    assert not another_run.exists()
    with pytest.raises(DatasetError, match="this run has no network yet"):
        another_run.load()
    another_run.save(CALIBRATED)
    assert (network.load(), another_run.load()) == (NETWORK, CALIBRATED)


def test_the_parameters_of_a_network_are_kept_with_it(network: NetworkDataset, networks: NetworksDataset) -> None:
    network.save(dataclasses.replace(NETWORK, parameters={"precision": "f32", "jpeg_draft": True}))
    (stored,) = networks.load().values()
    assert (stored.fingerprint, stored.parameters) == (NETWORK.fingerprint, {"precision": "f32", "jpeg_draft": True})


def test_a_network_that_an_earlier_version_kept_has_no_parameters(
    network: NetworkDataset, networks: NetworksDataset, folder: Path
) -> None:
    network.save(NETWORK)
    path = folder / NETWORK.fingerprint / "network.json"
    record = json.loads(path.read_text())
    del record["parameters"], record["sha256_of_the_rest"]
    path.write_text(json.dumps(record))
    (stored,) = networks.load().values()
    assert (stored.parameters, stored.load()) == ({}, NETWORK)


def test_a_record_that_was_cut_short_is_named(network: NetworkDataset, networks: NetworksDataset, folder: Path) -> None:
    network.save(NETWORK)
    path = folder / NETWORK.fingerprint / "network.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DatasetError, match=r"network\.json is damaged.*delete .*, and the next run builds it anew"):
        networks.load()


def test_a_changed_digit_in_a_record_is_found(network: NetworkDataset, networks: NetworksDataset, folder: Path) -> None:
    network.save(NETWORK)
    path = folder / NETWORK.fingerprint / "network.json"
    whole = path.read_text()
    for changed in (whole.replace('"input_size": 32', '"input_size": 33'), whole.replace("sha256_of", "sha257_of"), "[]"):
        assert changed != whole
        path.write_text(changed)
        with pytest.raises(DatasetError, match=r"network\.json is damaged.*delete .*, and the next run builds it anew"):
            networks.load()


def test_a_dataset_sees_what_another_one_saved_since(network: NetworkDataset, networks: NetworksDataset) -> None:
    assert networks.load() == {}
    network.save(NETWORK)
    assert list(networks.load()) == [NETWORK.configuration]


def test_saving_a_network_again_writes_nothing(network: NetworkDataset, folder: Path) -> None:
    network.save(NETWORK)
    before = {path: path.stat().st_mtime_ns for path in (folder / NETWORK.fingerprint).iterdir()}
    network.save(NETWORK)
    assert {path: path.stat().st_mtime_ns for path in (folder / NETWORK.fingerprint).iterdir()} == before
    assert network.load() == NETWORK


def test_what_a_dying_run_left_counts_as_absent(network: NetworkDataset, networks: NetworksDataset, folder: Path) -> None:
    (folder / NETWORK.fingerprint).mkdir(parents=True)
    (folder / NETWORK.fingerprint / "network.bin").write_bytes(b"hal")
    assert networks.load() == {}
    assert not network.exists()
    network.save(NETWORK)
    assert network.load() == NETWORK


@pytest.mark.parametrize("name", ["network.bin", "network.xml"])
def test_a_damaged_file_is_named(network: NetworkDataset, networks: NetworksDataset, folder: Path, name: str) -> None:
    network.save(NETWORK)
    damaged = folder / NETWORK.fingerprint / name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    message = rf"{NETWORK.fingerprint}/{name} is damaged: delete .*{NETWORK.fingerprint}, and the next run builds it"
    with pytest.raises(DatasetError, match=message):
        networks.load()[NETWORK.configuration].load()


def test_a_deleted_network_can_be_built_anew(network: NetworkDataset, networks: NetworksDataset, folder: Path) -> None:
    network.save(NETWORK)
    for path in (folder / NETWORK.fingerprint).iterdir():
        path.unlink()
    (folder / NETWORK.fingerprint).rmdir()
    assert networks.load() == {}
    network.save(NETWORK)
    assert network.load() == NETWORK


def test_networks_are_written_one_by_one(networks: NetworksDataset) -> None:
    with pytest.raises(DatasetError, match="read-only: save a single network as `network`"):
        networks.save({})


def test_networks_live_on_any_file_system() -> None:
    network, networks = (kind(filepath="memory://bucket/networks") for kind in (NetworkDataset, NetworksDataset))
    network.save(NETWORK)
    assert network.load() == NETWORK
    assert networks.load()[NETWORK.configuration].load() == NETWORK

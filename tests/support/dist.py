"""What is there before a submit: the files of `dist/`, and the network that an earlier run kept."""

from __future__ import annotations

import sys
import tarfile
from typing import TYPE_CHECKING

import yaml

from fruit_features.datasets import NetworkDataset
from fruit_features.networks.network import Network
from fruit_features.pipelines.featurization.parameters import FeaturizationParameters
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


def write_dist(folder: Path) -> Path:
    """Files as `make package` names them; the environment is too small to run anything, and no service here would."""
    folder.mkdir()
    (folder / "run.py").write_text("from fruit_features.__main__ import main\n\nmain()\n")
    with tarfile.open(folder / "conf-fruit_features.tar.gz", "w:gz") as archive:
        archive.add(PROJECT / "conf" / "base", "conf/base")
    with tarfile.open(folder / "environment-x86_64.tar.gz", "w:gz") as archive:
        archive.add(sys.executable, "bin/python", recursive=False)
    return folder


def keep_network(networks: Path | str, precision: str) -> None:
    """Keep a network as a run of this precision would: under its name, though with other layers."""
    defaults = yaml.safe_load((PROJECT / "conf/base/parameters_featurization.yml").read_text())["featurization"]
    parameters = FeaturizationParameters(**defaults | {"precision": precision})
    network = Network(
        fingerprint=f"of-{precision}",
        configuration=parameters.network.fingerprint(),
        backbone=parameters.backbone,
        engine=parameters.engine,
        precision=parameters.precision,
        input_size=224,
        n_features=1280,
        files={"network.xml": b"<net/>"},
    )
    NetworkDataset(filepath=str(networks)).save(network)

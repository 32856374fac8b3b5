"""What these tests share: the packaged project on an emulated node, and the parameters of a network."""

from __future__ import annotations

import os
import shutil
import tarfile

import pytest

from fruit_features.emr.environment import ENGINE_OF_ALL_NODES, Target
from fruit_features.emr.package import package
from fruit_features.networks.backbones import BACKBONES
from tests.support.emulated_node import MACHINE, PYTHON, Node, node_root, require_tools
from tests.support.featurization import parameters
from tests.support.runs import PROJECT

__all__ = ["parameters"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with what `make package MACHINE=aarch64` writes, unpacked as Spark does it."""
    require_tools()
    dist, folder = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("node")
    package(PROJECT, dist, Target(MACHINE, PYTHON))
    for archive, name in ((f"environment-{MACHINE}.tar.gz", "environment"), ("conf-fruit_features.tar.gz", "conf")):
        with tarfile.open(dist / archive) as tar:
            tar.extractall(folder / name, filter="fully_trusted")  # bin/python leads out of the archive
    shutil.copy(dist / "run.py", folder)
    return Node(node_root(), folder)


@pytest.fixture(scope="session")
def network_parameters() -> dict[str, str]:
    """The demo's network, by ONNX Runtime. The Python package of its weights is not shipped: they are named as a file."""
    weights = BACKBONES.find("efficientnet_lite0").resolve_weights("imagenet").path
    return {"backbone": "efficientnet_lite0", "weights": str(weights), "engine": ENGINE_OF_ALL_NODES}

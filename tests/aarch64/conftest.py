"""What these tests share: the packaged project on an emulated node, and a network of random weights."""

from __future__ import annotations

import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from fruit_features.emr.environment import Target
from fruit_features.emr.package import package
from tests.support.emulated_node import MACHINE, PYTHON, Node, node_root, require_tools
from tests.support.featurization import parameters
from tests.support.random_mobilenet import random_mobilenet
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

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
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNetV2's weights, drawn at random, in a file that `featurization.weights` takes."""
    file = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    random_mobilenet().save_weights(file)
    return file

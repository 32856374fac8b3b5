"""What the pipelines' tests share: the listing of the tree, as the catalog and the ingestion pipeline make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.listing import list_by_folder
from tests.support.runs import Outputs, load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from tests.support.photos import PhotoTree


@pytest.fixture
def images(spark: SparkSession, photo_tree: PhotoTree, tmp_path: Path) -> DataFrame:
    """`photo_tree`, through the catalog."""
    loaded: DataFrame = load_catalog(photo_tree.root, Outputs(tmp_path)).load("images")
    return loaded


@pytest.fixture
def photos(images: DataFrame) -> DataFrame:
    """The listing of `photo_tree`."""
    return list_by_folder(images)

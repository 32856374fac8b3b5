"""Kedro datasets that the ecosystem lacks."""

from fruit_features.datasets.growing_spark import GrowingSparkDataset, ReplacedSparkDataset
from fruit_features.datasets.network import NetworkDataset, NetworksDataset
from fruit_features.datasets.pictures import PicturesDataset

__all__ = ["GrowingSparkDataset", "NetworkDataset", "NetworksDataset", "PicturesDataset", "ReplacedSparkDataset"]

"""Kedro datasets that the ecosystem lacks."""

from fruit_features.datasets.growing_spark import GrowingSparkDataset, ReplacedSparkDataset
from fruit_features.datasets.network import NetworkDataset, NetworksDataset

__all__ = ["GrowingSparkDataset", "NetworkDataset", "NetworksDataset", "ReplacedSparkDataset"]

"""Kedro datasets that the ecosystem lacks."""

from fruit_features.datasets.embeddings import EmbeddingsDataset
from fruit_features.datasets.growing_spark import GrowingSparkDataset, ReplacedSparkDataset
from fruit_features.datasets.metadata import MetadataDataset
from fruit_features.datasets.network import NetworkDataset, NetworksDataset
from fruit_features.datasets.photo_folder import PhotoFolderDataset
from fruit_features.datasets.photo_reader import PhotoReaderDataset
from fruit_features.datasets.spreadsheet_csv import SpreadsheetCSVDataset
from fruit_features.datasets.swapped_spark import SwappedSparkDataset

__all__ = [
    "EmbeddingsDataset",
    "GrowingSparkDataset",
    "MetadataDataset",
    "NetworkDataset",
    "NetworksDataset",
    "PhotoFolderDataset",
    "PhotoReaderDataset",
    "ReplacedSparkDataset",
    "SpreadsheetCSVDataset",
    "SwappedSparkDataset",
]

"""Labelled photos to deep features to principal components, on Kedro and Spark."""

__version__ = "0.1.0"

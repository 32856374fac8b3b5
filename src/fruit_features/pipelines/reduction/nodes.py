"""Nodes of the reduction pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from fruit_features.analysis.reduction import Reduction
from fruit_features.pipelines.reduction.parameters import ReductionParameters
from fruit_features.spark.feature_store import usable_features
from fruit_features.spark.reducers import REDUCERS


def fit_pca(
    featurized_photos: DataFrame, feature_store: DataFrame, parameters: ReductionParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the reduction to the features of the photos that have some.

    The same photos give the same bits, whatever the number of cores and the history of the feature store.

    Args:
        featurized_photos: What became of each listed photo: path, label, digest, fingerprint, error.
        feature_store: The features of all photos ever featurized.
        parameters: Which reducer, and threshold or number of components.

    Returns:
        (pca_model, explained_variance). Of a PCA, the first is one row with mean (list<double>[n_features]), eigenvalues
        (list<double>[n_features]), eigenvectors (list<list<double>>, a kept component each), n_components, n_photos,
        fingerprint, centred, variance_threshold. The second has a row per component with component (from 1),
        explained_variance_ratio, cumulative; none for a reduction that explains no variance.

    Raises:
        ValueError: Fewer than two photos, or no variance.

    """
    reduction = REDUCERS.find(parameters.reducer).fit(usable_features(featurized_photos, feature_store), parameters)
    return pd.DataFrame([reduction.to_record()]), _explained_variance_table(reduction)


def _explained_variance_table(reduction: Reduction) -> pd.DataFrame:
    ratio = reduction.explained_variance_ratio
    if ratio is None:
        ratio = np.empty(0)
    return pd.DataFrame(
        {
            "component": np.arange(1, len(ratio) + 1),
            "explained_variance_ratio": ratio,
            "cumulative": np.cumsum(ratio),
        }
    )

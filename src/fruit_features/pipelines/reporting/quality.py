"""How well labels are told apart: accuracies, a table of labels, and which labels are confused with which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.analysis import separability
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.scatters import as_text, shorten
from fruit_features.spark.feature_store import components_of, join_features, names_of
from fruit_features.spark.sampling import is_sampled

QUALITY: Final = ["features", "n_columns", "classifier", "accuracy", "n_train", "n_test", "note"]

LABEL_QUALITY: Final = ["label", "n_photos", "recall", "precision", "most_confused_with", "n_confused"]

CONFUSION: Final = ["label", "predicted", "n_photos"]

MAX_LABELS: Final = 40
"""Labels that the heat map shows, the most confused ones; more could not be read."""

_OTHERS: Final = "(other labels)"

_NETWORK, _PCA = "network", "PCA"

_PROBE_TOLERANCE: Final = 1e-3
"""Where the linear probe stops: a finer tolerance would make the report take minutes if there are hundreds of labels."""

_MAX_LENGTH_BESIDE_THE_MAP: Final = 24
"""Characters of a label; the whole of it is shown when one points at a cell."""

_RIGHT, _WRONG = "99,110,250", "239,85,59"

_COLOURS: Final = [
    (0.0, f"rgba({_WRONG},1)"),
    (0.4999, f"rgba({_WRONG},0.2)"),  # a single photo that was confused is seen, however many there are
    (0.5, "rgba(0,0,0,0)"),
    (0.5001, f"rgba({_RIGHT},0.2)"),
    (1.0, f"rgba({_RIGHT},1)"),
]
"""Of shares of a label's photos, negative ones for those that were confused."""


def measure_quality(
    featurized_photos: DataFrame,
    feature_store: DataFrame,
    pca_features: DataFrame,
    copies: pd.DataFrame,
    parameters: ReportingParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Measure how well labels are told apart by all features and by the components that were kept, on the same photos.

    Args:
        featurized_photos: What became of each listed photo: path, label, split if there is one, digest, fingerprint, error.
        feature_store: The features of all photos ever featurized.
        pca_features: path, label, split if there is one, pca_1 .. pca_k.
        copies: path, group: photos that are copies of one another. Photos of the same digest are copies, too.
        parameters: Number of photos, and the seed of their choice and of the folds.

    Returns:
        (quality, label_quality, confusion). A row per kind of features and classifier: features, n_columns, classifier,
        accuracy (in [0, 1]), n_train, n_test (numbers of photos, all of which have a label), and as note the method. Of the
        linear probe on the components, a row per label: label, n_photos, recall, precision (in [0, 1]), most_confused_with (a
        label, or null), n_confused (photos that got it); and a row per label and label that its photos got: label, predicted,
        n_photos. Where nothing could be measured, the first has one row with a note that says why, and the others none.

    """
    if parameters.max_quality_photos == 0:
        return _unmeasured("reporting.max_quality_photos is 0")
    is_labelled = F.col("label").isNotNull()
    n_labelled = pca_features.where(is_labelled).count()
    is_measured = is_labelled & is_sampled(parameters.max_quality_photos, n_labelled, parameters.seed)
    usable = join_features(featurized_photos.where(is_measured), feature_store)
    photos = usable.select(*names_of(usable), "digest", "features").toArrow().sort_by("path")
    columns = F.array(*components_of(pca_features)).alias("features")
    components = pca_features.where(is_measured).select("path", columns).toArrow().sort_by("path")
    labels = photos.column("label").to_pylist()
    splits = photos.column("split").to_pylist() if "split" in photos.column_names else None
    try:
        trial = separability.plan_trial(labels, _group_copies(photos, copies), splits, parameters.seed)
    except separability.UnmeasurableError as reason:
        is_sample = n_labelled > parameters.max_quality_photos
        of_sample = (
            f", in a sample of {len(labels):,} of {n_labelled:,} photos: reporting.max_quality_photos" if is_sample else ""
        )
        return _unmeasured(f"{reason}{of_sample}")
    rows, given = [], [labels[photo] for photo in trial.named]
    scores: list[separability.Score] = []
    for name, table in ((_NETWORK, photos), (_PCA, components)):
        values = _matrix(table)
        scores = separability.score_classifiers(values, labels, trial, tolerance=_PROBE_TOLERANCE)
        rows += [
            (name, values.shape[1], score.classifier, score.accuracy, score.n_train, score.n_test, trial.method)
            for score in scores
        ]
    (probe,) = (score for score in scores if score.classifier == separability.LINEAR_PROBE)
    return pd.DataFrame(rows, columns=QUALITY), *tabulate_labels(given, probe.predicted)


def tabulate_labels(given: Sequence[str], predicted: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate what became of the photos of each label.

    Args:
        given: Labels of the named photos.
        predicted: The labels that a classifier gave them.

    Returns:
        (label_quality, confusion): `LABEL_QUALITY` and `CONFUSION`, in the order of the labels.

    """
    pairs = pd.DataFrame({"label": given, "predicted": predicted}, dtype=object)
    confusion = pairs.groupby(["label", "predicted"], as_index=False).size().rename(columns={"size": "n_photos"})
    wrong = confusion[confusion["label"] != confusion["predicted"]]
    most = wrong.sort_values(["n_photos", "predicted"], ascending=[False, True]).drop_duplicates("label").set_index("label")
    scores = separability.score_labels(given, predicted)
    labels = pd.DataFrame([(score.label, score.n_photos, score.recall, score.precision) for score in scores])
    labels.columns = pd.Index(LABEL_QUALITY[:4])
    labels["most_confused_with"] = labels["label"].map(most["predicted"])
    labels["n_confused"] = labels["label"].map(most["n_photos"]).fillna(0).astype(int)
    return labels, confusion[CONFUSION]


def plot_confusion(confusion: pd.DataFrame) -> go.Figure:
    """Plot which labels are confused: a cell is the share of a label's photos that got a label.

    Of more than `MAX_LABELS` labels, those that are confused most are shown, and all others together.

    Args:
        confusion: label, predicted, n_photos.

    """
    if confusion.empty:
        return go.Figure().update_layout(title="Which labels are confused was not measured")
    names, n_others = _choose_labels(confusion)
    places = {name: place for place, name in enumerate(names)}
    shown = [*names, _OTHERS] if n_others else names
    counts = np.zeros((len(shown), len(shown)), np.int64)
    rows, cells = (confusion[column].map(places).fillna(len(names)).astype(int) for column in ("label", "predicted"))
    np.add.at(counts, (rows.to_numpy(), cells.to_numpy()), confusion["n_photos"].to_numpy(np.int64))
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    is_right = np.eye(len(shown), dtype=bool)
    figure = go.Figure(
        go.Heatmap(
            z=np.where(is_right, shares, -shares).tolist(),
            zmin=-1,
            zmax=1,
            colorscale=_COLOURS,
            showscale=False,
            xgap=1,
            ygap=1,
            # Whole texts, and no template: in one, a label with %{x} in it would be replaced by a number.
            hoverinfo="text",
            hovertext=[
                [
                    f"{as_text(label)}<br>was named {as_text(predicted)}:<br>{count:,} of {total:,} photos"
                    for predicted, count in zip(shown, of_label, strict=True)
                ]
                for label, of_label, total in zip(shown, counts.tolist(), totals[:, 0].tolist(), strict=True)
            ],
        )
    )
    most_confused = f": the {len(names)} labels that are confused most, and {n_others:,} others" if n_others else ""
    ticks = {
        "tickvals": list(range(len(shown))),
        "ticktext": [as_text(shorten(name, _MAX_LENGTH_BESIDE_THE_MAP)) for name in shown],
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
    }
    return figure.update_layout(
        title=f"Which labels are confused{most_confused}",
        height=260 + 18 * len(shown),
        xaxis={"title": "was named", "tickangle": -45, **ticks},
        yaxis={"title": "label", "autorange": "reversed", **ticks},
    )


def _choose_labels(confusion: pd.DataFrame) -> tuple[list[str], int]:
    """Choose the labels that the heat map shows, in their order, and count all others."""
    wrong = confusion[confusion["label"] != confusion["predicted"]]
    names = sorted({*confusion["label"], *confusion["predicted"]})
    n_wrong = pd.Series(0, index=pd.Index(names, dtype=object))
    for column in ("label", "predicted"):
        n_wrong = n_wrong.add(wrong.groupby(column)["n_photos"].sum(), fill_value=0)
    by_confusion = n_wrong.sort_index().sort_values(ascending=False, kind="stable")
    return sorted(by_confusion.index[:MAX_LABELS]), max(0, len(names) - MAX_LABELS)


def _group_copies(photos: pa.Table, copies: pd.DataFrame) -> NDArray[np.integer]:
    """Number the groups of copies that photos are in, (n_photos,).

    Args:
        photos: path, digest.
        copies: path, group; if findings were not looked for, it is empty, and only photos of one digest are copies.

    """
    paths = pd.Series(photos.column("path").to_pylist(), dtype=object)
    group_of_path = dict(zip(copies["path"], copies["group"], strict=True))
    contents = zip(paths, photos.column("digest").to_pylist(), strict=True)
    numbers, _ = pd.factorize(np.array([group_of_path.get(path, digest) for path, digest in contents], object))
    return numbers


def _matrix(photos: pa.Table) -> NDArray[np.float32]:
    """Take the column features out of a table of some photos: float32 (n_photos, n_columns)."""
    values: NDArray[np.float32] = photos.column("features").combine_chunks().flatten().to_numpy()
    return values.reshape(len(photos), -1)


def _unmeasured(reason: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    quality = pd.DataFrame([{"note": f"Not measured: {reason}"}], columns=QUALITY)
    return quality, pd.DataFrame(columns=LABEL_QUALITY), pd.DataFrame(columns=CONFUSION)

"""Nodes of the findings pipeline."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.analysis import copies as rules
from fruit_features.analysis import label_issues as labelling
from fruit_features.analysis import oddness
from fruit_features.pipelines.findings import corrections as correcting
from fruit_features.pipelines.findings.parameters import FindingsParameters
from fruit_features.pipelines.findings.tables import (
    COPIES,
    LABEL_ISSUES,
    as_arrow,
    count_kinds,
    describe_copies,
    disarm_formulas,
    findings_table,
    rank_findings,
)
from fruit_features.spark import neighbours as searching
from fruit_features.spark.arrow_tables import from_arrow
from fruit_features.spark.feature_store import components_of
from fruit_features.spark.near_copies import find_candidates
from fruit_features.spark.sampling import is_sampled
from fruit_features.terminal.wording import count_of

logger = logging.getLogger(__name__)


def _is_wanted(featurization_counts: dict[str, int], parameters: FindingsParameters) -> bool:
    """Whether anything is looked for among the photos that became features."""
    return parameters.enabled and _count_usable(featurization_counts) <= parameters.max_photos


def _count_usable(featurization_counts: dict[str, int]) -> int:
    return featurization_counts["listed"] - featurization_counts["rejected"]


def find_neighbours(
    pca_features: DataFrame, featurization_counts: dict[str, int], parameters: FindingsParameters
) -> DataFrame:
    """Find the nearest neighbours of every photo, on the components.

    Args:
        pca_features: path, label, pca_1 .. pca_k.
        featurization_counts: listed, rejected: all others have features.
        parameters: How many, and how distance is measured.

    Returns:
        path, rank (int, from 1), neighbour (path), distance (float).

    """
    is_wanted = _is_wanted(featurization_counts, parameters)
    if parameters.enabled and not is_wanted:
        logger.warning(
            "There are more than findings.max_photos=%s photos: no neighbours and no findings are looked for, as the driver "
            "would hold the paths and facts of all. Give a larger number to look for them all the same",
            f"{parameters.max_photos:,}",
        )
    photos = pca_features.select("path", F.array(*components_of(pca_features)).cast("array<float>").alias("vector"))
    searched = photos if is_wanted else photos.limit(0)
    is_exact = _count_usable(featurization_counts) <= parameters.max_exact_photos
    return searching.find_neighbours(searched, parameters.n_neighbours, parameters.metric, is_exact=is_exact)


def find_copies(
    featurized_photos: DataFrame, featurization_counts: dict[str, int], parameters: FindingsParameters
) -> pd.DataFrame:
    """Group photos that are copies of one another: of the same content, or with thumbnails that differ as those of copies do.

    Args:
        featurized_photos: What became of each listed photo: path, digest, thumbnail, error.
        featurization_counts: listed, rejected: all others have features.
        parameters: How much thumbnails of copies may differ.

    Returns:
        A row for each photo of a group, in the order of their paths: path; group, the first path of the group; kind
        (`exact_duplicate`, `near_duplicate`, or None for the first one); compared_with, the path that it is a copy of;
        score, in [0, 1].

    """
    usable = featurized_photos.where(F.col("error").isNull())
    if not _is_wanted(featurization_counts, parameters):
        return pd.DataFrame(columns=COPIES)
    photos = usable.select("path", "digest").toPandas().sort_values("path", ignore_index=True)
    first_of_content = photos.groupby("digest")["path"].transform("first")
    is_exact = len(photos) <= parameters.max_exact_photos
    pairs = _find_near_duplicates(usable, parameters.max_copy_distance, is_exact=is_exact)
    return describe_copies(photos["path"], first_of_content, pairs, parameters.max_copy_distance)


def _find_near_duplicates(usable: DataFrame, max_distance: float, *, is_exact: bool) -> pd.DataFrame:
    """Find pairs of different contents whose thumbnails, or mirrored thumbnails, are those of copies.

    Args:
        usable: path, digest, thumbnail.
        max_distance: Grey levels by which they differ at most; 0: none are looked for.
        is_exact: Compare all thumbnails with one another; else with those that an index holds to be near.

    Returns:
        first, second (paths), distance (grey levels, root mean square).

    """
    if not max_distance:
        return pd.DataFrame({"first": [], "second": [], "distance": []})
    of_content = F.min("path").alias("path"), F.first("thumbnail", ignorenulls=True).alias("thumbnail")
    contents = usable.groupBy("digest").agg(*of_content)
    found = find_candidates(contents, max_distance, is_exact=is_exact).toPandas()
    found = found.sort_values(["path", "neighbour", "is_mirrored"], ignore_index=True)
    sides = ["path", "is_mirrored"]
    known = found.drop_duplicates(sides).set_index(sides)["surroundings"]
    of_other = known.reindex(pd.MultiIndex.from_frame(found[["neighbour", "is_mirrored"]])).to_numpy(np.float64)
    candidates = rules.CandidatePairs(
        found["distance"].to_numpy(np.float64),
        found["relative_distance"].to_numpy(np.float64),
        np.column_stack([found["surroundings"].to_numpy(np.float64), of_other]),
    )
    copies = found[candidates.are_copies(max_distance)]
    return copies.rename(columns={"path": "first", "neighbour": "second"})[["first", "second", "distance"]]


def find_label_issues(
    pca_features: DataFrame, copies: pd.DataFrame, featurization_counts: dict[str, int], parameters: FindingsParameters
) -> pd.DataFrame:
    """Find labels that are probably wrong, by classifiers that have seen neither the photo nor a copy of it.

    Args:
        pca_features: path, label, pca_1 .. pca_k.
        copies: path, group.
        featurization_counts: listed, rejected: all others have features.
        parameters: The score of an issue at least, how many photos are looked at, and a seed.

    Returns:
        path, score (1 minus the probability of the given label), suggested_label, in the order of their paths.

    """
    if not _is_wanted(featurization_counts, parameters):
        return pd.DataFrame(columns=LABEL_ISSUES)
    labelled = pca_features.where(F.col("label").isNotNull())
    is_sample = _count_usable(featurization_counts) > parameters.max_label_photos
    n_labelled = labelled.count() if is_sample else _count_usable(featurization_counts)
    is_looked_at = is_sampled(parameters.max_label_photos, n_labelled, parameters.seed)
    columns = F.array(*components_of(pca_features)).alias("features")
    table = labelled.where(is_looked_at).select("path", "label", columns).toArrow().sort_by("path")
    paths = pd.Series(table.column("path").to_pylist(), dtype=object)
    rows = table.column("features").combine_chunks().flatten().to_numpy().reshape(len(paths), -1 if len(paths) else 0)
    groups, _ = pd.factorize(paths.map(copies.set_index("path")["group"]).fillna(paths))
    issues = labelling.find_label_issues(
        rows, table.column("label").to_pylist(), groups, parameters.seed, min_score=parameters.min_label_issue_score
    )
    found = [(paths[issue.photo], issue.score, issue.suggested_label) for issue in issues]
    return pd.DataFrame(found, columns=LABEL_ISSUES)


def collect_findings(
    featurized_photos: DataFrame,
    neighbours: DataFrame,
    copies: pd.DataFrame,
    label_issues: pd.DataFrame,
    featurization_counts: dict[str, int],
    parameters: FindingsParameters,
) -> tuple[DataFrame, pd.DataFrame, dict[str, int]]:
    """Put everything that was found into one table, and look for outliers and odd photos meanwhile.

    Args:
        featurized_photos: What became of each listed photo: path, label, split if there is one, facts, error.
        neighbours: path, rank, neighbour, distance.
        copies: What `find_copies` returned.
        label_issues: What `find_label_issues` returned.
        featurization_counts: listed, rejected: all others have features.
        parameters: From where on a photo is odd, and whether to disarm what a spreadsheet would take for a formula.

    Returns:
        (findings, findings_csv, finding_counts). A row per finding: path, label, split, kind, score (in [0, 1]), compared_with
        (a path, or null), suggested_label (of a label issue), rank (from 1, within the kind); the same, for people; how many
        there are of each kind.

    """
    split = F.col("split") if "split" in featurized_photos.columns else F.lit(None).cast("string").alias("split")
    without_error = featurized_photos.where(F.col("error").isNull())
    usable = without_error if _is_wanted(featurization_counts, parameters) else without_error.limit(0)
    photos = usable.select("path", "label", split, *oddness.FACTS).toPandas().sort_values("path", ignore_index=True)
    of_nearest = F.when(F.col("rank") == 1, F.col("neighbour")).alias("neighbour")
    is_an_end = F.col("rank").isin(1, parameters.n_neighbours)
    ends = neighbours.where(is_an_end).select("path", "rank", of_nearest, "distance").toPandas()
    farthest = ends[ends["rank"] == parameters.n_neighbours]
    nearest = ends[ends["rank"] == 1]
    odd = [
        findings_table(photos, kind, *oddness.find_odd(scores, parameters.odd_threshold))
        for kind, scores in _score_photos(photos, farthest, parameters.odd_threshold).items()
    ]
    found = rank_findings(photos, copies, label_issues, pd.concat(odd), nearest)
    table = from_arrow(featurized_photos.sparkSession, as_arrow(found))
    return table.coalesce(1), disarm_formulas(found) if parameters.escape_formulas else found, count_kinds(found)


def _score_photos(photos: pd.DataFrame, farthest: pd.DataFrame, threshold: float) -> dict[str, NDArray[np.float64]]:
    """Score photos by kind of finding, (n_photos,) each: the higher, the odder."""
    distances = photos["path"].map(farthest.set_index("path")["distance"]).to_numpy(np.float64)
    labels = [label if isinstance(label, str) else None for label in photos["label"]]
    facts = {name: photos[name].to_numpy(np.float64) for name in oddness.FACTS}
    return {"outlier": oddness.score_distances(distances, labels, threshold), **oddness.score_facts(facts, threshold)}


def suggest_corrections(images: DataFrame, photos: DataFrame, findings: DataFrame) -> pd.DataFrame:
    """Lay out what there is to decide about findings, for people to say what they agree to.

    Args:
        images: path, file_name (the path below the folder).
        photos: path, label, split if there is one, error: the listing that the findings are of.
        findings: path, label, split, kind, score, compared_with, suggested_label, rank.

    Returns:
        `corrections.CORRECTIONS`, a row for each photo with a finding, the most serious ones first.

    """
    sheet = correcting.suggest_corrections(findings.toPandas(), _name_photos(images, photos))
    logger.info(
        "%s to decide on: in the table corrections, write yes into the column agree where you do",
        count_of(len(sheet), "photo"),
    )
    return sheet


def apply_corrections(images: DataFrame, photos: DataFrame, agreed_corrections: pd.DataFrame) -> pd.DataFrame:
    """Write a table of labels for the next run, which differs from this one's labels where somebody has agreed.

    Args:
        images: path, file_name (the path below the folder).
        photos: path, label, split if there is one, error: the listing that the findings were of.
        agreed_corrections: file_name, suggested_label, suggested_use, agree, and other columns: texts.

    Returns:
        file_name, label, split if there is one, use, of every listed photo, in the order of their names.

    Raises:
        ValueError: The sheet lacks a column, or has a value that is not allowed.

    """
    named = _name_photos(images, photos).sort_values("file_name", ignore_index=True)
    metadata = correcting.apply_corrections(named, agreed_corrections)
    changes = correcting.count_changes(named, metadata)
    if not changes.total():
        logger.warning("Nobody has agreed to anything: corrected_metadata has the labels that the photos have")
    logger.info(
        "%s changed, %s left out, %s taken back",
        count_of(changes["labels"], "label"),
        count_of(changes["left_out"], "photo"),
        count_of(changes["taken_back"], "photo"),
    )
    return metadata


def _name_photos(images: DataFrame, photos: DataFrame) -> pd.DataFrame:
    """Give the listed photos the names by which a table of labels knows them.

    Raises:
        ValueError: None of the photos is there.

    """
    named = photos.join(images.select("path", "file_name"), "path").drop("length", "modificationTime").toPandas()
    if named.empty:
        raise ValueError(
            "none of the photos that were listed last is in images_root. Give the --env and --params of the run that "
            "listed them"
        )
    return named

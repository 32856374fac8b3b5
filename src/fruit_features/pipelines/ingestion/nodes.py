"""Nodes of the ingestion pipeline."""

from __future__ import annotations

import logging

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.photos.reasons import LEFT_OUT
from fruit_features.pipelines.ingestion.labels import has_split, label_matcher
from fruit_features.pipelines.ingestion.parameters import IngestionParameters
from fruit_features.spark.arrow_tables import from_arrow
from fruit_features.spark.feature_store import refuse_unread
from fruit_features.terminal.wording import count_of, printable

logger = logging.getLogger(__name__)

NOT_IN_FOLDER = "in the table, but not in the folder"
NOT_IN_TABLE = "in the folder, but not in the table"

_N_NAMED = 3
"""Files that an error or a warning names."""


def list_photos(
    images: DataFrame, metadata: pa.Table | None, parameters: IngestionParameters
) -> tuple[DataFrame, DataFrame, dict[str, int | None]]:
    """List the photos with their labels, without reading them, and compare the listing with the table of labels.

    Args:
        images: path, file_name (the path below the folder), modificationTime, length, content, and error: why a file can be
            no photo, whatever is in it.
        metadata: file_name, and those of label, split and use that the table has; None if there is no table.
        parameters: The pattern that finds a label, and whether table and folder must match.

    Returns:
        (photos, metadata_mismatches, listing_counts): path, label (string or null), length (bytes), modificationTime, error,
        and split (string or null) if the pattern or the table has one; file_name, problem, in one partition, of the names
        that only the table or only the folder has; and their numbers, not_in_folder and not_in_table, null without a table.

    Raises:
        ValueError: The pattern matches no photo, or table and folder differ and `metadata_must_match` is set.

    """
    labelled = _label_by_path(images, parameters.label_pattern)
    listed = _label_by_table(labelled, metadata) if metadata is not None else labelled
    error = F.coalesce("error", refuse_unread()).alias("error")
    has_split_column = has_split(parameters.label_pattern) or (metadata is not None and "split" in metadata.column_names)
    split = ["split"] if has_split_column else []
    photos = listed.select("path", "label", "length", "modificationTime", error, *split)
    mismatches = _find_mismatches(images, metadata)
    return photos, mismatches, _count_mismatches(mismatches, metadata, parameters)


def _label_by_path(images: DataFrame, pattern: str | None) -> DataFrame:
    """Add label and, if the pattern has such a group, split: by the pattern, or by the folder if there is none."""
    if pattern is None:
        return images.withColumn("label", F.element_at(F.split("path", "/"), -2))
    matched = images.withColumn("match", label_matcher(pattern)("file_name"))
    counts = matched.agg(F.count("*"), F.count_if("match.is_match"), F.min("file_name")).first()
    n_photos, n_matched, first = counts or (0, 0, "")
    if n_photos and not n_matched:
        raise ValueError(
            f"ingestion.label_pattern={pattern}: matched 0 of {count_of(n_photos, 'photo')}, the first of which is "
            f"{printable(first)}. The pattern is searched in paths below images_root such as this one: correct it"
        )
    if n_matched < n_photos:
        logger.warning(
            "ingestion.label_pattern matched %s of %s photos: the others have no label by it",
            f"{n_matched:,}",
            f"{n_photos:,}",
        )
    groups = {name: F.col(f"match.{name}") for name in ("label", *(["split"] if has_split(pattern) else []))}
    return matched.withColumns(groups)


def _label_by_table(labelled: DataFrame, metadata: pa.Table) -> DataFrame:
    """Take label and split of the photos in the table from it, and give an error to those that are not to be used."""
    named = metadata.rename_columns([name if name == "file_name" else f"table_{name}" for name in metadata.column_names])
    table = from_arrow(labelled.sparkSession, named).withColumn("is_in_table", F.lit(True))
    listed = labelled.join(table, "file_name", "left")
    for name in ("label", "split"):
        if name in metadata.column_names:
            by_path = F.col(name) if name in labelled.columns else F.lit(None)
            listed = listed.withColumn(name, F.when(F.col("is_in_table"), F.col(f"table_{name}")).otherwise(by_path))
    if "use" in metadata.column_names:
        listed = listed.withColumn("error", F.when(~F.col("table_use"), LEFT_OUT).otherwise(F.col("error")))
    return listed


def _find_mismatches(images: DataFrame, metadata: pa.Table | None) -> DataFrame:
    spark = images.sparkSession
    if metadata is None:
        return spark.createDataFrame([], "file_name string, problem string")
    in_table = from_arrow(spark, metadata.select(["file_name"])).withColumn("is_in_table", F.lit(True))
    in_folder = images.select("file_name", F.lit(True).alias("is_in_folder"))
    both = in_folder.join(in_table, "file_name", "full")
    problem = F.when(F.col("is_in_folder").isNull(), NOT_IN_FOLDER).when(F.col("is_in_table").isNull(), NOT_IN_TABLE)
    mismatches = both.select("file_name", problem.alias("problem")).where(F.col("problem").isNotNull())
    return mismatches.repartition(1).sortWithinPartitions("file_name")


def _count_mismatches(
    mismatches: DataFrame, metadata: pa.Table | None, parameters: IngestionParameters
) -> dict[str, int | None]:
    """Count the names that only the table or only the folder has, and warn of them, or raise an error if that is asked for."""
    if metadata is None:
        return {"not_in_folder": None, "not_in_table": None}
    counts = {row["problem"]: row["count"] for row in mismatches.groupBy("problem").count().collect()}
    n_not_in_folder, n_not_in_table = counts.get(NOT_IN_FOLDER, 0), counts.get(NOT_IN_TABLE, 0)
    if counts:
        first = ", ".join(printable(row["file_name"]) for row in mismatches.orderBy("file_name").take(_N_NAMED))
        differences = (
            f"ingestion.metadata={parameters.metadata}: {count_of(n_not_in_folder, 'file')} of the table "
            f"{'is' if n_not_in_folder == 1 else 'are'} not among the photos of the folder, and "
            f"{count_of(n_not_in_table, 'photo')} of the folder {'is' if n_not_in_table == 1 else 'are'} not in the table. "
            f"The first of them: {first}"
        )
        if parameters.metadata_must_match:
            raise ValueError(
                f"{differences}. Correct the table or the folder, or give ingestion.metadata_must_match=false to go on all "
                "the same"
            )
        logger.warning("%s. The table metadata_mismatches has them all", differences)
    return {"not_in_folder": n_not_in_folder, "not_in_table": n_not_in_table}

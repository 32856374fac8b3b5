"""fastdup on a folder of photos, with its defaults, as its documentation would have it.

It runs in an environment of its own, and needs neither a network connection nor a licence key. The clock starts when the
package is imported; fastdup lists and decodes the photos, and computes features with a network of its own.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import fastdup
import pandas as pd
from harness.found import as_table, name_of
from harness.task import write_timings

MIN_SIMILARITY = 0.96
"""From which two photos are duplicates: the default of `fastdup.remove_duplicates`, and of its clusters."""

MAX_BLUR, MAX_DARK, MIN_BRIGHT = 150.0, 4.0, 253.0
"""Limits of the Laplacian's variance and of the mean: beyond them its summary counts photos as blurry, dark or bright."""


def main() -> None:
    """Run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--labels", type=Path, required=True, help="CSV file with file_name and label")
    parser.add_argument("--out", type=Path, required=True, help="folder for what was found and the timings")
    arguments = parser.parse_args()

    started = time.perf_counter()
    dataset = fastdup.create(work_dir=arguments.out / "work", input_dir=arguments.photos)
    dataset.run(overwrite=True, run_sentry=False)
    similar, outliers, measures = dataset.similarity(), dataset.outliers(), dataset.img_stats()
    ended = time.perf_counter()

    labels = pd.read_csv(arguments.labels, dtype=str, keep_default_na=False).set_index("file_name")["label"]
    files = name_of(measures["filename"])
    found = [
        as_table(
            "near_duplicate", name_of(similar["filename_from"]), similar["distance"], similar["distance"] > MIN_SIMILARITY
        ).assign(other=name_of(similar["filename_to"]).to_numpy()),
        as_table("outlier", name_of(outliers["filename_outlier"]), -outliers["distance"], outliers["distance"] < 1),
        as_table("dark", files, -measures["mean"], measures["mean"] < MAX_DARK),
        as_table("bright", files, measures["mean"], measures["mean"] > MIN_BRIGHT),
        as_table("blurry", files, -measures["blur"], measures["blur"] < MAX_BLUR),
        label_issues(similar, labels),
    ]
    pd.concat(found).to_csv(arguments.out / "found.csv", index=False)
    write_timings(arguments.out, whole=ended - started)


def label_issues(similar: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Score labels as the gallery of similar photos does: by the share of the similar photos that have the same label.

    With `slice="diff"`, that gallery begins with the photos for which the share is zero. These are taken for found.
    """
    photos, others = name_of(similar["filename_from"]), name_of(similar["filename_to"])
    of_photo, of_other = labels[photos].to_numpy(), labels[others].to_numpy()
    pairs = pd.DataFrame({"photo": photos.to_numpy(), "other_label": of_other, "same": of_photo == of_other})
    same = pairs.groupby("photo")["same"].mean()
    suggested = pairs.groupby("photo")["other_label"].first()
    return as_table("label_issue", same.index.to_series(), 1 - same, same == 0).assign(suggested_label=suggested.to_numpy())


if __name__ == "__main__":
    main()

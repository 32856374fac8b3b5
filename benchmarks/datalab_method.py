"""cleanlab's Datalab on features that are there, as its documentation would have it.

Out-of-sample probabilities come from a logistic regression in five folds, with the settings of Datalab's text tutorial, which
has features of a pretrained network as well. It runs in an environment of its own. The clock starts when the packages are
imported and the features are read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab import Datalab
from harness.found import as_table
from harness.task import write_timings
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict


def main() -> None:
    """Read, look for issues, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="Parquet file with file_name, label, features")
    parser.add_argument("--out", type=Path, required=True, help="folder for what was found and the timings")
    arguments = parser.parse_args()
    table = pd.read_parquet(arguments.features)
    features, labels = np.stack(table["features"].to_list()), table["label"].to_numpy()

    started = time.perf_counter()
    classifier = LogisticRegression(max_iter=400)
    probabilities = cross_val_predict(classifier, features, labels, cv=5, method="predict_proba")
    predicted = time.perf_counter()
    lab = Datalab(data={"label": labels}, label_name="label", verbosity=0)
    lab.find_issues(
        features=features, pred_probs=probabilities, issue_types={"label": {}, "near_duplicate": {}, "outlier": {}}
    )
    ended = time.perf_counter()

    found = pd.concat(tables_of(lab, table["file_name"]))
    found.to_csv(arguments.out / "found.csv", index=False)
    write_timings(arguments.out, probabilities=predicted - started, issues=ended - predicted)


def tables_of(lab: Datalab, names: pd.Series) -> list[pd.DataFrame]:
    """Write what was found as the judge reads it: its scores are low where something is wrong, the judge's are high."""
    labels, outliers, copies = (lab.get_issues(kind) for kind in ("label", "outlier", "near_duplicate"))
    nearest = lab.get_info("near_duplicate")["nearest_neighbor"]
    return [
        as_table("label_issue", names, 1 - labels["label_score"], labels["is_label_issue"]).assign(
            suggested_label=labels["predicted_label"].to_numpy()
        ),
        as_table("outlier", names, 1 - outliers["outlier_score"], outliers["is_outlier_issue"]),
        as_table("near_duplicate", names, -copies["distance_to_nearest_neighbor"], copies["is_near_duplicate_issue"]).assign(
            other=names.to_numpy()[nearest]
        ),
    ]


if __name__ == "__main__":
    main()

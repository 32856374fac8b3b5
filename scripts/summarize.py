"""Say what a run wrote, and where: `python scripts/summarize.py OUTPUT_ROOT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(output_root: str) -> None:
    """Print counts, components and places from `run_report.json` under a local output root."""
    root = Path(output_root)
    report = json.loads((root / "08_reporting" / "run_report.json").read_text())
    (csv,) = (root / "07_model_output" / "pca_features_csv").glob("part-*.csv")
    counts = report["counts"]
    print(
        f"""
  photos listed      {counts["listed"]:>7,}
    featurized now   {counts["featurized"]:>7,}   ({report["images_per_second"]} a second)
    reused           {counts["reused"]:>7,}
  photos rejected    {counts["rejected"]:>7,}   {root}/07_model_output/rejected_images
  photos exported    {counts["exported"]:>7,}   {csv}
  components kept    {report["components"]:>7,}   {root}/08_reporting/explained_variance.csv

  Open {root}/08_reporting/report.html in a browser. `make viz` shows the pipelines."""
    )


if __name__ == "__main__":
    main(sys.argv[1])

"""How good findings are: faults are planted into two sets of photos, and the tables of a run say which of them it has found.

cleanlab's Datalab and fastdup look for the same faults, and are judged by the same rules. The limits by which near duplicates
are told are chosen on each set by itself, and judged on the other one.

    sh benchmarks/setup.sh datalab fastdup
    .venv/bin/python benchmarks/findings.py --images fruits-360-subset solar_cells --scratch scratch
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from harness import machine
from harness.faults import COPIES_THAT_ARE_SOUGHT, NEAR_COPIES, SEED, Photo, plant
from harness.features import read_features
from harness.found import name_of
from harness.judging import Answers, judge
from harness.places import BENCHMARKS, DATALAB_PYTHON, FASTDUP_PYTHON, PROJECT, QUIET
from harness.processes import end_all_when_terminated, run_cold
from harness.project import kedro_run, photo_features, read_report
from harness.tables import NOTHING, number, publish, table
from harness.task import read_timings

from fruit_features.analysis import copies as rules
from fruit_features.analysis.thumbnail_neighbours import deviations, mirror

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STEPS = ("find_neighbours", "find_copies", "find_label_issues", "collect_findings")
OURS = "this project"
COMPUTING = ("scikit-learn", "numpy")
"""What Datalab and this project compute with: the same versions, or the comparison would be of those."""

MIN_PRECISION = 0.9
"""Of near duplicates: what a person has to look through in vain is less than a tenth."""

DEFAULT_DISTANCE = 0.8
"""Of `findings.max_copy_distance`."""

DISTANCES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0)
RATIOS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8)


def run(photos: Path, labels_file: Path, output: Path, pipelines: str = "") -> float:
    """Run the project, with the network of the demo; or some of its pipelines, on the tables that a run has left.

    Returns:
        Seconds of the whole process.

    """
    command = kedro_run(photos, output, env="demo", force=True)
    if pipelines:
        command.insert(-1, f"--pipelines={pipelines}")
    command[-1] += f",ingestion.metadata={labels_file}"
    return run_cold(command, cwd=PROJECT, log=output.with_name("run.log"), env=QUIET).seconds


def read_findings(output: Path) -> pd.DataFrame:
    """Read the findings of a run as the judge wants them."""
    findings = pd.read_parquet(output / "07_model_output" / "findings")
    other, suggested_label = findings["compared_with"].fillna(""), findings["suggested_label"].fillna("")
    names = {"file": name_of(findings["path"]), "other": name_of(other), "suggested_label": suggested_label}
    return findings[["kind", "score"]].assign(is_found=True, **names)


def read_components(output: Path) -> tuple[list[str], np.ndarray]:
    """Read the names of the photos and their principal components, (n_photos, n_components)."""
    components = pd.read_parquet(output / "07_model_output" / "pca_features").sort_values("path")
    return name_of(components["path"]).tolist(), components.filter(regex="^pca_").to_numpy()


def read_raw_features(output: Path, photos: Path) -> tuple[list[str], np.ndarray]:
    """Read the names of the photos and the features of the network, (n_photos, n_features)."""
    features = read_features(photo_features(output), photos)
    return features.photos, features.values


class Side(NamedTuple):
    """What one side has found, and how long that took.

    Attributes:
        found: As the judge wants it.
        starts_with: What it had at the start: features or photos.
        analysis: Seconds, without the start of the process.
        whole: Seconds of the whole process.

    """

    found: pd.DataFrame
    starts_with: str
    analysis: float
    whole: float

    def seconds(self) -> dict[str, Any]:
        """Write down all but what was found."""
        return {"starts_with": self.starts_with, "analysis": round(self.analysis, 2), "whole": round(self.whole, 2)}


def ask_rivals(listed: list[Photo], scratch: Path) -> Iterator[tuple[str, Side]]:
    """Let Datalab, on the components and on the features of a run, and fastdup look for the same faults.

    Datalab is given the photos in a random order, since its folds are blocks of rows, and photos whose names follow one
    another are alike.
    """
    photos, output = scratch / "photos", scratch / "data"
    label_of = {photo.file_name: photo.label for photo in listed}
    for name, (files, values) in {
        "Datalab, components": read_components(output),
        "Datalab, features": read_raw_features(output, photos),
    }.items():
        out = scratch / name.replace(", ", "_")
        out.mkdir(exist_ok=True)
        rows = pd.DataFrame({"file_name": files, "label": map(label_of.get, files), "features": list(values)})
        rows.sample(frac=1, random_state=SEED).to_parquet(out / "features.parquet", index=False)
        yield name, ask(DATALAB_PYTHON, "datalab_method.py", out, "features", ["--features", out / "features.parquet"])
    out = scratch / "fastdup"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    arguments: list[str | Path] = ["--photos", photos, "--labels", scratch / "labels.csv"]
    yield "fastdup", ask(FASTDUP_PYTHON, "fastdup_method.py", out, "photos", arguments)


def ask(python: Path, script: str, out: Path, starts_with: str, arguments: Sequence[str | Path]) -> Side:
    """Run the script of a contestant, in a process and in an environment of its own."""
    command = [python, BENCHMARKS / script, *arguments, "--out", out]
    measured = run_cold(command, cwd=PROJECT, log=out / "log.txt", env=QUIET | {"PYTHONPATH": str(BENCHMARKS)})
    found = pd.read_csv(out / "found.csv", dtype=str, keep_default_na=False)
    found = found.astype({"score": float}).assign(is_found=found["is_found"] == "True")
    return Side(found, starts_with, sum(read_timings(out).values()), measured.seconds)


class Thumbnails(NamedTuple):
    """Everything that near duplicates are told by, of one set: of each pair as it is, and of each with one photo mirrored.

    Attributes:
        sides: Both sorts of pairs.
        numbers: What each pair is called on each side: the same number on both.
        kinds: What was planted, by the number of the pair.

    """

    sides: tuple[rules.CandidatePairs, rules.CandidatePairs]
    numbers: tuple[np.ndarray, np.ndarray]
    kinds: dict[int, str]


def read_thumbnails(listed: list[Photo], output: Path) -> Thumbnails:
    """Read the thumbnails of all contents, and compare all pairs."""
    photos = pd.read_parquet(output / "04_feature" / "featurized_photos").sort_values("path").drop_duplicates("digest")
    number = {name: place for place, name in enumerate(name_of(photos["path"]))}
    rows = np.stack([np.frombuffer(thumbnail, np.uint8) for thumbnail in photos["thumbnail"]])
    spread = deviations(rows)
    sides, numbers = [], []
    for images in (rows, mirror(rows)):
        correlations = np.corrcoef(rows, images)[: len(rows), len(rows) :]
        relative = np.sqrt(np.maximum(2 - 2 * correlations, 0))
        np.fill_diagonal(relative, np.inf)
        distances = relative * np.sqrt(np.outer(spread, spread))
        third = np.partition(relative, rules.N_NEIGHBOURS - 1, axis=1)[:, rules.N_NEIGHBOURS - 1]
        first, second = np.nonzero(np.triu(distances <= max(DISTANCES)))
        surroundings = np.column_stack([third[first], third[second]])
        sides.append(rules.CandidatePairs(distances[first, second], relative[first, second], surroundings))
        numbers.append(first * len(rows) + second)
    kinds: dict[int, str] = {}
    for photo in listed:
        if photo.kind in NEAR_COPIES:
            pair = sorted((number[photo.file_name], number[photo.source]))
            kinds[pair[0] * len(rows) + pair[1]] = photo.kind
    return Thumbnails((sides[0], sides[1]), (numbers[0], numbers[1]), kinds)


def score_limits(thumbnails: Thumbnails, max_distance: float, max_ratio: float) -> tuple[float, float]:
    """Return recall, of the copies that are sought, and precision with these limits."""
    sides = zip(thumbnails.sides, thumbnails.numbers, strict=True)
    found = {int(pair) for side, numbers in sides for pair in numbers[side.are_copies(max_distance, max_ratio)]}
    sought = {pair for pair, kind in thumbnails.kinds.items() if kind in COPIES_THAT_ARE_SOUGHT}
    return len(found & sought) / len(sought), len(found & thumbnails.kinds.keys()) / len(found) if found else 0.0


def choose_limits(thumbnails: Thumbnails) -> tuple[float, float]:
    """Choose the limits with the greatest recall, of those that are precise enough; of equal ones, the strictest."""
    scores = {limits: score_limits(thumbnails, *limits) for limits in itertools.product(DISTANCES, RATIOS)}
    precise = {limits: recall for limits, (recall, precision) in scores.items() if precision >= MIN_PRECISION}
    return max(precise, key=lambda limits: (precise[limits], -limits[0], -limits[1]))


def judge_limits(sets: dict[str, Thumbnails]) -> list[dict[str, Any]]:
    """Choose limits on each set, and judge them and the defaults on every set."""
    chosen = {f"chosen on {name}": choose_limits(thumbnails) for name, thumbnails in sets.items()}
    chosen["the defaults"] = (DEFAULT_DISTANCE, rules.MAX_RATIO)
    rows = []
    for (origin, limits), (name, thumbnails) in itertools.product(chosen.items(), sets.items()):
        recall, precision = score_limits(thumbnails, *limits)
        rows.append(
            {
                "limits": origin,
                "distance": limits[0],
                "ratio": limits[1],
                "judged on": name,
                "recall": recall,
                "precision": precision,
            }
        )
    return rows


def main() -> None:
    """Plant, run and judge."""
    end_all_when_terminated()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs=2, required=True, help="Two folders of labelled photos.")
    parser.add_argument("--scratch", type=Path, required=True, help="Is emptied.")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "findings.json")
    parser.add_argument(
        "--again", action="store_true", help="Keep the tables that a run has left there, and only look for findings anew."
    )
    parser.add_argument("--without-rivals", action="store_true", help="Leave out Datalab and fastdup.")
    arguments = parser.parse_args()
    versions = read_versions(with_rivals=not arguments.without_rivals)
    if not arguments.again:
        shutil.rmtree(arguments.scratch, ignore_errors=True)
    sets: dict[str, Any] = {}
    thumbnails = {}
    for images, foreign in (arguments.images, arguments.images[::-1]):
        scratch = arguments.scratch.resolve() / images.name
        shutil.rmtree(scratch / "photos", ignore_errors=True)
        listed = plant(images, foreign, scratch / "photos", scratch / "labels.csv")
        places = scratch / "photos", scratch / "labels.csv", scratch / "data"
        from_photos = None if arguments.again else run(*places)
        from_features = run(*places, "findings")
        judged = judge_all(listed, scratch, with_rivals=not arguments.without_rivals)
        sets[images.name] = judged | {"from_photos": from_photos, "from_features": from_features}
        thumbnails[images.name] = read_thumbnails(listed, scratch / "data")
    limits = judge_limits(thumbnails)
    publish(arguments.out, versions, [*describe(sets), describe_limits(limits)], sets=sets, limits=limits)


def read_versions(*, with_rivals: bool) -> dict[str, str]:
    """Read the versions of what counts, in all environments if there are contestants.

    Raises:
        SystemExit: An environment is missing, or Datalab computes with other versions than this project.

    """
    ours = machine.versions(COMPUTING)
    if with_rivals:
        for missing in (python.parents[1] for python in (DATALAB_PYTHON, FASTDUP_PYTHON) if not python.exists()):
            raise SystemExit(f"{missing} is missing: run `sh benchmarks/setup.sh datalab fastdup`, or give --without-rivals")
        theirs = machine.versions(COMPUTING, DATALAB_PYTHON)
        if theirs != ours:
            raise SystemExit(f".venv has {ours}, {DATALAB_PYTHON.parents[1].name} has {theirs}: lock the latter anew")
        ours |= machine.versions(("cleanlab",), DATALAB_PYTHON) | machine.versions(("fastdup",), FASTDUP_PYTHON)
    return ours | machine.versions(("pyspark",))


def judge_all(listed: list[Photo], scratch: Path, *, with_rivals: bool) -> dict[str, Any]:
    """Judge what the run and the contestants have found in one set."""
    contents = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (scratch / "photos").iterdir()}
    seconds = read_report(scratch / "data")["seconds_per_node"]  # of the run that began with photos: only that writes a report
    ours = judge(listed, Answers(read_findings(scratch / "data"), contents, looks_for_all=True))
    precisions = {row["kind"]: row["precision"] for row in ours}
    rivals = {
        name: {"kinds": judge(listed, Answers(side.found, contents), precisions), "seconds": side.seconds()}
        for name, side in (ask_rivals(listed, scratch) if with_rivals else ())
    }
    return {
        "photos": len(listed),
        "kinds": ours,
        "seconds": {step: seconds[step] for step in STEPS},
        "rivals": rivals,
    }


def describe(sets: dict[str, Any]) -> list[str]:
    """Lay out what was found in each set."""
    parts = []
    for name, measured in sets.items():
        rows = [
            [row["kind"], f"{row['planted']:,}", f"{row['found']:,}", share(row["recall"]), share(row["precision"])]
            for row in measured["kinds"]
        ]
        suggested = next(row["suggested_right"] for row in measured["kinds"] if "suggested_right" in row)
        took = ", ".join(f"{step} {seconds:.1f}" for step, seconds in measured["seconds"].items())
        parts += [
            f"{name}, {measured['photos']:,} photos:",
            table(["kind", "planted", "found", "recall", "precision"], rows),
            f"Of the wrong labels that were found, {share(suggested)} got the right suggestion. Seconds: {took}.",
        ]
        if measured["rivals"]:
            parts += ["The same faults, by others:", describe_rivals(measured), describe_seconds(measured)]
    return parts


def describe_rivals(measured: dict[str, Any]) -> str:
    """Lay out what each side has found, kind by kind; of kinds that only this project looks for there is nothing."""
    sides = {OURS: measured["kinds"], **{name: rival["kinds"] for name, rival in measured["rivals"].items()}}
    rows = []
    for kind in (row["kind"] for row in measured["kinds"]):
        of_kind = {side: row for side, kinds in sides.items() for row in kinds if row["kind"] == kind}
        if len(of_kind) == 1:
            continue
        for side, row in of_kind.items():
            equal = row["recall"] if side == OURS else row["equal"]
            rows.append([kind, side, f"{row['found']:,}", share(row["recall"]), share(row["precision"]), share(equal)])
    return table(["kind", "side", "found", "recall", "precision", "recall at this project's precision"], rows)


def describe_seconds(measured: dict[str, Any]) -> str:
    """Lay out the seconds of each side."""
    findings = sum(measured["seconds"].values())
    seconds = {
        OURS: {"starts_with": "features", "analysis": findings, "whole": measured["from_features"]},
        f"{OURS}, all of a run": {"starts_with": "photos", "analysis": None, "whole": measured["from_photos"]},
        **{name: rival["seconds"] for name, rival in measured["rivals"].items()},
    }
    rows = [
        [side, of_side["starts_with"], number([of_side["analysis"]]), number([of_side["whole"]])]
        for side, of_side in seconds.items()
    ]
    return table(["side", "starts with", "analysis, s", "whole process, s"], rows)


def describe_limits(limits: list[dict[str, Any]]) -> str:
    """Lay out how good the limits of near duplicates are, of all copies but those that are cut."""
    header = ["limits", "judged on", "distance", "ratio", "recall", "precision"]
    rows = [
        [
            row["limits"],
            row["judged on"],
            f"{row['distance']:g}",
            f"{row['ratio']:g}",
            share(row["recall"]),
            share(row["precision"]),
        ]
        for row in limits
    ]
    return table(header, rows)


def share(value: float | None) -> str:
    """Write a share."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


if __name__ == "__main__":
    main()

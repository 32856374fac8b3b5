"""How good findings are: faults are planted into two sets of photos, and the tables of a run say which of them it has found.

The limits by which near duplicates are told are chosen on each set by itself, and judged on the other one.

    .venv/bin/python benchmarks/findings.py --images fruits-360-subset solar_cells --scratch scratch
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import os
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from harness import machine
from harness.places import BENCHMARKS, PROJECT, QUIET
from harness.project import kedro_run, read_report
from harness.tables import NOTHING, publish, table
from PIL import Image, ImageEnhance, ImageFilter

from fruit_features.analysis import copies as rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 0
NEAR, EXACT, WRONG = 0.03, 0.01, 0.02
"""Shares of the photos that get a near copy, a copy, and a wrong label."""

N_ODD = 5
"""Photos of each odd kind, and foreign ones."""

STEPS = ("find_neighbours", "find_copies", "find_label_issues", "collect_findings")
COPIES_THAT_ARE_SOUGHT = ("jpeg", "resize")
MIN_PRECISION = 0.9
"""Of near duplicates: what a person has to look through in vain is less than a tenth."""

DEFAULT_DISTANCE = 0.8
"""Of `findings.max_copy_distance`."""

DISTANCES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0)
RATIOS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8)


class Photo(NamedTuple):
    """A row of the table of labels, and what was planted: a kind and the file that it was made of."""

    file_name: str
    label: str
    split: str
    kind: str = ""
    source: str = ""


def save(image: Image.Image, quality: int = 90) -> bytes:
    """Encode a JPEG."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def jpeg(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Encode with another quality, 50 to 95."""
    return save(image, int(rng.integers(50, 96)))


def resize(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Scale by 0.5 to 2."""
    scale = rng.uniform(0.5, 2)
    return save(image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale)))))


def crop(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Cut 5 % off width and height."""
    left, top = rng.uniform(0, 0.05, 2)
    box = (left * image.width, top * image.height, (0.95 + left) * image.width, (0.95 + top) * image.height)
    return save(image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3]))))


ODD: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.8),
    "blurry": lambda image: image.filter(ImageFilter.GaussianBlur(0.04 * image.width)),
    "low_contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.2),
    "odd_size": lambda image: image.resize((4 * image.width, 4 * image.height)),
    "odd_aspect_ratio": lambda image: image.resize((2 * image.width, image.height)),
}


def plant(images: Path, foreign: Path, photos: Path, labels_file: Path) -> list[Photo]:
    """Copy a set of photos, and plant faults into the copy.

    Args:
        images: A folder per label.
        foreign: Another set, some of whose photos do not belong.
        photos: The copy.
        labels_file: The table of labels, with a split.

    """
    rng = np.random.default_rng(SEED)
    originals = sorted(path for path in images.rglob("*") if path.suffix.lower() in {".jpg", ".png"})
    labels = sorted({path.parent.name for path in originals})
    order = rng.permutation(len(originals))
    numbers = itertools.count()
    listed: list[Photo] = []

    def add(content: bytes, suffix: str, label: str, kind: str = "", source: str = "") -> str:
        name = f"{next(numbers):06}{suffix}"
        (photos / name).write_bytes(content)
        listed.append(Photo(name, label, str(rng.choice(["train", "test"])), kind, source))
        return name

    def take(n_photos: int) -> Iterator[tuple[Image.Image, Photo]]:
        nonlocal order
        chosen, order = order[:n_photos], order[n_photos:]
        for number in chosen:
            yield Image.open(originals[number]).convert("RGB"), listed[number]

    photos.mkdir(parents=True)
    for path in originals:
        add(path.read_bytes(), path.suffix.lower(), path.parent.name)
    n = len(originals)
    for make, (image, photo) in zip(itertools.cycle((jpeg, resize, crop)), take(round(NEAR * n)), strict=False):
        add(make(image, rng), ".jpg", photo.label, make.__name__, photo.file_name)
    for _, photo in take(round(EXACT * n)):
        content, suffix = (photos / photo.file_name).read_bytes(), Path(photo.file_name).suffix
        add(content, suffix, str(rng.choice(labels)), "exact", photo.file_name)
    for kind, change in ODD.items():
        for image, photo in take(N_ODD):
            (photos / photo.file_name).unlink()
            name = f"{Path(photo.file_name).stem}.jpg"
            (photos / name).write_bytes(save(change(image)))
            listed[listed.index(photo)] = photo._replace(file_name=name, kind=kind)
    strangers = sorted(path for path in foreign.rglob("*") if path.suffix.lower() in {".jpg", ".png"})
    for number in rng.choice(len(strangers), N_ODD, replace=False):
        add(strangers[number].read_bytes(), strangers[number].suffix.lower(), str(rng.choice(labels)), "foreign")
    for _, photo in take(round(WRONG * n)):
        others = [label for label in labels if label != photo.label]
        listed[listed.index(photo)] = photo._replace(label=str(rng.choice(others)), kind="wrong", source=photo.label)
    with labels_file.open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "split"), *(photo[:3] for photo in listed)])
    return listed


def run(photos: Path, labels_file: Path, output: Path, pipelines: str = "") -> None:
    """Run the project, with the network of the demo; or some of its pipelines, on the tables that a run has left."""
    command = kedro_run(photos, output, env="demo")
    if pipelines:
        command.insert(-1, f"--pipelines={pipelines}")
    command[-1] += f",ingestion.metadata={labels_file}"
    subprocess.run(command, cwd=PROJECT, check=True, env=os.environ | QUIET)


def judge(listed: list[Photo], output: Path) -> list[dict[str, Any]]:
    """Compare what was planted with what was found.

    Returns:
        kind, planted, found, recall, precision: of all findings of the kind, the share that was planted.

    """
    findings = pd.read_parquet(output / "07_model_output" / "findings")
    findings["file"] = findings["path"].str.rsplit("/", n=1).str[-1]
    findings["other"] = findings["compared_with"].str.rsplit("/", n=1).str[-1]
    by_name = {photo.file_name: photo for photo in listed}
    planted = defaultdict(set)
    for photo in listed:
        planted[photo.kind].add(photo.file_name)
    found = dict(iter(findings.groupby("kind")))
    rows = []

    def pairs(kind: str) -> set[frozenset[str]]:
        of_kind = found.get(kind, findings[:0])
        return {frozenset(pair) for pair in zip(of_kind["file"], of_kind["other"], strict=True)}

    def of_copies(kinds: tuple[str, ...], wanted: Callable[[Photo, Photo], bool]) -> set[frozenset[str]]:
        copies = [photo for photo in listed if photo.kind in kinds]
        return {frozenset((photo.file_name, photo.source)) for photo in copies if wanted(photo, by_name[photo.source])}

    def compare(name: str, truth: set[Any], answer: set[Any], all_of_kind: set[Any] | None = None) -> None:
        right = answer & (truth if all_of_kind is None else all_of_kind)
        rows.append(
            {
                "kind": name,
                "planted": len(truth),
                "found": len(answer),
                "recall": len(truth & answer) / len(truth) if truth else None,
                "precision": len(right) / len(answer) if answer and all_of_kind != set() else None,
            }
        )

    def always(*_: Photo) -> bool:
        return True

    compare("exact_duplicate", of_copies(("exact",), always), pairs("exact_duplicate"))
    near = of_copies((*COPIES_THAT_ARE_SOUGHT, "crop"), always)
    for kind in (*COPIES_THAT_ARE_SOUGHT, "crop"):
        compare(f"near_duplicate: {kind}", of_copies((kind,), always), pairs("near_duplicate"), set())
    compare("near_duplicate: jpeg, resize", of_copies(COPIES_THAT_ARE_SOUGHT, always), pairs("near_duplicate"), near)
    sought = ("exact", *COPIES_THAT_ARE_SOUGHT)
    every = ("exact", *COPIES_THAT_ARE_SOUGHT, "crop")
    for kind, column in (("leak", "split"), ("label_conflict", "label")):

        def differs(photo: Photo, source: Photo, column: str = column) -> bool:
            return bool(getattr(photo, column) != getattr(source, column))

        compare(kind, of_copies(sought, differs), pairs(kind), of_copies(every, differs))
    issues = found.get("label_issue", findings[:0])
    may_be_wrong = planted["wrong"] | planted["exact"] | planted["foreign"]
    compare("label_issue", planted["wrong"], set(issues["file"]), may_be_wrong)
    suggested = dict(zip(issues["file"], issues["suggested_label"], strict=True))
    named = [name for name in planted["wrong"] if name in suggested]
    right = sum(suggested[name] == by_name[name].source for name in named)
    rows[-1]["suggested_right"] = right / len(named) if named else None
    compare("outlier: foreign", planted["foreign"], set(found.get("outlier", findings[:0])["file"]))
    for kind in ODD:
        compare(kind, planted[kind], set(found.get(kind, findings[:0])["file"]))
    return rows


class Thumbnails(NamedTuple):
    """Everything that near duplicates are told by, of one set."""

    candidates: rules.CandidatePairs
    is_planted: np.ndarray
    is_sought: np.ndarray
    n_sought: int


def read_thumbnails(listed: list[Photo], output: Path) -> Thumbnails:
    """Read the thumbnails of all contents, and compare all pairs."""
    photos = pd.read_parquet(output / "04_feature" / "featurized_photos").sort_values("path").drop_duplicates("digest")
    names = photos["path"].str.rsplit("/", n=1).str[-1].tolist()
    rows = np.stack([np.frombuffer(thumbnail, np.uint8) for thumbnail in photos["thumbnail"]]).astype(np.float64)
    squares = (rows**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, np.newaxis] + squares - 2 * rows @ rows.T, 0)) / 16
    np.fill_diagonal(distances, np.inf)
    third = np.partition(distances, rules.N_NEIGHBOURS - 1, axis=1)[:, rules.N_NEIGHBOURS - 1]
    first, second = np.nonzero(np.triu(distances <= max(DISTANCES)))
    contrast = 255 * photos["contrast"].to_numpy(np.float64)
    kinds = {
        frozenset((photo.file_name, photo.source)): photo.kind
        for photo in listed
        if photo.kind in (*COPIES_THAT_ARE_SOUGHT, "crop")
    }
    of_pair = [kinds.get(frozenset((names[one], names[other])), "") for one, other in zip(first, second, strict=True)]
    candidates = rules.CandidatePairs(
        distances[first, second],
        np.column_stack([third[first], third[second]]),
        np.column_stack([contrast[first], contrast[second]]),
    )
    n_sought = sum(kind in COPIES_THAT_ARE_SOUGHT for kind in kinds.values())
    return Thumbnails(
        candidates, np.array([kind != "" for kind in of_pair]), np.isin(of_pair, COPIES_THAT_ARE_SOUGHT), n_sought
    )


def score_limits(thumbnails: Thumbnails, max_distance: float, max_ratio: float) -> tuple[float, float]:
    """Return recall, of JPEGs and resized copies, and precision with these limits."""
    are_copies = thumbnails.candidates.are_copies(max_distance, max_ratio)
    recall = float(are_copies[thumbnails.is_sought].sum()) / thumbnails.n_sought
    precision = float(thumbnails.is_planted[are_copies].mean()) if are_copies.any() else 0.0
    return recall, precision


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs=2, required=True, help="Two folders of labelled photos.")
    parser.add_argument("--scratch", type=Path, required=True, help="Is emptied.")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "findings.json")
    parser.add_argument("--again", action="store_true", help="Only look for findings anew, in what a run has left there.")
    arguments = parser.parse_args()
    if not arguments.again:
        shutil.rmtree(arguments.scratch, ignore_errors=True)
    sets: dict[str, Any] = {}
    thumbnails = {}
    for images, foreign in (arguments.images, arguments.images[::-1]):
        scratch = arguments.scratch.resolve() / images.name
        shutil.rmtree(scratch / "photos", ignore_errors=True)
        listed = plant(images, foreign, scratch / "photos", scratch / "labels.csv")
        run(scratch / "photos", scratch / "labels.csv", scratch / "data", "findings" if arguments.again else "")
        seconds = read_report(scratch / "data")["seconds_per_node"]
        sets[images.name] = {
            "photos": len(listed),
            "kinds": judge(listed, scratch / "data"),
            "seconds": {step: seconds[step] for step in STEPS},
        }
        thumbnails[images.name] = read_thumbnails(listed, scratch / "data")
    limits = judge_limits(thumbnails)
    versions = machine.versions(("cleanlab", "scikit-learn", "numpy", "pyspark"))
    publish(arguments.out, versions, [*describe(sets), describe_limits(limits)], sets=sets, limits=limits)


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
    return parts


def describe_limits(limits: list[dict[str, Any]]) -> str:
    """Lay out how good the limits of near duplicates are, of JPEGs and resized copies."""
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

"""The notebook's method, this project, Daft, Ray Data and a bare loop, on the same photos, in turn, each from a cold process.

Every contestant runs in every round; tables give medians, and medians of the ratios within a round. The results of a round are
compared as well: a wrong answer fails the benchmark, however fast it was.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness import machine
from harness.contestants import FIRST, Contestant, Project, Round, line_up
from harness.equality import Check, check_explained_variance, check_export, check_features
from harness.features import digest_export, read_export, read_features
from harness.photos import parse_sizes, repeat_photos
from harness.places import BENCHMARKS, PROJECT, QUIET, RIVALS_PYTHON, scratch_folder
from harness.processes import ContestantError, end_all_when_terminated, run_cold
from harness.project import PRECISIONS, parse_precisions
from harness.summary import Run, checks_table, comparison_table, nodes_table
from harness.tables import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WARM_UP_PHOTOS = 64
"""For one round that does not count: files are in the system's cache, and what cannot run fails at once."""

COMPUTING = ("numpy", "openvino", "pillow")
"""What decoding and inference run on: the same versions for all, or the comparison would be of those."""


def main() -> int:
    """Run the rounds, print and write the tables; the exit code is 1 if an answer was wrong or somebody failed."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    versions = _versions(with_rivals=not arguments.without_rivals)
    contestants = line_up(arguments.precisions, arguments.input_sizes, with_rivals=not arguments.without_rivals)
    with scratch_folder(arguments.scratch) as scratch:
        try:
            print(f"warming up on {WARM_UP_PHOTOS} photos")
            _run_round(0, contestants, _make_round(scratch / "warm_up", arguments, WARM_UP_PHOTOS))
            runs: list[Run] = []
            checks: list[Check] = []
            for round_ in range(1, arguments.runs + 1):
                turn = _make_round(scratch / "round", arguments, arguments.photos)
                round_runs, round_checks = _run_round(round_, contestants, turn)
                runs += round_runs
                checks += round_checks
                shutil.rmtree(turn.folder)
                publish(  # now: whoever stops it keeps the rounds that are done
                    arguments.out,
                    versions,
                    [comparison_table(runs), nodes_table(runs), checks_table(checks)],
                    heading=f"{arguments.photos:,} photos; rounds: {round_}",
                    photos=arguments.photos,
                    runs=[run.as_record() for run in runs],
                    checks=[asdict(check) for check in checks],
                )
        except ContestantError as error:
            print(error)
            return 1
    return 0 if all(check.passed for check in checks) else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of labelled photos, none of them broken")
    parser.add_argument("--weights", type=Path, help="weights file of MobileNetV2; without it, Keras's own for ImageNet")
    parser.add_argument("--photos", type=int, default=22_688, help="repeat the photos until there are this many")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument(
        "--precisions", type=parse_precisions, default=PRECISIONS, help="of the project, f32 first: f32,bf16,int8"
    )
    parser.add_argument(
        "--input-sizes", type=parse_sizes, default=(), help="of further runs in the last of the precisions, such as 96"
    )
    parser.add_argument("--without-rivals", action="store_true", help="leave out Daft and Ray, which need .venv-bench")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "results.json", help="results; tables go beside it, as .md")
    parser.add_argument("--scratch", type=Path, help="folder for working copies and outputs (4 GB); default: the system's")
    arguments = parser.parse_args()
    arguments.images = arguments.images.resolve()
    arguments.scratch = arguments.scratch and arguments.scratch.resolve()
    arguments.weights = str(arguments.weights.resolve()) if arguments.weights else None
    return arguments


def _versions(*, with_rivals: bool) -> dict[str, str]:
    """Versions of what counts, in both environments if there are rivals.

    Raises:
        SystemExit: They compute with different versions, or the one of Daft and Ray is missing.

    """
    ours = machine.versions(("kedro", "pyspark", "tensorflow", "keras", "pyarrow", *COMPUTING))
    if not with_rivals:
        return ours
    if not RIVALS_PYTHON.exists():
        raise SystemExit(f"{RIVALS_PYTHON.parents[1]} is missing: run benchmarks/setup.sh, or give --without-rivals")
    theirs = machine.versions(("daft", "ray", *COMPUTING), RIVALS_PYTHON)
    for name in COMPUTING:
        if ours[name] != theirs[name]:
            raise SystemExit(f"{name} is {ours[name]} in .venv, {theirs[name]} in .venv-bench: lock the latter anew")
    return ours | theirs


def _make_round(folder: Path, arguments: argparse.Namespace, n_photos: int) -> Round:
    images = folder / "photos"
    repeat_photos(arguments.images, images, n_photos)
    return Round(images, folder, arguments.weights)


def _run_round(round_: int, contestants: Sequence[Contestant], turn: Round) -> tuple[list[Run], list[Check]]:
    """Let everybody run once, and compare what they computed."""
    n_photos = sum(path.is_file() for path in turn.images.rglob("*"))
    runs, digests = [], {}
    env = QUIET | {"PYTHONPATH": f"{PROJECT / 'src'}:{BENCHMARKS}"}
    for contestant in contestants:
        contestant.output(turn).mkdir(exist_ok=True)
        log = turn.folder / "logs" / f"{contestant.name}.log"
        measured = run_cold(contestant.command(turn), cwd=PROJECT, log=log, env=env)
        run = Run(round_, contestant, n_photos, measured, contestant.phases(turn))
        if isinstance(contestant, Project):
            digests[contestant.name] = digest_export(contestant.export(turn))
        speed = f"{run.photos_per_second:8.1f} photos/s" if run.photos_per_second else ""
        print(f"round {round_}  {contestant.name:28} {measured.seconds:8.1f} s {speed}", flush=True)
        runs.append(run)
    checks = [*_check_results(contestants, turn), *_check_repeats(contestants, digests)]
    for check in checks:
        if not check.passed:
            print(f"WRONG: {check.contestant}: {check.what} is {check.found:.7g}, allowed is {check.allowed}")
    return runs, checks


def _check_results(contestants: Sequence[Contestant], turn: Round) -> Iterator[Check]:
    """Compare everybody with the project's first float32 run."""
    (reference,) = (one for one in contestants if isinstance(one, Project) and (one.precision, one.state) == ("f32", FIRST))
    features = read_features(reference.features(turn), turn.images)
    export, ratios = read_export(reference.export(turn), turn.images), reference.explained_variance(turn)
    for contestant in contestants:
        if contestant == reference:
            continue
        if isinstance(contestant, Project) and contestant.input_size is not None:  # its features are others
            missing = len(export) - len(read_export(contestant.export(turn), turn.images))
            yield Check(contestant.name, "photos without a row", missing, "0", not missing)
            continue
        theirs = read_features(contestant.features(turn), turn.images)
        reduced = contestant.precision != "f32"
        yield from check_features(contestant.name, theirs, features, reduced=reduced)
        their_ratios, their_export = contestant.explained_variance(turn), contestant.export(turn)
        if their_ratios is not None and their_export is not None and not reduced:
            yield from check_explained_variance(contestant.name, their_ratios, ratios, len(export.columns) - 1)
            yield from check_export(contestant.name, read_export(their_export, turn.images), export)


def _check_repeats(contestants: Sequence[Contestant], digests: dict[str, str]) -> Iterator[Check]:
    """Later runs of the project over the same photos must export what the first one did."""
    runs = [one for one in contestants if isinstance(one, Project) and one.input_size is None]
    first = {one.precision: digests[one.name] for one in runs if one.state == FIRST}
    for one in runs:
        if one.state != FIRST:
            unlike = int(digests[one.name] != first[one.precision])
            yield Check(one.name, "CSV files unlike the first run's", unlike, "0", not unlike)


if __name__ == "__main__":
    raise SystemExit(main())

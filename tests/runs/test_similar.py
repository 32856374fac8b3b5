"""Similar photos: a photo's nearest neighbours among the exported ones, from the command line."""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from PIL import Image

from fruit_features.cli import similar
from tests.support.photos import encoded, fruit
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")


def look(outputs: Outputs, photo: Path, *options: str, params: str = "") -> Result:
    roots = f"output_root={outputs.root}{params}"
    with contextlib.chdir(PROJECT):
        return CliRunner().invoke(similar, [str(photo), "--env", "test", "--params", roots, *options])


def test_a_photo_is_nearest_to_itself_and_then_to_its_kind(full_run: Outputs, photo_tree: PhotoTree) -> None:
    photo = photo_tree.root / "Pear" / "00.jpg"
    result = look(full_run, photo, "--top", "4")
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=1) for line in result.output.splitlines() if re.match(r" +\d", line)]
    distances = [float(distance) for distance, _ in lines]
    assert len(lines) == 4
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(0, abs=1e-2)
    assert lines[0][1].endswith(f"file:{photo}")
    assert all(line[1].startswith("Pear") for line in lines)


def test_another_copy_of_a_photo_is_nearest_to_it(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    known, copy = photo_tree.root / "Pear" / "00.jpg", tmp_path / "copy.png"
    with Image.open(known) as image:
        image.resize((180, 180)).save(copy)
    assert look(full_run, copy, "--top", "1").output.splitlines()[-1].endswith(f"file:{known}")


def test_distance_may_be_that_of_directions(full_run: Outputs, photo_tree: PhotoTree) -> None:
    photo = photo_tree.root / "Pear" / "00.jpg"
    result = look(full_run, photo, "--top", "3", "--metric", "cosine")
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=1) for line in result.output.splitlines() if re.match(r" +\d", line)]
    assert lines[0][1].endswith(f"file:{photo}")
    assert float(lines[0][0]) == pytest.approx(0, abs=1e-3)
    assert all(0 <= float(distance) <= 2 for distance, _ in lines)


def test_a_page_shows_the_photo_and_its_neighbours(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert look(full_run, photo_tree.root / "Pear" / "00.jpg", "--top", "5", "--html", str(page)).exit_code == 0
    text = page.read_text()
    assert text.count('src="data:image/jpeg;base64,') == 6
    assert "http" not in text
    assert text.count("Pear, ") >= 4


@pytest.mark.parametrize(
    ("content", "params", "message"),
    [
        (b"no photo", "", "not an image that Pillow can identify"),
        (
            encoded(fruit("Pear", 0), "JPEG"),
            ",featurization.apply_exif_orientation=true",
            "featurization.apply_exif_orientation is False there, True here",
        ),
        (encoded(fruit("Pear", 0), "JPEG"), ",output_root=/absent", "nothing has been exported yet"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    content: bytes, params: str, message: str, full_run: Outputs, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    result = look(full_run, photo, params=params)
    assert result.exit_code == 1
    error = result.output[result.output.index("Error:") :]
    assert message in error
    assert len(error.splitlines()) <= 3
    assert "Traceback" not in error


def test_the_command_that_is_to_be_typed_instead_is_right(full_run: Outputs, photo_tree: PhotoTree) -> None:
    photo = photo_tree.root / "Pear" / "00.jpg"
    wrong = ",featurization.apply_exif_orientation=true,featurization.precision=bf16,featurization.batch_size=2"
    result = look(full_run, photo, params=wrong)
    assert result.exit_code == 1
    assert "featurization.precision is f32 there, bf16 here" in result.output
    command = shlex.split(result.output.partition("Type: ")[2].splitlines()[0])
    assert command[:2] == ["kedro", "similar"]
    assert "featurization.batch_size=2" in command[-1], "what does not matter stays as it was given"
    with contextlib.chdir(PROJECT):
        right = CliRunner().invoke(similar, command[2:])
    assert right.exit_code == 0, right.output
    assert f"file:{photo}" in right.output


def test_a_model_that_was_fitted_since_the_export_is_named(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "reduction", reduction={"n_components": 2})
    result = look(outputs, photo_tree.root / "Pear" / "00.jpg")
    assert result.exit_code == 1
    assert "the PCA model 2: it was fitted anew since. Export with it first: kedro run --pipelines export" in result.output

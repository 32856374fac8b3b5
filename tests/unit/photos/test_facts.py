"""What is told about a photo: its header as it is stored, and three measures that can be checked by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fruit_features.photos.facts import SIDE, measure_luma, read_orientation
from fruit_features.photos.imaging import decode, decode_with_facts
from tests.support.photos import encoded, fruit

CHECKERS = Image.fromarray((np.indices((300, 400)).sum(axis=0) // 25 % 2 * 255).astype(np.uint8)).convert("RGB")


def with_orientation(value: object, picture: Image.Image = CHECKERS, image_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return encoded(picture, image_format, exif=exif)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_the_header_is_told_as_it_is(image_format: str) -> None:
    content = encoded(CHECKERS.convert("P") if image_format == "GIF" else CHECKERS, image_format)
    pixels, facts = decode_with_facts(content, 64)
    with Image.open(io.BytesIO(content)) as image:
        assert (facts.width, facts.height, facts.format, facts.mode) == (400, 300, image.format, image.mode)
    assert facts.format == image_format
    assert facts.orientation is None
    np.testing.assert_array_equal(pixels, decode(content, 64))


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_sides_are_those_before_the_turn_that_the_tag_asks_for(image_format: str, *, is_turned: bool) -> None:
    content = with_orientation(6, image_format=image_format)
    facts = decode_with_facts(content, 64, apply_exif_orientation=is_turned)[1]
    assert (facts.width, facts.height, facts.orientation) == (400, 300, 6)


def test_a_tiff_file_is_turned_by_pillow_and_told_as_if_it_had_no_tag() -> None:
    facts = decode_with_facts(with_orientation(6, image_format="TIFF"), 64)[1]
    assert (facts.width, facts.height, facts.orientation) == (300, 400, None)


def test_sides_are_those_of_the_whole_photo_where_it_is_drafted() -> None:
    large = encoded(CHECKERS.resize((1600, 1200)), "JPEG")
    facts = decode_with_facts(large, 64, jpeg_draft=True)[1]
    assert (facts.width, facts.height) == (1600, 1200)


@pytest.mark.parametrize("value", [0, 9, 65535, (6, 6), "6"])
def test_a_tag_that_is_no_orientation_counts_as_none(value: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = value

    class Opened:
        format, info = "JPEG", {"exif": b""}

        def getexif(self) -> Image.Exif:
            return exif

    assert read_orientation(Opened()) is None  # type: ignore[arg-type]


def test_a_broken_exif_block_rejects_no_photo() -> None:
    content = with_orientation(6)
    start = content.index(b"Exif\0\0") + 6
    broken = content[:start] + b"\xff" * 12 + content[start + 12 :]
    pixels, facts = decode_with_facts(broken, 64)
    assert facts.orientation is None
    np.testing.assert_array_equal(pixels, decode(content, 64))


@pytest.mark.parametrize("scale", [1, 2])
def test_measures_of_grey_levels_are_those_of_numpy(scale: int) -> None:
    rng = np.random.default_rng(0)
    luma = rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    photo = Image.fromarray(luma.repeat(scale, axis=0).repeat(scale, axis=1)).convert("RGB")
    brightness, contrast, sharpness, thumbnail = measure_luma(photo)
    assert brightness == pytest.approx(luma.mean() / 255, abs=1e-6)
    assert contrast == pytest.approx(luma.std() / 255, abs=1e-5)
    padded = luma.astype(float)
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    assert sharpness == pytest.approx((neighbours - 4 * padded[1:-1, 1:-1]).var(), rel=1e-4)
    means = luma.reshape(16, 7, 16, 7).mean(axis=(1, 3))
    np.testing.assert_allclose(
        np.frombuffer(thumbnail, np.uint8).reshape(16, 16), means, atol=0.52
    )  # Pillow rounds a little otherwise


@pytest.mark.parametrize("side", [32, 96, 224, 260, 512])
@pytest.mark.parametrize("jpeg_draft", [False, True])
@pytest.mark.parametrize("size", [(100, 100), (224, 223), (400, 400)])
def test_facts_do_not_depend_on_the_input_size(side: int, jpeg_draft: bool, size: tuple[int, int]) -> None:
    content = encoded(fruit("Pear", 3).resize(size), "JPEG")
    facts, expected = (decode_with_facts(content, shown, jpeg_draft=jpeg_draft)[1] for shown in (side, 224))
    assert facts == expected


def test_black_white_and_blurred_photos_are_told_apart() -> None:
    black, white = (
        decode_with_facts(encoded(Image.new("RGB", (50, 50), level), "PNG"), 224)[1] for level in ("black", "white")
    )
    assert (black.brightness, black.contrast, black.sharpness) == (0, 0, 0)
    assert (white.brightness, white.contrast, white.sharpness) == pytest.approx((1, 0, 0), abs=1e-6)
    sharp, blurred = (
        decode_with_facts(encoded(picture, "JPEG"), 224)[1]
        for picture in (CHECKERS, CHECKERS.filter(ImageFilter.GaussianBlur(6)))
    )
    assert sharp.sharpness > 10 * blurred.sharpness
    assert sharp.contrast > blurred.contrast > 0.1


def test_every_photo_of_the_sample_has_facts() -> None:
    sample = Path(__file__).resolve().parents[3] / "data" / "01_raw" / "sample"
    photos = sorted(sample.rglob("*.jpg"))[:20]
    assert photos
    for photo in photos:
        facts = decode_with_facts(photo.read_bytes(), 224)[1]
        assert 0 < facts.brightness < 1
        assert 0 < facts.contrast <= 0.5
        assert facts.sharpness > 1

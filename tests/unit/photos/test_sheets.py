"""Sheets: every picture is where the sheet says, at its own size, and thousands of them fit into a page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fruit_features.photos.sheets import N_COLUMNS, SIDES, Sheets, choose_side, lay_on_sheets
from tests.support.photos import encoded, fruit


def plain(shade: int, size: tuple[int, int] = (96, 96)) -> bytes:
    return encoded(Image.new("RGB", size, (shade, shade, shade)), "JPEG", quality=95)


def cut(sheets: Sheets, number: int) -> Image.Image:
    """A picture, out of its sheet."""
    sheet, left, top = sheets.place(number)
    size = sheets.sizes[number]
    assert size is not None
    return Image.open(io.BytesIO(sheets.images[sheet])).crop((left, top, left + size[0], top + size[1]))


def test_every_picture_is_in_its_square() -> None:
    shades = [0, 255, 40, 200, 90] * (N_COLUMNS // 5 + 2)
    sheets = lay_on_sheets([plain(shade) for shade in shades], 48)
    for number, shade in enumerate(shades):
        pixels = np.asarray(cut(sheets, number)).astype(int)
        assert pixels.shape == (48, 48, 3)
        assert np.abs(pixels - shade)[2:-2, 2:-2].max() <= 10, "no picture runs into the next"
        assert np.abs(pixels - shade).max() <= 40, "but for the outermost pixels"


def test_pictures_keep_their_aspect_ratio_and_small_ones_their_size() -> None:
    sheets = lay_on_sheets([plain(9, (96, 48)), plain(9, (30, 20)), plain(9, (10, 96))], 64)
    assert sheets.sizes == [(64, 32), (30, 20), (7, 64)]
    assert sheets.extents == [(192, 64)]


def test_a_photo_that_is_gone_leaves_its_square_empty() -> None:
    sheets = lay_on_sheets([plain(0), None, plain(255)], 64)
    assert sheets.sizes == [(64, 64), None, (64, 64)]
    assert np.asarray(cut(sheets, 2))[2:-2, 2:-2].min() > 250


@pytest.mark.parametrize("pictures", [[], [None], [None] * 40])
def test_without_pictures_there_is_no_sheet(pictures: list[None]) -> None:
    sheets = lay_on_sheets(pictures, 64)
    assert (sheets.images, sheets.extents, sheets.sizes) == ([], [], pictures)


def test_many_pictures_take_several_sheets() -> None:
    n_pictures = N_COLUMNS**2 + N_COLUMNS + 1
    sheets = lay_on_sheets([plain(0, (8, 8))] * (n_pictures - 1) + [plain(255, (8, 8))], 16)
    assert sheets.extents == [(N_COLUMNS * 16, N_COLUMNS * 16), (N_COLUMNS * 16, 2 * 16)]
    assert sheets.place(n_pictures - 1) == (1, 0, 16)
    assert np.asarray(cut(sheets, n_pictures - 1))[2:-2, 2:-2].min() > 250


def test_more_pictures_have_smaller_squares() -> None:
    sides = [choose_side(n_pictures) for n_pictures in (1, 240, 2_000, 5_000, 100_000)]
    assert sides == [96, 96, 64, 48, 48]
    assert all(side % 16 == 0 for side in SIDES), "a block of WebP"


def test_five_thousand_photos_take_less_than_three_megabytes() -> None:
    some = [encoded(fruit("Pear", seed, (96, 84)), "JPEG", quality=85) for seed in range(50)]
    sheets = lay_on_sheets(some * 100, choose_side(5000))
    assert sum(map(len, sheets.images)) < 2_500_000

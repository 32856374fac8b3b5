"""Sheets: many small pictures in one file of WebP, each in a square of its own, so that a page holds thousands of them.

This module knows Pillow only.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

N_COLUMNS: Final = 32
"""Pictures in a row of a sheet, and rows of a whole sheet: with sides of 96 pixels, 9 megapixels, which phones can show."""

SIDES: Final = (96, 80, 64, 48)
"""Sides that squares may have, in pixels: multiples of 16, the blocks of WebP: pictures hardly run into one another."""

MAX_PIXELS: Final = 12_000_000
"""Pixels of all squares together, about 2 MB of WebP: more pictures have smaller squares."""

_QUALITY, _EFFORT = 60, 2
"""Of 5,000 Fruits-360 photos, WebP makes 1.9 MB in half a second, and JPEG of the usual quality 3.0 MB."""

_GROUND = (128, 128, 128)
"""What an empty square is filled with; it is not shown."""


@dataclass(frozen=True)
class Sheets:
    """Pictures on sheets.

    Attributes:
        side: Pixels of the squares' sides.
        images: The sheets, each with `N_COLUMNS` x `N_COLUMNS` squares, the last one with as many rows as it needs.
        extents: Width and height of each sheet, in pixels.
        sizes: Width and height of each picture, in pixels; None where there is none. It lies in the upper left of its
            square.

    """

    side: int
    images: list[bytes]
    extents: list[tuple[int, int]]
    sizes: list[tuple[int, int] | None]

    def place(self, number: int) -> tuple[int, int, int]:
        """Say where a picture lies: the number of its sheet, and the pixels to the left of it and above it."""
        sheet, square = divmod(number, N_COLUMNS**2)
        row, column = divmod(square, N_COLUMNS)
        return sheet, self.side * column, self.side * row


def choose_side(n_pictures: int) -> int:
    """Choose the side of squares for so many pictures."""
    return next((side for side in SIDES if n_pictures * side**2 <= MAX_PIXELS), SIDES[-1])


def lay_on_sheets(pictures: Sequence[bytes | None], side: int) -> Sheets:
    """Put pictures on sheets, in their order.

    Args:
        pictures: Encoded pictures, of any size; None leaves a square empty.
        side: Pixels of the longer side that a picture has at most.

    """
    if all(picture is None for picture in pictures):
        return Sheets(side, [], [], [None] * len(pictures))
    sizes: list[tuple[int, int] | None] = []
    images, extents = [], []
    for first in range(0, len(pictures), N_COLUMNS**2):
        of_sheet = pictures[first : first + N_COLUMNS**2]
        n_rows = -(-len(of_sheet) // N_COLUMNS)
        sheet = Image.new("RGB", (side * min(N_COLUMNS, len(of_sheet)), side * n_rows), _GROUND)
        for square, picture in enumerate(of_sheet):
            row, column = divmod(square, N_COLUMNS)
            sizes.append(None if picture is None else _paste(picture, sheet, side, (side * column, side * row)))
        content = io.BytesIO()
        sheet.save(content, "WEBP", quality=_QUALITY, method=_EFFORT)
        images.append(content.getvalue())
        extents.append(sheet.size)
    return Sheets(side, images, extents, sizes)


def _paste(picture: bytes, sheet: Image.Image, side: int, corner: tuple[int, int]) -> tuple[int, int]:
    """Shrink a picture if it is larger than its square, and paste it: its size.

    Its last row and its last column go on to the ends of the square: WebP would blur another ground into the picture.
    """
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail((side, side))
        (left, top), (width, height) = corner, image.size
        sheet.paste(image, corner)
        if height < side:
            sheet.paste(image.crop((0, height - 1, width, height)).resize((width, side - height)), (left, top + height))
        if width < side:
            sheet.paste(image.crop((width - 1, 0, width, height)).resize((side - width, height)), (left + width, top))
        return width, height

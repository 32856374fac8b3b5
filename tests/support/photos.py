"""Photos made on the spot: every colour mode and format that a tree may hold, and files that are no photos."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

COLOURS = {"Apple Red 1": (190, 30, 40), "Café Crème": (150, 110, 70), "Pear": (170, 190, 60)}
"""The labels of the tree, which need quoting in a URI, and what their fruits look like."""

PHOTOS_PER_LABEL = 8


@dataclass(frozen=True)
class PhotoTree:
    """A folder per label.

    Attributes:
        root: The folder above them.
        good: Photos that become features.
        bad: Files with a photo's name that are none, and what their reason says (a regular expression).

    """

    root: Path
    good: frozenset[Path]
    bad: dict[Path, str]

    @property
    def n_photos(self) -> int:
        return len(self.good) + len(self.bad)

    @property
    def n_opened(self) -> int:
        """Photos that are worth opening: an empty file is refused when it is listed."""
        return self.n_photos - sum(path.stat().st_size == 0 for path in self.bad)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Bytes of a photo as a file would hold them."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def quadrants(samples: Sequence[Any], mode: str = "RGB", size: tuple[int, int] = (80, 48)) -> Image.Image:
    """Top left, top right, bottom left, bottom right: four samples, each of which fills a quarter."""
    image = Image.new(mode, size)
    width, height = size[0] // 2, size[1] // 2
    for sample, corner in zip(samples, ((0, 0), (width, 0), (0, height), (width, height)), strict=True):
        image.paste(sample, (*corner, corner[0] + width, corner[1] + height))
    return image


def quarter_centres(tensor: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The four samples that `quadrants` was given, from a square tensor: far from edges, resampling changes nothing."""
    near, far = len(tensor) // 4, len(tensor) * 3 // 4
    return [tuple(tensor[row, column].tolist()) for row in (near, far) for column in (near, far)]


def fruit(label: str, seed: int, size: tuple[int, int] = (64, 56)) -> Image.Image:
    """A fruit of its label's colour, somewhere on a light and noisy ground."""
    rng = np.random.default_rng([seed, *label.encode()])
    image = Image.new("RGB", size, (235, 235, 225))
    left, top = rng.integers(2, 20, 2)
    shade = np.clip(np.array(COLOURS[label]) + rng.integers(-25, 26, 3), 0, 255)
    ImageDraw.Draw(image).ellipse((left, top, left + 36, top + 30 + seed % 5), fill=tuple(shade.tolist()))
    noise = rng.integers(-12, 13, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def photograph(size: tuple[int, int], **options: Any) -> bytes:
    """A JPEG with edges and a camera's noise."""
    clean = np.asarray(fruit("Pear", 0, (320, 240)).resize(size), np.float32)
    noisy = clean + np.random.default_rng(0).normal(0, 6, clean.shape)
    return encoded(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", quality=90, **options)


def png_16_bit(samples: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of 1 to 4 channels, (height, width, channels); Pillow itself writes only grey ones."""
    height, width, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, content) for kind, content in chunks)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size: a decompression bomb, as far as a decoder can tell."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", pixels) + _png_chunk(b"IEND", b"")


def write_photo_tree(root: Path) -> PhotoTree:
    """Write the labelled photos that the tests run on: three labels, all colour modes, a few files that are no photos."""
    good: dict[str, bytes] = {
        f"{label}/{number:02}.jpg": encoded(fruit(label, number), "JPEG")
        for label in COLOURS
        for number in range(PHOTOS_PER_LABEL)
    }
    apple, cafe, pear = (fruit(label, 99) for label in COLOURS)
    good |= {
        "Pear/grey.jpg": encoded(pear.convert("L"), "JPEG"),
        "Pear/grey.png": encoded(pear.convert("L"), "PNG"),
        "Pear/grey with alpha.png": encoded(pear.convert("LA"), "PNG"),
        "Pear/one bit.png": encoded(pear.convert("1"), "PNG"),
        "Pear/16 bit.png": png_16_bit(np.asarray(pear.convert("L"))[..., np.newaxis].astype(np.uint16) * 257),
        "Apple Red 1/alpha.png": encoded(apple.convert("RGBA"), "PNG"),
        "Apple Red 1/palette.png": encoded(apple.quantize(64), "PNG"),
        "Apple Red 1/palette with transparency.png": encoded(apple.quantize(64), "PNG", transparency=0),
        "Apple Red 1/cmyk.jpg": encoded(apple.convert("CMYK"), "JPEG"),
        "Apple Red 1/progressive.JPG": encoded(apple, "JPEG", progressive=True),
        "Café Crème/lossless.webp": encoded(cafe, "WEBP", lossless=True),
        "Café Crème/bitmap.bmp": encoded(cafe, "BMP"),
        "Café Crème/two frames.gif": encoded(cafe, "GIF", save_all=True, append_images=[apple]),
        "Café Crème/float.tiff": encoded(Image.fromarray(np.asarray(cafe.convert("L"), np.float32) / 255), "TIFF"),
        'Café Crème/one, "two" & 100%25 #3.jpeg': encoded(fruit("Café Crème", 100), "JPEG"),
    }
    whole = encoded(apple, "JPEG")
    bad = {
        "Apple Red 1/empty.jpg": (b"", "^empty file$"),
        "Apple Red 1/truncated.jpg": (whole[: len(whole) // 2], "[Tt]runcated"),
        "Pear/noise.png": (np.random.default_rng(0).bytes(2000), "not an image"),
        "Pear/text.jpg": ("crème, not a photo\n".encode() * 20, "not an image"),
        "Pear/bomb.png": (png_that_claims(60_000, 60_000), "too large"),
    }
    for name, content in {**good, **{name: content for name, (content, _) in bad.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "Pear" / "notes.txt").write_text("no photo, and it does not claim to be one")
    return PhotoTree(root, frozenset(root / name for name in good), {root / name: reason for name, (_, reason) in bad.items()})


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

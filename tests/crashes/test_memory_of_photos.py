"""Large photos take no more memory than is allowed, and what decoding takes is known from their headers."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import decode, thumbnail
from tests.support.photos import photograph

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 224

SIDE = 5000  # 25 megapixels: what Python takes anyhow is little beside them
BYTES_PER_PIXEL: dict[str, tuple[str, dict[str, Any], float]] = {
    "rgb.png": ("RGB", {}, 4),
    "rgba.png": ("RGBA", {}, 8),
    "bits.png": ("1", {}, 5),
    "grey.jpg": ("L", {}, 5),
    "rgb.jpg": ("RGB", {}, 4),
    "cmyk.jpg": ("CMYK", {}, 8),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}, 10),
    "progressive_420.jpg": ("RGB", {"progressive": True, "subsampling": 2}, 7),
    "lossless.webp": ("RGBA", {"lossless": True}, 20),
    "lossy.webp": ("RGB", {}, 16),
    "palette.gif": ("P", {}, 5),
    "rgba.tif": ("RGBA", {"compression": "tiff_lzw"}, 8),
    "one_strip.tif": ("RGB", {"compression": "tiff_lzw", "tiffinfo": {278: SIDE}}, 8),
    "sixteen.tif": ("I;16", {}, 6),
    "floats.tif": ("F", {}, 8),
    "rgb.avif": ("RGB", {"speed": 10}, 14),
    "rgba.avif": ("RGBA", {"speed": 10}, 18),
    "rgb.jp2": ("RGB", {}, 22),
    "rgba.jp2": ("RGBA", {}, 32),
    "sixteen.jp2": ("I;16", {}, 12),
    "rgb.ppm": ("RGB", {}, 4),
    "sixteen.pgm": ("I;16", {}, 12),
}


@pytest.fixture(params=BYTES_PER_PIXEL)
def large_photo(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, float]:
    """A photo, and the megabytes that decoding it takes."""
    mode, options, bytes_per_pixel = BYTES_PER_PIXEL[request.param]
    Image.new(mode, (SIDE, SIDE)).save(tmp_path / request.param, **options)
    return tmp_path / request.param, bytes_per_pixel * SIDE**2 / 10**6


def test_a_photo_takes_the_memory_that_its_header_says(large_photo: tuple[Path, float]) -> None:
    path, megabytes = large_photo
    program = f"""
import resource
from pathlib import Path
from fruit_features.photos.imaging import decode

content = Path({str(path)!r}).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(content, {SIZE}, max_decoded_mb={round(megabytes) + 1})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 10**6)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(result.stdout) < 1.05 * megabytes + 50


def test_what_takes_more_memory_than_is_allowed_is_refused_unread_or_drafted(large_photo: tuple[Path, float]) -> None:
    path, megabytes = large_photo
    content, limit = path.read_bytes(), round(megabytes) - 1
    if path.suffix != ".jpg":
        before = time.perf_counter()
        with pytest.raises(ImageError, match=rf"^too large: 5000 x 5000 pixels take {megabytes:.0f} MB to decode, max_deco"):
            decode(content, SIZE, max_decoded_mb=limit)
        assert time.perf_counter() - before < 0.1
        with pytest.raises(ImageError, match="too large"):
            thumbnail(content, 96, max_decoded_mb=limit)
    else:
        assert decode(content, SIZE, max_decoded_mb=limit).shape == (SIZE, SIZE, 3)


def test_a_jpeg_that_takes_too_much_memory_is_decoded_as_a_draft_and_refused_if_that_takes_too_much() -> None:
    content = photograph((4000, 3000))
    as_draft, whole = decode(content, SIZE, jpeg_draft=True), decode(content, SIZE)
    np.testing.assert_array_equal(decode(content, SIZE, max_decoded_mb=47), as_draft)
    np.testing.assert_array_equal(decode(content, SIZE, max_decoded_mb=48), whole)
    progressive = photograph((4000, 3000), progressive=True, subsampling=0)  # coefficients are kept in full: 72 MB
    assert decode(progressive, SIZE, max_decoded_mb=80).shape == (SIZE, SIZE, 3)
    with pytest.raises(ImageError, match=r"4000 x 3000 pixels take 7[2-9] MB"):
        decode(progressive, SIZE, max_decoded_mb=70)


def test_a_draft_of_a_photo_of_twelve_megapixels_is_nearly_the_whole() -> None:
    content = photograph((4000, 3000))
    difference = abs(decode(content, SIZE, jpeg_draft=True).astype(int) - decode(content, SIZE).astype(int))
    assert difference.any(), "it was no draft"
    assert difference.mean() < 0.5
    assert difference.max() <= 8

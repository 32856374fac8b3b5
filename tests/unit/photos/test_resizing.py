"""How a photo becomes a square: squashed as the notebook does, or cut to its centre as networks of PyTorch want it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fruit_features.photos.imaging import MAX_DECODED_MB, decode, decode_with_facts, decoding_of_features


def photo(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("interpolation", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize(("width", "height"), [(100, 80), (80, 101), (33, 200), (64, 64), (20, 31)])
def test_a_crop_has_the_pixels_of_resize_and_center_crop(width: int, height: int, interpolation: Any) -> None:
    """As torchvision computes them: the shorter side becomes `size`, the longer one is rounded down, the centre is kept."""
    size, image = 32, photo(width, height)
    filter_ = Image.Resampling[interpolation.upper()]
    scaled = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    expected = image.resize(scaled, filter_).crop((left, top, left + size, top + size))
    found = decode(png(image), size, resize="crop", interpolation=interpolation)
    difference = np.abs(found.astype(int) - np.asarray(expected).astype(int))
    if interpolation in {"nearest", "box"}:  # where a pixel lies just between two, rounding decides
        assert np.mean(difference > 1) < 0.1
    else:
        assert difference.max() <= 1


def test_a_crop_of_a_very_long_photo_takes_no_more_memory_than_its_centre() -> None:
    found = decode(png(Image.new("RGB", (100_000, 1), "red")), 224, resize="crop")
    assert found.shape == (224, 224, 3)
    assert (found == [255, 0, 0]).all()


def test_squash_and_bicubic_are_what_they_always_were() -> None:
    image = photo(100, 80)
    np.testing.assert_array_equal(decode(png(image), 32), np.asarray(image.resize((32, 32))))
    np.testing.assert_array_equal(
        decode(png(image), 32, resize="squash", interpolation="bilinear"),
        np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)),
    )


def test_defaults_of_later_date_are_no_part_of_a_fingerprint() -> None:
    early: Any = {"apply_exif_orientation": False, "jpeg_draft": False}
    later: Any = {"max_decoded_mb": MAX_DECODED_MB, "resize": "squash", "interpolation": "bicubic"}
    assert decoding_of_features(early | later) == early
    assert decoding_of_features(early | later | {"resize": "crop"}) == early | {"resize": "crop"}


def test_facts_do_not_depend_on_what_a_network_wants_to_see() -> None:
    content = png(photo(300, 200))
    _, facts = decode_with_facts(content, 224)
    for size, resize, interpolation in ((224, "crop", "bicubic"), (224, "squash", "nearest"), (64, "crop", "bilinear")):
        assert decode_with_facts(content, size, resize=resize, interpolation=interpolation)[1] == facts  # type: ignore[arg-type]

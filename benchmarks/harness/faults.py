"""Plants faults into a copy of a set of photos: near and exact copies, wrong labels, odd and foreign photos."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 0
NEAR, EXACT, WRONG = 0.05, 0.01, 0.02
"""Shares of the photos that get a near copy, a copy, and a wrong label."""

N_ODD = 5
"""Photos of each odd kind, and foreign ones."""

COPIES_THAT_ARE_SOUGHT = ("jpeg", "resize", "brightness", "flip")
NEAR_COPIES = (*COPIES_THAT_ARE_SOUGHT, "crop")


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


def brightness(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Make darker or brighter, by a factor of 0.7 to 1.3; what would be brighter than white becomes white."""
    return save(ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3)))


def flip(image: Image.Image, rng: np.random.Generator) -> bytes:  # noqa: ARG001
    """Turn left and right round."""
    return save(ImageOps.mirror(image))


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
    for make, (image, photo) in zip(
        itertools.cycle((jpeg, resize, brightness, flip, crop)), take(round(NEAR * n)), strict=False
    ):
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

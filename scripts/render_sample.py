"""Render the sample photos: ten fruits that turn before a white background, in the manner of Fruits-360.

A fruit is a set of signed distance functions (body, stem, sepals) with procedural skins. A photo is sphere traced
(Hart 1996, "Sphere tracing", The Visual Computer 12) at three times its size, lit, and averaged down. Lengths are in
half photo widths: a photo spans [-1, 1] in x (right) and y (up), and the camera looks down the z axis.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]
Field = Callable[[Array], Array]  # points (n, 3) to one number (n,) or one colour (n, 3) a point
Triple = tuple[float, float, float]

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "data" / "01_raw" / "sample"
PHOTO_SIZE = 100  # pixels a side, as in Fruits-360
SUPERSAMPLING = 3
JPEG_QUALITY = 90
SEED = 360
GAMMA = 2.2  # colours are written in sRGB; light adds up in linear space
CAMERA_DISTANCE, FAR = 2.0, 4.0
STEP, MAX_STEPS = 0.6, 90  # steps stay short of the distances below, which are estimates and may be too long
TOLERANCE = 0.003  # half a subpixel


@dataclass(frozen=True)
class Part:
    """One surface of a fruit."""

    shape: Field  # signed distance to the surface, negative inside
    skin: Field  # sRGB colour in [0, 1]
    gloss: float = 0.05  # strength of the highlight, 0 (felt) to 1 (wax)
    relief: Field = lambda _: np.float32(0)  # height of detail too fine for the shape; it only bends the normals


@dataclass(frozen=True)
class Fruit:
    """A class of the sample: what it is made of and how it turns from photo to photo."""

    label: str
    parts: tuple[Part, ...]
    tilt: float  # degrees by which its top leans towards the camera
    sway: float = 12  # degrees it rocks during the turn
    spin: Literal["upright", "flat"] = "upright"  # its full turn is about its own axis, or about the camera's


# ---- mathematics ----


def length(p: Array) -> Array:
    return np.sqrt(np.einsum("ij,ij->i", p, p))


def unit(p: Array) -> Array:
    return p / np.maximum(length(p), 1e-6)[:, None]


def from_top(p: Array) -> Array:
    """Angle from the top of the fruit, 0 to pi."""
    return np.arccos(np.clip(unit(p)[:, 1], -1, 1))


def around(p: Array) -> Array:
    """Angle about the fruit's own (y) axis, -pi to pi."""
    return np.arctan2(p[:, 2], p[:, 0])


def bell(x: Array, width: float) -> Array:
    return np.exp(-((x / width) ** 2))


def ramp(low: float, high: float, x: Array) -> Array:
    """0 before low, 1 after high, smooth between; low may be the larger."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(p: Array, frequency: float | Triple, octaves: int = 1) -> Array:
    """Value noise (n,) in [0, 1]: random numbers on an integer lattice, smoothly interpolated."""
    total = np.zeros(len(p), np.float32)
    for octave in range(octaves):
        scaled = p * np.float32(frequency) * 2**octave + 128 + 17 * octave  # off the origin: no negative cells
        cell = scaled.astype(np.uint32)
        t = ramp(0, 1, scaled - cell)
        for corner in np.ndindex(2, 2, 2):
            key = np.bitwise_xor.reduce((cell + np.uint32(corner)) * np.uint32([73856093, 19349663, 83492791]), axis=1)
            key = (key ^ (key >> np.uint32(13))) * np.uint32(0x5BD1E995)
            key = (key ^ (key >> np.uint32(15))) * np.uint32(0x27D4EB2D)
            near_x, near_y, near_z = np.where(corner, t, 1 - t).T
            total += (key >> np.uint32(8)).astype(np.float32) * near_x * near_y * near_z / 2 ** (24 + octave)
    return total / (2 - 2.0 ** (1 - octaves))


def to_seed(p: Array, count: int) -> Array:
    """Distance (n,) on the unit sphere from p's direction to the nearest of `count` points of a golden spiral."""
    rank = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * rank / count), np.pi * (1 + 5**0.5) * rank
    seeds = np.float32([np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)])
    return np.sqrt(np.maximum(2 - 2 * (unit(p) @ seeds).max(axis=1), 0))


# ---- shapes: signed distances (n,) ----


def ellipsoid(p: Array, radii: Triple, centre: Triple = (0, 0, 0)) -> Array:
    scaled = (p - np.float32(centre)) / np.float32(radii)
    size = length(scaled)
    return size * (size - 1) / np.maximum(length(scaled / np.float32(radii)), 1e-6)


def stick(p: Array, start: Triple, end: Triple, start_radius: float, end_radius: float) -> Array:
    """A rod with round ends whose radius changes from start to end."""
    axis = np.float32(end) - np.float32(start)
    along = np.clip((p - np.float32(start)) @ axis / (axis @ axis), 0, 1)
    return length(p - np.float32(start) - along[:, None] * axis) - (start_radius + (end_radius - start_radius) * along)


def smooth_union(a: Array, b: Array, softness: float) -> Array:
    h = np.clip(0.5 + 0.5 * (b - a) / softness, 0, 1)
    return b + (a - b) * h - softness * h * (1 - h)


def globe(p: Array, radius: float, flattening: float, dimple: float, dimple_width: float, ribs: float = 0) -> Array:
    """A ball flattened at its poles, with a dimple at the top and five ribs."""
    theta = from_top(p)
    swell = 1 + ribs * np.cos(5 * around(p)) * np.sin(theta) ** 2
    return length(p) - (radius - flattening * np.cos(theta) ** 2 - dimple * bell(theta, dimple_width)) * swell


def star(p: Array, rays: int, reach: float, width: float, base: float, droop: float) -> Array:
    """Sepals: thin leaves about the y axis at height `base` that sink by droop * distance**2."""
    sector = 2 * np.pi / rays
    angle = (around(p) + sector / 2) % sector - sector / 2
    out = np.hypot(p[:, 0], p[:, 2])
    unfolded = np.stack([out * np.cos(angle), p[:, 1] - base + droop * out**2, out * np.sin(angle)], axis=1)
    return 0.7 * ellipsoid(unfolded, (reach / 2, 0.03, width), (reach / 2, 0, 0))


def apple(p: Array) -> Array:
    under = np.pi - from_top(p)
    feet = 0.16 * bell(under, 0.3) + 0.05 * ramp(1.9, 0.5, under) - 0.025 * np.cos(5 * around(p)) * ramp(1.5, 0.4, under)
    return globe(p, 0.82, 0, 0.37, 0.42) + feet


def along_banana(p: Array) -> tuple[Array, Array, Array]:
    """Place along a banana's bent axis, 0 (blossom end) to 1 (stem); distance from the axis; angle about it."""
    bend, half_arc = 0.98, 1.1
    x, y = p[:, 0], p[:, 1] - 0.68
    angle = np.clip(np.arctan2(x, -y), -half_arc, half_arc)
    outwards = x * np.sin(angle) - y * np.cos(angle) - bend
    past_end = x * np.cos(angle) + y * np.sin(angle)
    distance = np.sqrt(outwards**2 + past_end**2 + p[:, 2] ** 2)
    return (angle / half_arc + 1) / 2, distance, np.arctan2(p[:, 2], outwards)


def banana(p: Array) -> Array:
    along, distance, angle = along_banana(p)
    places, radii = [0, 0.04, 0.12, 0.3, 0.6, 0.8, 0.88, 0.95], [0.05, 0.08, 0.16, 0.24, 0.25, 0.18, 0.1, 0.065]
    return distance - np.interp(along, places, radii).astype(np.float32) * (1 + 0.05 * np.cos(5 * angle))


def blueberry(p: Array) -> Array:
    rim = bell(from_top(p) - 0.4 - 0.09 * np.cos(5 * around(p)), 0.1)
    return globe(p, 0.74, 0.08, 0.16, 0.34) - 0.09 * rim


def lime(p: Array) -> Array:
    theta = from_top(p)
    return ellipsoid(p, (0.62, 0.76, 0.62)) - 0.1 * bell(theta, 0.2) - 0.07 * bell(np.pi - theta, 0.17)


def orange(p: Array) -> Array:
    return globe(p, 0.84, 0.03, 0.05, 0.3)


def pear(p: Array) -> Array:
    belly = ellipsoid(p, (0.6, 0.56, 0.6), (0, -0.32, 0))
    return smooth_union(belly, stick(p, (0, 0.2, 0), (0.04, 0.48, 0), 0.31, 0.2), 0.35)


def strawberry(p: Array) -> Array:
    return length(p) - 0.58 - 0.2 * bell(np.pi - from_top(p), 0.65)


def tomato(p: Array) -> Array:
    return globe(p, 0.84, 0.14, 0.12, 0.4, ribs=0.02)


def watermelon(p: Array) -> Array:
    return ellipsoid(p, (0.8, 0.9, 0.8))


# ---- skins: colours (n, 3) ----


def mix(a: Array | Triple, b: Array | Triple, weight: Array) -> Array:
    """Colour a where weight (n,) is 0, b where it is 1."""
    return np.float32(a) + (np.float32(b) - np.float32(a)) * weight[:, None]


def bark(p: Array) -> Array:
    return mix((0.36, 0.25, 0.14), (0.56, 0.44, 0.26), noise(p, (30, 6, 30)))


def leaf(p: Array) -> Array:
    return mix((0.3, 0.5, 0.16), (0.5, 0.66, 0.26), noise(p, 9, 2))


def apple_skin(p: Array) -> Array:
    streaks, cloud = noise(unit(p), (11, 1.5, 11), 2), noise(p, 1.3, 2)
    red = ramp(0.3, 0.62, 0.55 * streaks + 0.5 * cloud + 0.12 - 0.5 * bell(from_top(p), 0.5))
    colour = mix((0.91, 0.75, 0.3), (0.72, 0.06, 0.1), red)
    return mix(colour, (0.93, 0.78, 0.5), 0.6 * ramp(0.028, 0.016, to_seed(p, 260)))


def banana_skin(p: Array) -> Array:
    along, _, angle = along_banana(p)
    freckles = 0.75 * ramp(0.7, 0.8, noise(p, (16, 16, 22))) * ramp(0.35, 0.6, noise(p, 2.5))
    ridges = 0.25 * ramp(0.86, 1, np.cos(5 * angle))
    colour = mix((0.98, 0.82, 0.16), (0.87, 0.66, 0.1), noise(p, 3, 2))
    colour = mix(colour, (0.66, 0.72, 0.24), 0.7 * ramp(0.78, 0.97, along))
    colour = mix(colour, (0.5, 0.33, 0.08), np.maximum(ridges, freckles))
    return mix(colour, (0.22, 0.15, 0.08), ramp(0.055, 0.02, along) + ramp(0.985, 1, along))


def blueberry_skin(p: Array) -> Array:
    colour = mix((0.15, 0.18, 0.36), (0.45, 0.52, 0.7), 0.7 * noise(p, 2.5, 4) + 0.25 * noise(p, 20))
    return mix(colour, (0.1, 0.08, 0.18), ramp(0.46, 0.3, from_top(p) - 0.09 * np.cos(5 * around(p))))


KIWI_RADII = (0.76, 0.84, 0.62)


def half_kiwi(p: Array) -> Array:
    return np.maximum(ellipsoid(p, KIWI_RADII), p[:, 2])


def kiwi_skin(p: Array) -> Array:
    x, y, z = p.T
    out, angle = np.hypot(x / KIWI_RADII[0], y / KIWI_RADII[1]), np.arctan2(y, x)
    rays = noise(np.stack([9 * np.cos(angle), 9 * np.sin(angle), 1.2 * out], axis=1), frequency=1)
    flesh = mix((0.36, 0.58, 0.1), (0.66, 0.8, 0.3), 0.75 * rays + 0.3 * ramp(0.6, 0.3, out) - 0.1)
    flesh = mix(flesh, (0.93, 0.93, 0.72), ramp(0.31, 0.2, out + 0.1 * (rays - 0.5)))
    flesh = mix(flesh, (0.8, 0.86, 0.5), ramp(0.9, 0.95, out))
    lane = angle / (2 * np.pi) * 34  # one seed a lane, at uneven distances from the core
    across = (lane - np.floor(lane) - 0.5) * 2 * np.pi / 34 * out
    beyond = out - 0.42 - 0.07 * np.sin(np.floor(lane) * 2.4)
    flesh = mix(flesh, (0.08, 0.06, 0.05), ramp(1.2, 0.8, np.hypot(across / 0.024, beyond / 0.05)))
    fuzz = mix((0.36, 0.25, 0.12), (0.62, 0.48, 0.28), noise(p, (24, 9, 24), 2))
    return mix(fuzz, flesh, (z > -0.02) & (out < 0.975))


def lime_skin(p: Array) -> Array:
    theta = from_top(p)
    colour = mix((0.22, 0.47, 0.08), (0.5, 0.66, 0.17), noise(p, 2.2, 3))
    return mix(colour, (0.7, 0.74, 0.3), 0.7 * bell(np.minimum(theta, np.pi - theta), 0.22))


def orange_skin(p: Array) -> Array:
    colour = mix((0.95, 0.5, 0.05), (0.98, 0.62, 0.12), noise(p, 2.5, 2))
    return mix(colour, (0.8, 0.36, 0.03), 0.6 * ramp(0.6, 0.85, noise(p, 24)))


def pear_skin(p: Array) -> Array:
    colour = mix((0.72, 0.74, 0.22), (0.85, 0.78, 0.32), noise(p, 2, 3))
    colour = mix(colour, (0.8, 0.42, 0.2), 0.6 * ramp(0.1, 0.6, p[:, 0]) * ramp(0.35, 0.7, noise(p, 1.7, 3)))
    return mix(colour, (0.45, 0.36, 0.12), 0.6 * ramp(0.7, 0.85, noise(p, 26)))


STRAWBERRY_SEEDS = 170


def strawberry_skin(p: Array) -> Array:
    colour = mix((0.8, 0.05, 0.07), (0.93, 0.2, 0.13), noise(p, 3, 2))
    colour = mix(colour, (0.95, 0.72, 0.5), 0.7 * ramp(0.35, 0.6, p[:, 1]))
    return mix(colour, (0.95, 0.8, 0.36), ramp(0.06, 0.04, to_seed(p, STRAWBERRY_SEEDS)))


def tomato_skin(p: Array) -> Array:
    colour = mix((0.84, 0.1, 0.04), (0.93, 0.24, 0.08), noise(p, 1.8, 2))
    return mix(colour, (0.93, 0.5, 0.14), 0.6 * bell(from_top(p), 0.5))


def watermelon_skin(p: Array) -> Array:
    ragged = 0.9 * (noise(p, 5, 3) - 0.5) + 0.5 * (noise(p, 14, 2) - 0.5)
    stripes = ramp(-0.1, 0.35, np.sin(9 * (around(p) + 0.45 * ragged)) + ragged)
    return mix(mix((0.55, 0.71, 0.36), (0.7, 0.82, 0.48), noise(p, 6, 2)), (0.07, 0.25, 0.09), stripes)


# ---- fruits ----


def stem(start: Triple, end: Triple, radius: float, skin: Field = bark) -> Part:
    return Part(lambda p: stick(p, start, end, radius, radius * 1.3), skin)


def sepals(rays: int, reach: float, width: float, base: float, droop: float) -> Part:
    return Part(lambda p: star(p, rays, reach, width, base, droop), leaf)


def pores(p: Array) -> Array:
    return 0.011 * noise(p, 22)


def seed_pits(p: Array) -> Array:
    return -0.03 * bell(to_seed(p, STRAWBERRY_SEEDS), 0.07)


FRUITS = (
    Fruit("Apple", (Part(apple, apple_skin, 0.4), stem((0, 0.36, 0), (0.1, 0.84, 0.04), 0.03)), tilt=28),
    Fruit("Banana", (Part(banana, banana_skin, 0.12),), tilt=8, sway=30, spin="flat"),
    Fruit("Blueberry", (Part(blueberry, blueberry_skin),), tilt=50, sway=18),
    Fruit("Kiwi", (Part(half_kiwi, kiwi_skin, 0.1, pores),), tilt=0, sway=38, spin="flat"),
    Fruit("Lime", (Part(lime, lime_skin, 0.4, pores),), tilt=15, sway=20, spin="flat"),
    Fruit("Orange", (Part(orange, orange_skin, 0.3, pores), sepals(6, 0.12, 0.05, 0.79, 0.2)), tilt=38, sway=20),
    Fruit("Pear", (Part(pear, pear_skin, 0.15), stem((0.04, 0.6, 0), (0.13, 0.95, 0.05), 0.03)), tilt=8),
    Fruit(
        "Strawberry",
        (
            Part(strawberry, strawberry_skin, 0.4, seed_pits),
            sepals(9, 0.6, 0.11, 0.62, 0.72),
            stem((0, 0.55, 0), (0.06, 0.86, 0), 0.03, leaf),
        ),
        tilt=12,
    ),
    Fruit(
        "Tomato",
        (
            Part(tomato, tomato_skin, 0.8),
            sepals(5, 0.5, 0.07, 0.64, 0.25),
            stem((0, 0.56, 0), (0.05, 0.84, 0), 0.04, leaf),
        ),
        tilt=42,
    ),
    Fruit("Watermelon", (Part(watermelon, watermelon_skin, 0.25), stem((0, 0.85, 0), (0.06, 1, 0), 0.03)), tilt=30),
)


# ---- camera ----


def rotation(axis: int, degrees: float) -> Array:
    """Matrix (3, 3) of a turn about the x (0), y (1) or z (2) axis."""
    matrix, i, j = np.eye(3, dtype=np.float32), (axis + 1) % 3, (axis + 2) % 3
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[[i, i, j, j], [i, j, i, j]] = cosine, -sine, sine, cosine
    return matrix


def pose(fruit: Fruit, turn: float) -> Array:
    """Rotation (3, 3) from the fruit to the camera after `turn` (0 to 1) of its full turn."""
    rock = fruit.sway * np.sin(2 * np.pi * turn)
    if fruit.spin == "upright":
        return rotation(2, rock / 2) @ rotation(0, fruit.tilt + rock) @ rotation(1, 360 * turn)
    return rotation(2, 360 * turn) @ rotation(0, fruit.tilt) @ rotation(1, rock)


def trace(shape: Field, start: Array, ahead: Array) -> Array:
    """Distance (n,) that rays from start (n, 3) go ahead (3,) until they meet the shape; inf if they miss."""
    depth, flying = np.zeros(len(start), np.float32), np.arange(len(start))
    for _ in range(MAX_STEPS):
        gap = shape(start[flying] + depth[flying, None] * ahead)
        depth[flying] += STEP * gap
        flying = flying[(gap > TOLERANCE) & (depth[flying] < FAR)]
    depth[flying] = np.inf  # still grazing an edge
    return np.where(depth < FAR, depth, np.inf)


def normals(part: Part, p: Array, reach: float = 0.006) -> Array:
    """Unit normals (n, 3): the gradient of the distance, by differences over the corners of a tetrahedron."""
    corners = reach * np.float32([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    return unit(sum(corner * (part.shape(p + corner) - part.relief(p + corner))[:, None] for corner in corners))


def shade(colour: Array, normal: Array, openness: Array, gloss: Array, lamp: Array) -> Array:
    """Linear light (n, 3) off a surface under a white sky and one lamp with a Blinn-Phong highlight."""
    lit = np.clip((normal @ lamp + 0.25) / 1.25, 0, 1)  # wraps round the limb, as a softbox does
    sky = (0.36 + 0.16 * normal[:, 1]) * openness
    shine = np.clip(normal @ unit((lamp + np.float32([0, 0, 1]))[None])[0], 0, 1)
    highlight = gloss * openness * (0.8 * shine**70 + 0.12 * shine**8)
    return colour**GAMMA * (sky + 0.78 * lit)[:, None] + highlight[:, None]


def render(fruit: Fruit, index: int, per_class: int) -> Image.Image:
    """RGB photo `index` of the `per_class` that share out the fruit's full turn, PHOTO_SIZE pixels a side."""
    rng = np.random.default_rng([SEED, zlib.crc32(fruit.label.encode()), index])  # size, place, light of this photo
    zoom, exposure, shift = rng.uniform(0.94, 1.02), rng.uniform(0.98, 1.12), rng.uniform(-0.03, 0.03, 2)
    lamp = unit(np.float32([rng.uniform((-0.62, 0.63, 0.68), (-0.38, 0.87, 0.92))]))[0]
    side, to_camera = PHOTO_SIZE * SUPERSAMPLING, pose(fruit, index / per_class)
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid((axis - shift[0]) / zoom, (-axis - shift[1]) / zoom)
    start = np.stack([x, y, np.full_like(x, CAMERA_DISTANCE)], axis=-1).reshape(-1, 3).astype(np.float32) @ to_camera
    ahead = np.float32([0, 0, -1]) @ to_camera

    def distances(p: Array) -> Array:
        return np.stack([part.shape(p) for part in fruit.parts])

    depth = trace(lambda p: distances(p).min(axis=0), start, ahead)
    hit = np.flatnonzero(np.isfinite(depth))
    p = start[hit] + depth[hit, None] * ahead
    owner = distances(p).argmin(axis=0)
    colour, normal, gloss = np.empty_like(p), np.empty_like(p), np.empty_like(p[:, 0])
    for owned_by, part in enumerate(fruit.parts):
        mine = owner == owned_by
        colour[mine], normal[mine], gloss[mine] = part.skin(p[mine]), normals(part, p[mine]), part.gloss
    openness = np.clip(0.25 + 0.75 * distances(p + 0.12 * normal).min(axis=0) / 0.12, 0, 1)  # dark where parts meet

    photo = np.ones((side * side, 3), np.float32)  # white
    photo[hit] = exposure * shade(np.clip(colour, 0, 1), normal @ to_camera.T, openness, gloss, lamp)
    blocks = np.clip(photo, 0, 1).reshape(PHOTO_SIZE, SUPERSAMPLING, PHOTO_SIZE, SUPERSAMPLING, 3)
    return Image.fromarray((blocks.mean(axis=(1, 3)) ** (1 / GAMMA) * 255).round().astype(np.uint8))


def write_sample(out: Path, per_class: int) -> int:
    """Write <out>/<Label>/NN.jpg for every fruit and return the number of photos."""
    for fruit in FRUITS:
        folder = out / fruit.label
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            render(fruit, index, per_class).save(folder / f"{index:02d}.jpg", quality=JPEG_QUALITY)
    return len(FRUITS) * per_class


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the sample fruit photos.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write to (default: %(default)s)")
    parser.add_argument("--per-class", type=int, default=24, help="photos of each fruit (default: %(default)s)")
    args = parser.parse_args()
    print(f"{write_sample(args.out, args.per_class)} photos of {len(FRUITS)} fruits in {args.out}")


if __name__ == "__main__":
    main()

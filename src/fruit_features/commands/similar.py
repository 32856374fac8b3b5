"""Photos that look like one photo: its nearest neighbours among the exported ones, in the space of the PCA components."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.photos.imaging import ImageError, decode, thumbnail
from fruit_features.networks.engines import get_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import ArrayLike

    from fruit_features.photos.imaging import Decoding
    from fruit_features.networks.engines import Network
    from fruit_features.analysis.pca import PcaModel

_THUMBNAIL = 160  # pixels

_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Photos like {title}</title>
<style>
  body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
  main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; }}
  figure {{ margin: 0; }}
  img {{ width: 100%; height: 10rem; object-fit: contain; background: #eee; }}
  figcaption {{ overflow-wrap: anywhere; font-size: 0.85rem; }}
</style>
<h1>Photos like {title}</h1>
<main>
{figures}
</main>
"""


def find_similar(
    photo: bytes, photos: pd.DataFrame, *, network: Network, model: PcaModel, decoding: Decoding, top: int
) -> pd.DataFrame:
    """Find the photos nearest to one.

    Args:
        photo: An encoded photo.
        photos: path, label, pca_1 .. pca_k: what a run exported.
        network: The network that featurized them.
        model: The PCA model that they were projected with.
        decoding: Keyword arguments of `imaging.decode`, as in that run.
        top: How many.

    Returns:
        path, label, distance (Euclidean, on the components); nearest first.

    Raises:
        ImageError: The photo cannot be decoded.

    """
    pixels = decode(photo, network.input_size, **decoding)
    features = get_engine(network.engine).load(network, 1)(pixels[np.newaxis])
    return nearest_photos(model.project(features)[0], photos, top)


def nearest_photos(point: ArrayLike, photos: pd.DataFrame, top: int) -> pd.DataFrame:
    """Find the photos nearest to a point of their space; a photo that lies there is itself among them.

    Args:
        point: Components, (k,).
        photos: path, label, pca_1 .. pca_k.
        top: How many.

    Returns:
        path, label, distance (Euclidean, on the components); nearest first.

    """
    components = photos.filter(regex=r"^pca_\d+$").to_numpy(np.float64)
    distances = np.linalg.norm(components - np.asarray(point, np.float64), axis=1)
    nearest = np.argsort(distances, kind="stable")[:top]
    return photos.iloc[nearest][["path", "label"]].assign(distance=distances[nearest]).reset_index(drop=True)


def render_similar(photo: bytes, name: str, similar: pd.DataFrame, read: Callable[[str], bytes]) -> str:
    """Lay out a photo and those like it as one HTML page that needs nothing else.

    Args:
        photo: The encoded photo.
        name: Its name.
        similar: What `find_similar` returned.
        read: Reads a photo's bytes by its path.

    """
    figures = [_figure(photo, name)]
    for path, label, distance in zip(similar["path"], similar["label"], similar["distance"], strict=True):
        try:
            content = read(path)
        except OSError:  # it was there when the run exported it
            content = b""
        figures.append(_figure(content, f"{label}, {path.rsplit('/', 1)[-1]}: {distance:.2f}"))
    return _PAGE.format(title=html.escape(name), figures="\n".join(figures))


def _figure(content: bytes, caption: str) -> str:
    try:
        picture = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(thumbnail(content, _THUMBNAIL)).decode()}">'
    except ImageError as error:
        picture = f"<p>{html.escape(str(error))}</p>"
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"

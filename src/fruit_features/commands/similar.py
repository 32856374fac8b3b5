"""The command `kedro similar`: the exported photos nearest to one photo, in the space of the components."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from kedro.framework.cli.utils import _split_params, env_option

from fruit_features.analysis.neighbours import METRICS, coordinates_of, nearest_photos
from fruit_features.commands.command import OneScreenCommand
from fruit_features.pages import render_page
from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import decode, thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from fruit_features.analysis.neighbours import Metric
    from fruit_features.analysis.reduction import Reduction
    from fruit_features.networks.network import Network, StoredNetwork
    from fruit_features.photos.imaging import Decoding
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

_THUMBNAIL_SIZE = 160
"""Pixels of a thumbnail's longer side."""


@dataclass(frozen=True)
class _Picture:
    """A photo on the page: a JPEG, or the reason why there is none, and what stands below it."""

    caption: str
    jpeg: bytes | None = None
    reason: str = ""


@click.command(cls=OneScreenCommand)
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many photos.")
@click.option("--metric", type=click.Choice(METRICS), default="euclidean", show_default=True, help="How distance is measured.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the pictures.")
@env_option
@click.option("--params", callback=_split_params, default="", help="As of `kedro run`: those of the run that exported.")
def similar(photo: Path, *, top: int, metric: Metric, page: Path | None, env: str | None, params: dict[str, Any]) -> None:
    """List the exported photos nearest to PHOTO, on the components of the PCA."""
    import fsspec
    from kedro.framework.session import KedroSession

    from fruit_features.hooks.places import local_only, places
    from fruit_features.hooks.saved_files import refuse_damaged
    from fruit_features.spark.reducers import load_reduction
    from fruit_features.terminal.wording import NO_LABEL, printable

    with KedroSession.create(env=env, runtime_params=params) as session:
        context = session.load_context()  # type: ignore[attr-defined]
    catalog, parameters = context.catalog, context.params["featurization"]
    local = local_only(places(context))
    for name in ("pca_features@pandas", "pca_model"):
        if not catalog.exists(name):
            raise ValueError("nothing has been exported yet: `kedro run` does that, with the same --env and --params")
        refuse_damaged(local.get(name))
    reduction, exported = load_reduction(catalog.load("pca_model")), catalog.load("pca_features@pandas")
    n_exported = len(coordinates_of(exported).columns)
    if n_exported != len(reduction.columns):
        raise ValueError(
            f"the exported photos have {n_exported} components, and the PCA model {len(reduction.columns)}: it was "
            "fitted anew since. Export with it first: kedro run --pipelines export, with the same --env and --params"
        )
    network = _network_of_the_export(reduction.fingerprint, catalog.load("networks"), parameters, (photo, env, params))
    content, decoding = photo.read_bytes(), parameters.decoding
    found = find_similar(content, exported, network=network, reduction=reduction, decoding=decoding, top=top, metric=metric)
    labels = found["label"].fillna(NO_LABEL).map(printable)
    width = max(map(len, labels), default=0)
    for path, label, distance in zip(found["path"].map(printable), labels, found["distance"], strict=True):
        click.echo(f"{distance:10.3f}  {label:{width}}  {path}")
    if page is not None:
        page.write_text(render_similar(content, photo.name, found, lambda path: fsspec.open(path).open().read()), "utf-8")


def _network_of_the_export(
    fingerprint: str,
    networks: Mapping[str, StoredNetwork],
    parameters: FeaturizationParameters,
    command: tuple[Path, str | None, Mapping[str, Any]],
) -> Network:
    """Read the network that featurized the exported photos.

    Args:
        fingerprint: That of the PCA model that they were projected with.
        networks: Those that runs kept, by configuration.
        parameters: What this command was given.
        command: The photo, the environment and the parameters that were typed, to be repeated with the right values.

    Raises:
        ValueError: It is gone, or these parameters are those of another network.

    """
    from fruit_features.networks.configuration import describe_differences, differing_parameters
    from fruit_features.parameters import flatten

    of_export = [stored for stored in networks.values() if stored.fingerprint == fingerprint]
    if not of_export:
        raise ValueError(
            f"the network of the exported photos ({fingerprint}) is not under 06_models/networks any more: run again with the "
            "parameters of that run (kedro run)"
        )
    (stored,) = of_export
    if networks.get(parameters.network.fingerprint()) is stored:
        return stored.load()
    photo, env, params = command
    given_parameters = parameters.model_dump()
    right = {name: there for name, (there, _) in differing_parameters(stored.parameters, given_parameters).items()}
    message = (
        "the exported photos were featurized with other parameters than these: "
        f"{describe_differences(stored.parameters, given_parameters)}."
    )
    if not right:
        raise ValueError(f"{message} Run again: kedro run")
    given = flatten(params) | {f"featurization.{name}": value for name, value in right.items()}
    typed = ",".join(f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in given.items())
    options = [*(["--env", env] if env else []), "--params", typed]
    raise ValueError(f"{message} Type: {shlex.join(['kedro', 'similar', str(photo), *options])}")


def find_similar(
    photo: bytes,
    photos: pd.DataFrame,
    *,
    network: Network,
    reduction: Reduction,
    decoding: Decoding,
    top: int,
    metric: Metric,
) -> pd.DataFrame:
    """Find the photos nearest to one.

    Args:
        photo: An encoded photo.
        photos: path, label, and the reduction's columns: what a run exported.
        network: The network that featurized them.
        reduction: The reduction that they were projected with.
        decoding: Keyword arguments of `imaging.decode`, as in that run.
        top: How many.
        metric: How distance is measured.

    Returns:
        path, label, distance (on these columns); nearest first.

    Raises:
        ImageError: The photo cannot be decoded.

    """
    from fruit_features.networks.engines import ENGINES

    pixels = decode(photo, network.input_size, **decoding)
    features = ENGINES.find(network.engine).load_on_driver(network, 1)(pixels[np.newaxis])
    return nearest_photos(reduction.project(features)[0], photos, top, metric)


def render_similar(photo: bytes, name: str, similar: pd.DataFrame, read: Callable[[str], bytes]) -> str:
    """Lay out a photo and those like it as one HTML page that needs nothing else.

    Args:
        photo: The encoded photo.
        name: Its name.
        similar: What `find_similar` returned.
        read: Reads a photo's bytes by its path.

    """
    from fruit_features.terminal.wording import NO_LABEL

    pictures = [_picture(photo, name)]
    labels = similar["label"].fillna(NO_LABEL)
    for path, label, distance in zip(similar["path"], labels, similar["distance"], strict=True):
        try:
            content = read(path)
        except OSError:  # it was there when the run exported it
            content = b""
        pictures.append(_picture(content, f"{label}, {path.rsplit('/', 1)[-1]}: {distance:.2f}"))
    return render_page("fruit_features.commands", "similar.html.j2", name=name, pictures=pictures)


def _picture(content: bytes, caption: str) -> _Picture:
    try:
        return _Picture(caption, jpeg=thumbnail(content, _THUMBNAIL_SIZE))
    except ImageError as error:
        return _Picture(caption, reason=str(error))

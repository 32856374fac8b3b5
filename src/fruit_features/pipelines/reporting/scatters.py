"""Scatters of photos that are coloured by label: the most frequent labels have colours, all others are grey together."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go

from fruit_features.pipelines.reporting.tables import count_values
from fruit_features.terminal.wording import NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

COLOURS: Final = (
    "#636efa",
    "#ef553b",
    "#00b386",
    "#ab63fa",
    "#ff9a3c",
    "#19b8d8",
    "#ff5c8d",
    "#8fbf3f",
    "#e377e8",
    "#d4b106",
)
"""Colours of the most frequent labels, which are seen on a light ground and on a dark one."""

OTHER_COLOUR: Final = "#8c8c8c"

_MAX_LENGTH_IN_A_LEGEND = 32
"""Characters of a name; the whole of it is shown when one points at what it names."""

_MAX_SVG_POINTS = 1000
"""With more points, browsers are faster with WebGL."""


def scatter_by_label(photos: pd.DataFrame, axes: Sequence[str], details: Sequence[str], *, is_map: bool = False) -> go.Figure:
    """Draw photos as points: a trace per label, in the order of their names, and one for all labels without a colour.

    Args:
        photos: path, label, the axes, and the details.
        axes: The columns of x and y.
        details: Columns that are shown, beside the photo's name, when one points at it.
        is_map: Whether the axes mean nothing by themselves: they have no names, and there is no WebGL, however many photos
            there are.

    """
    table = photos.assign(label=photos["label"].fillna(NO_LABEL)).sort_values(["label", "path"])
    counts = count_values(table["label"])
    coloured = sorted(counts.index[: len(COLOURS)])
    is_other = ~table["label"].isin(coloured)
    draw = go.Scatter if is_map or len(table) <= _MAX_SVG_POINTS else go.Scattergl
    figure = go.Figure().update_layout(legend={"title": {"text": "label"}})
    if is_map:
        figure.update_xaxes(visible=False).update_yaxes(visible=False)
    else:
        figure.update_xaxes(title={"text": axes[0]}).update_yaxes(title={"text": axes[-1]})
    n_others = len(counts) - len(coloured)
    groups = [(label, table[table["label"] == label], COLOURS[place], place) for place, label in enumerate(coloured)]
    if n_others:  # drawn first, below all others, and named last
        groups.insert(0, (f"{n_others:,} other labels", table[is_other], OTHER_COLOUR, len(coloured)))
    lines = [f"{name}=%{{customdata[{place}]}}" for place, name in enumerate(details)]
    if not is_map:
        lines += [f"{axes[0]}=%{{x}}", f"{axes[-1]}=%{{y}}"]
    for name, points, colour, place in groups:
        figure.add_trace(
            draw(
                x=points[axes[0]],
                y=points[axes[-1]],
                mode="markers",
                name=as_text(shorten(name, _MAX_LENGTH_IN_A_LEGEND)),
                marker={"color": colour},
                legendrank=1000 + place,
                showlegend=len(groups) > 1,
                hovertext=[as_text(path.rsplit("/", 1)[-1]) for path in points["path"]],
                customdata=points[list(details)].fillna("").map(as_text).to_numpy(object),
                # A label in the template itself would be taken for a part of it, where %{x} is replaced by a number; as `meta`
                # of the trace, Plotly would take the names in the legend for templates, too.
                hovertemplate="<br>".join(["<b>%{hovertext}</b><br>", *lines]) + "<extra></extra>",
            )
        )
    return figure


def shorten(name: str, longest: int) -> str:
    """Cut a name that is longer than so many characters."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def as_text(name: str) -> str:
    """Escape what Plotly would take for markup: it knows a few of HTML's tags."""
    return html.escape(name, quote=False)

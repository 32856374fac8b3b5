"""The report: one HTML page of what a run did, which needs no network and no other file.

It is written in two steps. The last node of the pipeline, `render_report`, writes all that is known by then. What a run took
is known when it has ended, node by node: then `RunReportHooks` saves `run_report`, and has `complete_report` put it into the
page. So the page is an output of the pipeline like any other, and is there, and says so, if the run fails after that.

Labels, paths and reasons come from the file system, and everything that is not a number is escaped.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from fruit_features.parameters import flatten

COUNTS = {"listed": "photos listed", "exported": "exported", "rejected": "rejected", "components": "components kept"}
"""What the head of the page counts, and how it calls that; what this run did is in the section about the run."""

_RUN_SECTION = (
    '<section id="run"><h2>The run</h2><p>Timings, parameters and versions are added when the run has ended.</p></section>'
)

_NEUTRAL = {
    "template": "plotly_white",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": "#808080", "family": "system-ui, sans-serif"},
    "hoverlabel": {"align": "left"},
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#a0a0a0", "activecolor": "#606060"},
    "margin": {"t": 70, "b": 50, "r": 20},
}
_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.5)"}
"""Figures without a ground of their own, readable on a light page and on a dark one."""

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --dim: #666; --ground: #fff; --card: #f5f5f3; --line: #ddd; --mark: #636efa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --dim: #a0a0a0; --ground: #191919; --card: #242424; --line: #3a3a3a; --mark: #8a93ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .35rem; overflow-wrap: anywhere; }
p { margin: .25rem 0 .75rem; color: var(--dim); max-width: 48rem; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
.counts div { background: var(--card); border-radius: .5rem; padding: .6rem .9rem; }
.counts b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.counts span { color: var(--dim); }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.name { max-width: 20rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wide { width: 50%; }
.bar { display: block; height: .7rem; margin-top: .4rem; min-width: 1px; border-radius: 2px; background: var(--mark); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 3rem; align-items: start; }
.labels { display: grid; grid-template-columns: repeat(auto-fill, minmax(27rem, 1fr)); gap: 0 1.5rem; }
.photos { display: grid; grid-template-columns: repeat(4, 96px); gap: .5rem; }
figure { margin: 0; width: 96px; }
figure img, figure i { display: flex; width: 96px; height: 96px; object-fit: contain; background: var(--card);
  border-radius: .25rem; align-items: center; justify-content: center; color: var(--dim); font-size: .75rem; }
figcaption { color: var(--dim); font-size: .72rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
h3 small { color: var(--dim); font-weight: normal; }
"""


def render_report(
    photo_counts: dict[str, Any],
    scree_plot: go.Figure,
    pca_scatter: go.Figure,
    class_counts: go.Figure,
    rejects_by_reason: go.Figure,
    quality: pd.DataFrame,
    contact_sheet: pd.DataFrame,
    rejected_sample: pd.DataFrame,
) -> str:
    """Bring everything that a run left to look at into one page; what the run took is missing yet.

    Args:
        photo_counts: listed, rejected, exported, components.
        scree_plot: Explained variance.
        pca_scatter: The photos on two components.
        class_counts: Photos by label.
        rejects_by_reason: Rejected photos by reason.
        quality: features, n_columns, classifier, accuracy, n_train, n_test, note.
        contact_sheet: label, n_photos, path, thumbnail (JPEG or None): photos of a label lie together.
        rejected_sample: path, label, reason.

    Returns:
        HTML.

    """
    counts = "".join(f"<div><b>{photo_counts[name]:,}</b><span>{text}</span></div>" for name, text in COUNTS.items())
    rejected = ["<p>No photo was rejected.</p>"]
    if photo_counts["rejected"]:
        rejected = [
            _figure(rejects_by_reason, "rejects-by-reason"),
            _rejected_table(rejected_sample, photo_counts["rejected"]),
        ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>fruit_features: {photo_counts['exported']:,} photos</title>",
            f"<style>{_STYLE}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n<body>",
            f'<h1>fruit_features</h1>\n<div class="counts">{counts}</div>',
            _section("Components", _figure(scree_plot, "scree-plot")),
            _section("How well labels are told apart", _quality_table(quality)),
            _section("Photos on the components", _figure(pca_scatter, "pca-scatter")),
            _section("Labels", _figure(class_counts, "class-counts"), _contact_sheet(contact_sheet)),
            _section("Rejected photos", *rejected),
            _RUN_SECTION,
            "</body>\n</html>\n",
        ]
    )


def complete_report(page: str, run_report: dict[str, Any]) -> str:
    """Put what a run took, and what it was told, into its page.

    Args:
        page: What `render_report` returned.
        run_report: counts (featurized, reused), seconds_per_node, images_per_second, fingerprint, parameters, versions, of
            the run that drew the page.

    """
    seconds: dict[str, float] = run_report["seconds_per_node"]
    longest = max(seconds.values(), default=0.0) or 1.0
    timings = [
        [escape(name), f"{took:.1f}", f'<span class="bar" style="width:{100 * took / longest:.0f}%"></span>']
        for name, took in seconds.items()
    ]
    timings.append(["<b>all nodes</b>", f"<b>{sum(seconds.values()):.1f}</b>", ""])
    parameters = [[escape(name), escape(_value_as_text(value))] for name, value in flatten(run_report["parameters"]).items()]
    section = _section(
        "The run",
        f"<p>{_work_of_the_run(run_report)} The table has the seconds from a step's first input to its last output.</p>",
        _table(["step", "seconds", ""], timings, classes={1: "number", 2: "wide"}),
        '<div class="columns"><div><h3>Parameters</h3>',
        _table(["parameter", "value"], parameters, classes={0: "name"}),
        "</div><div><h3>Versions</h3>",
        _table(["package", "version"], [[escape(name), escape(version)] for name, version in run_report["versions"].items()]),
        f"<p>Fingerprint of the network: <code>{escape(str(run_report['fingerprint']))}</code></p></div></div>",
        identifier="run",
    )
    return page.replace(_RUN_SECTION, section, 1)


def _work_of_the_run(run_report: dict[str, Any]) -> str:
    """Say how many photos this run featurized, and how fast."""
    counts, speed = run_report["counts"], run_report["images_per_second"]
    if counts["reused"] is None:
        return "This run featurized no photo: it drew the results that were there."
    done = f"This run featurized {counts['featurized']:,} photos{f', {speed:,} a second' if speed else ''}"
    return f"{done}, and took {counts['reused']:,} from the feature store."


def _section(title: str, *parts: str, identifier: str = "") -> str:
    opening = f'<section id="{identifier}">' if identifier else "<section>"
    return "\n".join([f"{opening}<h2>{title}</h2>", *parts, "</section>"])


def _figure(figure: go.Figure, identifier: str) -> str:
    neutral = go.Figure(figure).update_layout(_NEUTRAL).update_xaxes(_GRID).update_yaxes(_GRID)
    options = {"displaylogo": False, "responsive": True}
    html: str = neutral.to_html(config=options, full_html=False, include_plotlyjs=False, div_id=identifier)
    return html


def _table(header: list[str], rows: list[list[str]], classes: dict[int, str] | None = None) -> str:
    """Lay out cells, which are HTML already; `classes` gives columns a class of the style sheet."""
    opened = [f' class="{(classes or {})[column]}"' if column in (classes or {}) else "" for column in range(len(header))]
    head = "".join(f"<th{kind}>{name}</th>" for kind, name in zip(opened, header, strict=True))
    body = ("".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(opened, row, strict=True)) for row in rows)
    return "\n".join([f"<table>\n<tr>{head}</tr>", *(f"<tr>{cells}</tr>" for cells in body), "</table>"])


def _quality_table(quality: pd.DataFrame) -> str:
    measured = quality.dropna(subset="accuracy")
    if measured.empty:
        return f"<p>{escape(str(quality['note'].iloc[0]))}.</p>"
    rows = [
        [
            escape(row["features"]),
            f"{int(row['n_columns']):,}",
            escape(row["classifier"]),
            f"{100 * row['accuracy']:.1f} %",
            f"{int(row['n_train']):,}",
            f"{int(row['n_test']):,}",
        ]
        for row in measured.to_dict("records")
    ]
    header = ["features", "columns", "classifier", "accuracy", "learned from", "tested on"]
    return (
        "<p>Two classifiers learn the labels of some photos and name those of others: once from all features of the network, "
        "and once from the components that the PCA kept.</p>\n"
    ) + _table(header, rows, classes=dict.fromkeys((1, 3, 4, 5), "number"))


def _contact_sheet(contact_sheet: pd.DataFrame) -> str:
    sheets = []
    for label, photos in contact_sheet.groupby("label", sort=False):
        pictures = "".join(_picture(row["path"], row["thumbnail"]) for row in photos.to_dict("records"))
        heading = f"<h3><bdi>{escape(str(label))}</bdi> <small>{int(photos['n_photos'].iloc[0]):,}</small></h3>"
        sheets.append(f'<div>{heading}<div class="photos">{pictures}</div></div>')
    return "\n".join(['<div class="labels">', *sheets, "</div>"])


def _picture(path: str, thumbnail: bytes | None) -> str:
    name = escape(_name(path))
    picture = "<i>no picture</i>"
    if thumbnail is not None:
        picture = f'<img src="data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}" alt="{name}">'
    return f'<figure title="{escape(path)}">{picture}<figcaption>{name}</figcaption></figure>'


def _rejected_table(rejected_sample: pd.DataFrame, n_rejected: int) -> str:
    rows = [
        [_titled(_name(row["path"]), row["path"]), _titled(str(row["label"]), str(row["label"])), escape(row["reason"])]
        for row in rejected_sample.to_dict("records")
    ]
    shown = "All of them" if len(rows) == n_rejected else f"{len(rows):,} of {n_rejected:,}"
    table = _table(["photo", "label", "reason"], rows, classes={0: "name", 1: "name"})
    return f"<p>{shown}; <code>rejected_images</code> has their whole paths.</p>\n{table}"


def _titled(text: str, title: str) -> str:
    """Text that may be cut, with the whole of it, or more, for those who point at it."""
    return f'<span title="{escape(title)}">{escape(text)}</span>'


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _value_as_text(value: Any) -> str:
    """Write the value of a parameter as JSON does, but text as it is."""
    return value if isinstance(value, str) else json.dumps(value)

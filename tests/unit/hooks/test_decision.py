"""Whether a run may end before it begins: every single thing that differs, or is not known, keeps it going."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from fruit_features.hooks.up_to_date.decision import RunState, is_whole_mission, why_run

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST = RunState(
    finished="2026-11-28 06:41:38+00:00",
    n_photos=3,
    settings={"reduction.variance_threshold": "0.9", "network": "d689", "environment": "base", "the code": "2217"},
    data={"images": "3 photos, b7e1", "metadata": "no table"},
    results={
        "/out/csv": {"part-0.csv": "51 17 17", "_SUCCESS": "0 17 17"},
        "/out/report.html": {"": "900 18 18"},
    },
)


@dataclass
class Now:
    """What there is now, and what of it was asked for."""

    state: RunState
    asked: list[str] = field(default_factory=list)

    def settings(self) -> Mapping[str, str | None]:
        self.asked.append("settings")
        return self.state.settings

    def results(self) -> Mapping[str, Mapping[str, str] | None]:
        self.asked.append("results")
        return self.state.results

    def data(self) -> Mapping[str, str | None]:
        self.asked.append("data")
        return self.state.data


def changed(group: str, name: str, value: Any) -> Now:
    """The last state with one thing of another value."""
    return Now(replace(LAST, **{group: {**getattr(LAST, group), name: value}}))


def without(group: str, name: str) -> Now:
    """The last state without one thing."""
    return Now(replace(LAST, **{group: {key: value for key, value in getattr(LAST, group).items() if key != name}}))


EVERYTHING = [(group, name) for group in ("settings", "data", "results") for name in getattr(LAST, group)]


def test_nothing_has_changed() -> None:
    assert why_run(LAST, Now(LAST)) is None


def test_there_is_no_record_and_nothing_is_looked_at() -> None:
    now = Now(LAST)
    assert why_run(None, now) == "no complete run is on record"
    assert now.asked == []


@pytest.mark.parametrize(("group", "name"), EVERYTHING)
@pytest.mark.parametrize("value", ["another", "", None])
def test_anything_that_is_another_or_not_known_is_a_reason(group: str, name: str, value: str | None) -> None:
    new = {"": value} if group == "results" and value else value
    assert why_run(LAST, changed(group, name, new)) == f"not as in the last complete run: {name}"


@pytest.mark.parametrize(("group", "name"), EVERYTHING)
def test_anything_that_is_gone_is_a_reason(group: str, name: str) -> None:
    assert why_run(LAST, without(group, name)) == f"not as in the last complete run: {name}"


@pytest.mark.parametrize("group", ["settings", "data", "results"])
def test_anything_new_is_a_reason(group: str) -> None:
    """A parameter, an input or an output that the last run did not have."""
    new = {"": "1 2 3"} if group == "results" else "new"
    assert why_run(LAST, changed(group, "new", new)) == "not as in the last complete run: new"
    assert why_run(LAST, changed(group, "new", None)) == "not as in the last complete run: new"


@pytest.mark.parametrize(
    "files",
    [
        {"part-0.csv": "51 17 17"},
        {"part-0.csv": "51 17 19", "_SUCCESS": "0 17 17"},
        {"part-0.csv": "51 17 17", "_SUCCESS": "0 17 17", "part-1.csv": "1 19 19"},
        {},
        None,
    ],
    ids=["deleted", "edited", "added", "all deleted", "not to be looked at"],
)
def test_files_of_a_result(files: dict[str, str] | None) -> None:
    assert why_run(LAST, changed("results", "/out/csv", files)) == "not as in the last complete run: /out/csv"


def test_what_takes_long_to_find_out_is_not_asked_for_after_a_difference() -> None:
    now = changed("settings", "network", "another")
    assert why_run(LAST, now) is not None
    assert now.asked == ["settings"]
    now = changed("results", "/out/csv", {})
    assert why_run(LAST, now) is not None
    assert now.asked == ["settings", "results"]


def test_a_reason_fits_on_a_line() -> None:
    now = Now(replace(LAST, settings=dict.fromkeys(LAST.settings, "another")))
    reason = "not as in the last complete run: environment, network, reduction.variance_threshold and 1 more"
    assert why_run(LAST, now) == reason


def test_a_record_is_read_as_it_was_written() -> None:
    assert RunState.from_record(json.loads(json.dumps(LAST.to_record()))) == LAST


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        None,
        "text",
        {**LAST.to_record(), "more": 1},
        {name: value for name, value in LAST.to_record().items() if name != "data"},
        {**LAST.to_record(), "settings": {}},
        {**LAST.to_record(), "settings": {"network": None}},
        {**LAST.to_record(), "settings": {"network": ""}},
        {**LAST.to_record(), "data": {}},
        {**LAST.to_record(), "data": {"images": None}},
        {**LAST.to_record(), "results": {}},
        {**LAST.to_record(), "results": {"/out/csv": {}}},
        {**LAST.to_record(), "results": {"/out/csv": None}},
        {**LAST.to_record(), "results": [1]},
    ],
    ids=str,
)
def test_a_record_with_anything_missing_or_unknown_is_none(record: Any) -> None:
    assert RunState.from_record(record) is None


@pytest.mark.parametrize("names", [None, [], ["__default__"]])
def test_a_run_of_everything(names: list[str] | None) -> None:
    nothing = {"tags": (), "from_nodes": [], "to_nodes": "", "node_names": None, "only_missing_outputs": False}
    assert is_whole_mission({"pipeline_names": names, **nothing})


@pytest.mark.parametrize(
    "choice",
    [
        {"pipeline_names": ["export"]},
        {"pipeline_names": ["__default__", "embeddings"]},
        {"pipeline_names": ["ingestion", "featurization", "reduction", "export", "reporting"]},
        {"tags": ("export",)},
        {"from_nodes": ["fit_pca"]},
        {"to_nodes": ["fit_pca"]},
        {"node_names": ["fit_pca"]},
        {"from_inputs": ["photos"]},
        {"to_outputs": ["pca_model"]},
        {"namespaces": ["x"]},
        {"load_versions": {"pca_model": "2026"}},
        {"only_missing_outputs": True},
    ],
    ids=str,
)
def test_a_run_of_a_part(choice: dict[str, Any]) -> None:
    assert not is_whole_mission(choice)

"""Whether a run may end before it begins: only if it would compute what is there. What is not known counts as changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from fruit_features.terminal.wording import first_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECTIONS: Final = (
    "tags",
    "from_nodes",
    "to_nodes",
    "node_names",
    "from_inputs",
    "to_outputs",
    "namespaces",
    "load_versions",
    "only_missing_outputs",
)
"""Options of a run, as Kedro names them to hooks, that choose a part of the pipeline, or other data than the newest."""

_N_NAMED: Final = 3
"""Differences that a reason names."""


@dataclass(frozen=True)
class RunState:
    """What a run depended on, and what it left.

    Attributes:
        finished: When it ended, for people.
        n_photos: How many photos it listed.
        settings: Parameters, network, configuration and software, by the names that a reason gives them.
        data: Identities of what was read from outside, by dataset.
        results: States of files, by place and then by name.

    """

    finished: str
    n_photos: int
    settings: Mapping[str, str]
    data: Mapping[str, str]
    results: Mapping[str, Mapping[str, str]]

    def to_record(self) -> dict[str, Any]:
        """Lay it out as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Any) -> RunState | None:
        """Read what `to_record` laid out; None for anything else, such as the record of a run that has not ended."""
        try:
            state = cls(**record)
            tables = (state.settings, state.data, *state.results.values())
            values = [value for table in (state.results, *tables) for value in (table.values() or [None])]
        except (TypeError, AttributeError):
            return None
        are_known = all(isinstance(value, (str, dict)) and value for value in values)
        return state if are_known else None


class Evidence(Protocol):
    """What a run would depend on, and what is there, now. It is asked for the cheapest first, and no further than needed."""

    def settings(self) -> Mapping[str, str | None]:
        """Return what `RunState.settings` holds; None for what is not known."""

    def results(self) -> Mapping[str, Mapping[str, str] | None]:
        """Return what `RunState.results` holds; None for a place that cannot be looked at."""

    def data(self) -> Mapping[str, str | None]:
        """Return what `RunState.data` holds; None for what is not known."""


def is_whole_mission(run_params: Mapping[str, Any]) -> bool:
    """Whether a run is one of everything, by what Kedro tells its hooks of it."""
    names = run_params.get("pipeline_names") or ["__default__"]
    return list(names) == ["__default__"] and not any(run_params.get(selection) for selection in _SELECTIONS)


def why_run(last: RunState | None, now: Evidence) -> str | None:
    """Say why the last complete run is not all that is wanted.

    Args:
        last: The last complete run in this place, or None if there is none on record.
        now: What there is now.

    Returns:
        The reason to run, for people; None if a run would change nothing.

    """
    if last is None:
        return "no complete run is on record"
    for is_now, was in ((now.settings, last.settings), (now.results, last.results), (now.data, last.data)):
        changed = _differences(was, is_now())
        if changed:
            return f"not as in the last complete run: {first_of(changed, _N_NAMED)}"
    return None


def _differences(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> list[str]:
    """Name what was added, is gone, is another one, or is not known."""
    return sorted(name for name in was.keys() | is_now.keys() if not is_now.get(name) or is_now[name] != was.get(name))

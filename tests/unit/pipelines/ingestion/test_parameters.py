"""Patterns for labels are checked before a run, and what the command line does to them."""

from __future__ import annotations

from typing import Any

import click
import pytest
from kedro.framework.cli.utils import _split_params
from pydantic import ValidationError

from fruit_features.pipelines.ingestion.parameters import IngestionParameters


def parameters(**given: Any) -> IngestionParameters:
    return IngestionParameters(**{"label_pattern": None, "metadata": None, "metadata_must_match": False} | given)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<label>", "not a regular expression of Python: missing"),
        ("([^/]+)/", "no group named label. Mark the label by"),
        ("(?P<split>[^/]+)/", "no group named label"),
    ],
)
def test_a_pattern_that_finds_no_label_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parameters(label_pattern=pattern)


def test_a_name_of_a_table_is_not_blank() -> None:
    with pytest.raises(ValidationError, match="no name of a file"):
        parameters(metadata=" ")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?P<label>[^/]+)/[^/]+$",
        "^(?P<split>[^/]+)/(?P<label>[^/]+)/",
        r"^(?P<label>n\d+)_",
        "label=(?P<label>[^/]+)/",
        "(?:Training|Test)/(?P<label>[^/]+)/",
        r"(?P<label>n\d{8})",
    ],
)
def test_these_patterns_can_be_typed_on_the_command_line(pattern: str) -> None:
    typed = split_params(f"ingestion.label_pattern={pattern},ingestion.metadata=labels.csv")
    assert typed == {"ingestion": {"label_pattern": pattern, "metadata": "labels.csv"}}
    assert parameters(**typed["ingestion"]).label_pattern == pattern


@pytest.mark.parametrize("pattern", [r"(?P<label>n\d{3,8})", "[ab](?P<label>c)", "*", "(?P<label>a) #b", "(?P<label>a): b"])
def test_these_have_to_stand_in_a_file(pattern: str) -> None:
    try:
        typed = split_params(f"ingestion.label_pattern={pattern}")
    except Exception:  # of the command line or of YAML
        return
    assert typed["ingestion"]["label_pattern"] != pattern


def split_params(given: str) -> dict[str, Any]:
    typed: dict[str, Any] = _split_params(click.Context(click.Command("run")), click.Option(["--params"]), given)
    return typed

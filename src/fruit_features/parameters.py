"""What every pipeline's parameters share: typed once, frozen, and refused by name when unknown or out of range."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def nearest(name: str, known: Iterable[str]) -> str:
    """Say what a mistyped name may have meant: `did you mean 'x'?`, or the list of known names where nothing is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested parameters as they are typed on the command line: `featurization.precision`."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


class Parameters(BaseModel):
    """Base of the typed parameters of a pipeline; Kedro builds one from `params:<pipeline>` before anything runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values.keys() - cls.model_fields.keys():
                raise ValueError(f"unknown parameter {name!r}: {nearest(str(name), cls.model_fields)}")
        return values

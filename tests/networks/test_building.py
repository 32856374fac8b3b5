"""What the log says of a processor before a network is built for it."""

from __future__ import annotations

from typing import Any

import pytest

from fruit_features.networks.building import warn_of_precision
from fruit_features.networks.engines.openvino import OpenVino
from tests.support.featurization import small_network


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("f32", []), ("bf16", ["does not compute in bf16"]), ("int8", ["no VNNI, and sums of int8 overflow"])],
)
def test_a_processor_that_is_slow_or_inexact_is_named(
    precision: Any, expected: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OpenVino, "native_precisions", lambda _: frozenset({"f32", "int8"}))
    monkeypatch.setattr(OpenVino, "inexact_precisions", lambda _: frozenset({"int8"}))
    warn_of_precision(small_network(precision))
    assert len(caplog.messages) == len(expected)
    assert all(words in message for words, message in zip(expected, caplog.messages, strict=True))


def test_nothing_is_said_of_a_processor_that_has_it_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OpenVino, "native_precisions", lambda engine: engine.precisions)
    monkeypatch.setattr(OpenVino, "inexact_precisions", lambda _: frozenset())
    warn_of_precision(small_network("int8"))
    assert not caplog.messages

"""A session whose run ends before it begins if nothing has changed since the last one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from kedro.framework.session import KedroSession

_MAY_END_EARLY: Final = ContextVar("may_end_early", default=False)


class UpToDate(Exception):  # noqa: N818 - it is no error
    """Raised before a pipeline runs, if a run would change nothing; `UpToDateSession.run` turns it into a run's result.

    Args:
        outputs: What a run would have returned.

    """

    def __init__(self, outputs: dict[str, Any]) -> None:
        super().__init__("up to date")
        self.outputs = outputs


def may_end_early() -> bool:
    """Whether a run of this session is at work: one of Kedro's plain session would fail by `UpToDate`."""
    return _MAY_END_EARLY.get()


class UpToDateSession(KedroSession):
    """Kedro's session for `kedro run` and for the variable `session` of notebooks."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a pipeline, unless its results are up to date; see Kedro's session.

        Returns:
            The datasets that the pipeline writes and does not read, by name: those of this run, or those of the last one if
            they are up to date.

        """
        token = _MAY_END_EARLY.set(True)
        try:
            outputs: dict[str, Any] = super().run(*args, **kwargs)
        except UpToDate as found:
            return found.outputs
        finally:
            _MAY_END_EARLY.reset(token)
        return outputs

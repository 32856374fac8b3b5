"""Spark is started as `conf` says."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.framework.hooks import hook_impl

from fruit_features.spark.session import end_jobs, start_session, warm_up_workers

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


class SparkHooks:
    """Starts the Spark session that `conf/<env>/spark.yml` describes."""

    def __init__(self) -> None:
        self._settings: dict[str, Any] = {}
        self._engine = ""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read the settings; start at once in a notebook, where datasets are loaded without a run."""
        self._settings = context.config_loader["spark"]
        self._engine = context.params["featurization"].engine
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            self._start()

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Start the session; commands that run nothing (`kedro viz`, `kedro registry list`) do without Java."""
        self._start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, _interrupt)

    def _start(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # where TensorFlow is needed, it logs nothing that a user needs
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # and looks for no graphics card
        warm_up_workers(start_session(self._settings), self._engine)


def _interrupt(*_: object) -> NoReturn:
    """End the run on Ctrl-C, and Spark's jobs with it.

    PySpark's own handler would send a command to Java over the connection on which another command may be waiting for its
    answer. A thread has a connection of its own. Without it, a job whose rows are being collected would be waited for to its
    end, by PySpark's `DataFrame.toArrow`. Logging is disabled, as the interrupted command would be logged as an error.
    """
    logging.disable()
    threading.Thread(target=end_jobs, daemon=True).start()
    raise KeyboardInterrupt

"""Commands that end well however they end: errors on one screen, and SIGTERM and SIGHUP handled like Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import click
from kedro.framework.cli.utils import KedroCliError, _update_verbose_flag

from fruit_features.commands.errors import format_stacks, summarize_error
from fruit_features.spark.session import end_jobs
from fruit_features.terminal.progress import current_run
from fruit_features.terminal.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENDED_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
"""What `kill`, `docker stop`, systemd and batch systems send, and a terminal that is closed."""

_RECEIVED = "fruit_features.received"
"""Key of the signal that ends a command, in the command's `Context.meta`."""

_ENDED_BY_A_SIGNAL = 128  # shells report this and the signal's number for a command that a signal ended: 130 for Ctrl-C


class OneScreenError(KedroCliError):
    """An error that is shown as a few lines, and after its whole stack with `--verbose`.

    Args:
        message: What is wrong, what is allowed, and what mends it.
        command: The words that started the command, without its options: "kedro run".

    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self._command = command

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - Kedro's signature
        """Print the error, and its stack if `--verbose` was given."""
        if self.VERBOSE_ERROR and self.__cause__ is not None:
            click.echo(format_stacks(self.__cause__), err=True)
        click.secho(f"Error: {self.message}", fg="red", err=True)
        if not self.VERBOSE_ERROR:
            click.secho(f"`{self._command} --verbose` with the same options shows where it came from.", err=True)


class OneScreenCommand(click.Command):
    """A command with the option `--verbose`, whose errors are shown as `OneScreenError` says."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The value goes to Kedro's own flag, which its other commands set in the same way, and not to the callback.
        verbose = click.Option(
            ["--verbose", "-v"],
            is_flag=True,
            expose_value=False,
            callback=_update_verbose_flag,
            help="Show the whole stack of an error, Java's too.",
        )
        self.params = [*self.params, verbose]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end it with an error on one screen if it fails."""
        try:
            with _other_signals_end_it_like_ctrl_c(ctx), _node_errors_said_once():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except click.ClickException as error:
            if not KedroCliError.VERBOSE_ERROR or error.__cause__ is None:
                raise  # it is shown as click or Kedro shows it
            raise OneScreenError(error.format_message(), ctx.command_path) from error.__cause__
        except KeyboardInterrupt:
            self._end_stopped(ctx)
        except Exception as error:
            if _was_interrupted(error):
                self._end_stopped(ctx)
            raise OneScreenError(summarize_error(error), ctx.command_path) from error

    def _end_stopped(self, ctx: click.Context) -> NoReturn:
        end_jobs()
        received = ctx.meta.get(_RECEIVED)
        stopped = f"Stopped by {received.name}" if received else "Stopped"
        with contextlib.suppress(OSError):  # of a terminal that has been closed
            click.secho(f"\n{stopped}.{f' {_describe_kept()}' if self.name == 'run' else ''}", err=True)
        ctx.exit(exit_code_of_a_stop(ctx))


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether the error is of something that Ctrl-C ended: a job of Spark fails when it is cancelled."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


@contextlib.contextmanager
def _other_signals_end_it_like_ctrl_c(ctx: click.Context) -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does at that moment. One that is ignored, as `nohup` has it, stays ignored."""

    def end(number: int, frame: FrameType | None) -> None:
        ctx.meta[_RECEIVED] = signal.Signals(number)
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):  # Ctrl-C itself is ignored, as in a job in the background of a script
            raise KeyboardInterrupt
        on_ctrl_c(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():  # Python allows no other thread to handle signals
        yield
        return
    handled = [number for number in _ENDED_LIKE_CTRL_C if signal.getsignal(number) is signal.SIG_DFL]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def exit_code_of_a_stop(ctx: click.Context) -> int:
    """Return what shells report of a command that the received signal ended, or Ctrl-C if none was received."""
    return _ENDED_BY_A_SIGNAL + int(ctx.meta.get(_RECEIVED, signal.SIGINT))


@contextlib.contextmanager
def _node_errors_said_once() -> Iterator[None]:
    """Leave the error of a node, which Kedro logs as well, to the last lines of the command."""

    def is_no_error(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    log = logging.getLogger("kedro.pipeline.node")
    log.addFilter(is_no_error)
    try:
        yield
    finally:
        log.removeFilter(is_no_error)


def _describe_kept() -> str:
    """Say what the feature store holds of a run that was stopped.

    The chunk at work does not count. If the signal came in the very moment in which it was saved, it is kept all the same.
    """
    saved = current_run.saved
    if saved is None:
        kept = "Photos that runs have featurized stay in the feature store"
    else:
        kept = f"{saved.done:,} of {count_of(saved.total, 'photo')} to featurize are kept in the feature store"
    return f"{kept}: the same command goes on from there."

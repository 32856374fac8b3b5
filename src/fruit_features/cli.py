"""The project's commands: Kedro's own `run`, with errors that fit on a screen."""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, KedroCliError, _split_params, _update_verbose_flag, env_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from fruit_features.networks.engines import Network, StoredNetwork
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

_CAUSED_BY = re.compile(r"^Caused by: [\w.$]+: (.+)$", re.MULTILINE)

_JAVA_STACK = ("\n\tat ", "\nJVM stacktrace", "\nCaused by:")

# Kedro and pydantic wrap the sentence that says what is wrong with a parameter in much that does not.
_INVALID_FIELD = re.compile(r"^(\w+)\n  (.*) \[type=\w+, input_value=(.*), input_type=\w+\]$", re.MULTILINE)
_VALIDATION_NOISE = re.compile(
    r"Failed to instantiate .*\n|\s*\[type=.*\]$|^\s*For further information.*\n?|Value error, ", re.MULTILINE
)


_JAVA_IS_GONE = (
    "Java, in which Spark runs, has ended in the middle of the run: somebody or something ended it, most often the system, "
    "for want of memory (`dmesg` tells). Run again to go on where this run was; with less memory for Java if that is it: "
    "`spark.driver.memory: 2g` in conf/local/spark.yml"
)

_DELETE_FROM_STORE = (
    "Delete that file and run again: the photos in it will be featurized once more, the others are not touched."
)
_DELETE_TABLE = (
    "If it lies under output_root, delete its folder, and write that anew: `kedro run` with the --env and --params of the run "
    "that wrote it."
)
_DELETE_FILE = "Delete that file, and write it anew: `kedro run` with the --env and --params of the run that wrote it."

# Kedro's words for a file that a dataset of its own cannot read, all its arguments included.
_UNREADABLE = re.compile(
    r"^(?:\w+: )?Failed while loading data from dataset kedro_datasets\.(?:json|pandas|plotly|text)\."
    r".*?filepath=PurePosixPath\(['\"](.*?)['\"]\), .*?\)\.\n(.*)",
    re.DOTALL,
)

_NETWORK_BUILDERS = {"keras", "tensorflow", "nncf"}

_NO_NETWORK = (
    "there is no network for these parameters under 06_models/networks, and {name}, which would build it, is not installed "
    "here. Run once with the same `featurization` parameters where `make setup` has set Python up, and copy the folder "
    "06_models/networks of that run's output_root to this one's"
)

_ENDED_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
"""What `kill`, `docker stop`, systemd and batch systems send, and a terminal that is closed."""

_RECEIVED = "fruit_features.received"
"""Key of the signal that ends a command, in the command's `Context.meta`."""

_ENDED_BY_A_SIGNAL = 128  # shells report this and the signal's number for a command that a signal ended: 130 for Ctrl-C


class _OneScreenError(KedroCliError):
    """An error that is shown as a few lines, and after its whole stack with `--verbose`.

    Args:
        message: What is wrong, what is allowed, and what mends it.
        command: The words that started the command, without its options: "kedro run".

    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self._command = command

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - Kedro's signature
        if self.VERBOSE_ERROR and self.__cause__ is not None:
            click.echo(format_stacks(self.__cause__), err=True)
        click.secho(f"Error: {self.message}", fg="red", err=True)
        if not self.VERBOSE_ERROR:
            click.secho(f"`{self._command} --verbose` with the same options shows where it came from.", err=True)


class _OneScreenCommand(click.Command):
    """A command with the option `--verbose`, whose errors are shown as `_OneScreenError` says."""

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
        try:
            with _other_signals_end_it_like_ctrl_c(ctx), _node_errors_said_once():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except click.ClickException as error:
            if not KedroCliError.VERBOSE_ERROR or error.__cause__ is None:
                raise  # it is shown as click or Kedro shows it
            raise _OneScreenError(error.format_message(), ctx.command_path) from error.__cause__
        except KeyboardInterrupt:
            _cancel_java_s_work()
            received = ctx.meta.get(_RECEIVED)
            stopped = f"Stopped by {received.name}" if received else "Stopped"
            with contextlib.suppress(OSError):  # of a terminal that has been closed
                click.secho(f"\n{stopped}.{f' {_describe_kept()}' if self.name == 'run' else ''}", err=True)
            ctx.exit(_exit_code_of_a_stop(ctx))
        except Exception as error:
            raise _OneScreenError(summarize_error(error), ctx.command_path) from error


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


def _exit_code_of_a_stop(ctx: click.Context) -> int:
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


def format_stacks(error: BaseException) -> str:
    """Show the stack of an error as Python would, and then the Java stacks that PySpark keeps and does not print."""
    stacks = traceback.format_exception(error)
    link: BaseException | None = error
    while link is not None:
        java_stack = getattr(link, "_stackTrace", None)  # an attribute of PySpark's CapturedException
        if java_stack:
            stacks.append(f"\nJava's stack of the {type(link).__name__}:\n{java_stack}\n")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(stacks)


def summarize_error(error: BaseException) -> str:
    """Say what went wrong in a few lines: no Java stack, and of a Python worker's traceback the last line only."""
    if _java_has_ended():
        return _JAVA_IS_GONE
    if isinstance(error, ModuleNotFoundError) and error.name in _NETWORK_BUILDERS:
        return _NO_NETWORK.format(name=error.name)
    message = str(error) or type(error).__name__
    for marker in _JAVA_STACK:
        message = message.split(marker, 1)[0]
    if "Traceback (most recent call last)" in message:
        message = message.strip().rsplit("\n", 1)[-1]
    causes = _CAUSED_BY.findall(str(error))
    if causes and causes[-1] not in message:
        message += f"\nCause: {causes[-1]}"
    if "[FAILED_READ_FILE" in message:
        message += "\n" + (_DELETE_FROM_STORE if "/feature_store/" in message else _DELETE_TABLE)
    message = _UNREADABLE.sub(rf"\1 cannot be read: \2\n{_DELETE_FILE}", message)
    message = _INVALID_FIELD.sub(r"\1=\3: \2", message)
    return re.sub(r":\s{2,}", ": ", _VALIDATION_NOISE.sub("", message)).strip()


def _describe_kept() -> str:
    """Say what the feature store holds of a run that was stopped.

    The chunk at work does not count. If the signal came in the very moment in which it was saved, it is kept all the same.
    """
    from fruit_features.terminal.progress import current_run
    from fruit_features.terminal.wording import count_of

    saved = current_run.saved
    if saved is None:
        kept = "Photos that runs have featurized stay in the feature store"
    else:
        kept = f"{saved.done:,} of {count_of(saved.total, 'photo')} to featurize are kept in the feature store"
    return f"{kept}: the same command goes on from there."


def _cancel_java_s_work() -> None:
    """Let nothing be saved any more, and keep Java from logging as errors that its tasks and their workers end.

    The connection that was cut short is not used again: Py4J opens another one for these calls.
    """
    pyspark = sys.modules.get("pyspark")
    context = pyspark and pyspark.SparkContext._active_spark_context  # noqa: SLF001
    if context is not None:
        with contextlib.suppress(Exception):  # of a Java that is gone
            context.setLogLevel("OFF")
            context.cancelAllJobs()


def _java_has_ended() -> bool:
    """Whether the Java that this process started is no more: what PySpark then raises takes many forms, and few say so."""
    pyspark = sys.modules.get("pyspark")
    java = getattr(pyspark and pyspark.SparkContext._gateway, "proc", None)  # noqa: SLF001
    return java is not None and java.poll() is not None


@click.group(context_settings=CONTEXT_SETTINGS, name="fruit-features")
def cli() -> None:
    """Commands of this project; those of Kedro stay as they are."""


@cli.command(cls=_OneScreenCommand)
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many photos.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the pictures.")
@env_option
@click.option("--params", callback=_split_params, default="", help="As of `kedro run`: those of the run that exported.")
def similar(photo: Path, top: int, page: Path | None, env: str | None, params: dict[str, Any]) -> None:
    """List the exported photos nearest to PHOTO, on the components of the PCA."""
    import fsspec
    from kedro.framework.session import KedroSession

    from fruit_features.hooks.places import local_places
    from fruit_features.hooks.saved_files import refuse_damaged
    from fruit_features.analysis.pca import PcaModel
    from fruit_features.commands.similar import find_similar, render_similar
    from fruit_features.terminal.wording import printable

    with KedroSession.create(env=env, runtime_params=params) as session:
        context = session.load_context()  # type: ignore[attr-defined]
    catalog, parameters = context.catalog, context.params["featurization"]
    local = local_places(context)
    for name in ("exported_photos", "pca_model"):
        if not catalog.exists(name):
            raise ValueError("nothing has been exported yet: `kedro run` does that, with the same --env and --params")
        refuse_damaged(local.get(name))
    model, exported = PcaModel.from_record(catalog.load("pca_model").iloc[0].to_dict()), catalog.load("exported_photos")
    if len(exported.columns) - len(["path", "label"]) != model.n_components:
        raise ValueError(
            f"the exported photos have {len(exported.columns) - 2} components, and the PCA model {model.n_components}: it was "
            "fitted anew since. Export with it first: kedro run --pipelines export, with the same --env and --params"
        )
    network = _network_of_the_export(model.fingerprint, catalog.load("networks"), parameters, (photo, env, params))
    content, decoding = photo.read_bytes(), parameters.decoding
    found = find_similar(content, exported, network=network, model=model, decoding=decoding, top=top)
    labels = found["label"].map(printable)
    width = max(map(len, labels), default=0)
    for path, label, distance in zip(found["path"].map(printable), labels, found["distance"], strict=True):
        click.echo(f"{distance:10.3f}  {label:{width}}  {path}")
    if page is not None:
        page.write_text(render_similar(content, photo.name, found, lambda path: fsspec.open(path).open().read()), "utf-8")


def _network_of_the_export(
    fingerprint: str,
    networks: Mapping[str, StoredNetwork],
    parameters: FeaturizationParameters,
    command: tuple[Path, str | None, Mapping[str, Any]],
) -> Network:
    """Read the network that featurized the exported photos.

    Args:
        fingerprint: That of the PCA model that they were projected with.
        networks: Those that runs kept, by configuration.
        parameters: What this command was given.
        command: The photo, the environment and the parameters that were typed, to be repeated with the right values.

    Raises:
        ValueError: It is gone, or these parameters are those of another network.

    """
    from fruit_features.parameters import flatten
    from fruit_features.networks.configuration import (
        describe_differences,
        differing_parameters,
        fingerprint_configuration,
    )

    of_export = [stored for stored in networks.values() if stored.fingerprint == fingerprint]
    if not of_export:
        raise ValueError(
            f"the network of the exported photos ({fingerprint}) is not under 06_models/networks any more: run again with the "
            "parameters of that run (kedro run)"
        )
    (stored,) = of_export
    if networks.get(fingerprint_configuration(parameters)) is stored:
        return stored.load()
    photo, env, params = command
    right = {name: there for name, (there, _) in differing_parameters(stored.parameters, parameters).items()}
    message = (
        "the exported photos were featurized with other parameters than these: "
        f"{describe_differences(stored.parameters, parameters)}."
    )
    if not right:
        raise ValueError(f"{message} Run again: kedro run")
    given = flatten(params) | {f"featurization.{name}": value for name, value in right.items()}
    typed = ",".join(f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in given.items())
    options = [*(["--env", env] if env else []), "--params", typed]
    raise ValueError(f"{message} Type: {shlex.join(['kedro', 'similar', str(photo), *options])}")


def _split_and_keep(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, dict[str, Any]]:
    return value, _split_params(ctx, param, value)


@cli.group()
def emr() -> None:
    """Run the project on Amazon EMR; docs/emr.md begins at the beginning."""


def _split_settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    if not all(re.match(r"[\w.-]+=", setting) for setting in value):
        raise click.BadParameter("settings look like spark.executor.memory=8g", ctx, param)
    return {name: text for name, _, text in (setting.partition("=") for setting in value)}


@emr.command(cls=_OneScreenCommand)
@click.option("--s3-root", required=True, help="s3://bucket/prefix: photos are in images/ under it, results go to output/.")
@click.option("--application-id", help="Of EMR Serverless.")
@click.option("--execution-role-arn", help="What the job may do, on EMR Serverless.")
@click.option("--cluster-id", help="Of EMR on EC2.")
@click.option("--dist", type=click.Path(path_type=Path), default="dist", show_default=True, help="What `make package` made.")
@click.option(
    "--machine", type=click.Choice(["x86_64", "aarch64"]), default="x86_64", show_default=True, help="The processors."
)
@click.option("--params", callback=_split_and_keep, default="", help="As of `kedro run`.")
@click.option("--pipelines", "--pipeline", "pipelines", help="As of `kedro run`: names, with commas between them.")
@click.option("--conf", "settings", multiple=True, callback=_split_settings, help="As of spark-submit; may be repeated.")
@click.option("--region", envvar="AWS_REGION", help="Else what the AWS tools are set to.")
@click.option("--dry-run", is_flag=True, help="Print the calls to AWS as JSON, and make none.")
@click.pass_context
def submit(ctx: click.Context, /, params: tuple[str, dict[str, Any]], region: str | None, dry_run: bool, **asked: Any) -> None:
    """Upload dist/ to S3, run it on EMR, wait, and show what came out."""
    from fruit_features.emr import submit as deploying
    from fruit_features.emr.aws import Aws, SubmitError

    try:
        submission = deploying.prepare(params=params[0], given=params[1], **asked)
        if dry_run:
            click.echo(deploying.as_json(submission.calls()))
        else:
            deploying.submit(submission, Aws(region))
    except SubmitError as error:
        raise click.ClickException(str(error)) from error
    except deploying.StoppedWaitingError as stopped:
        click.secho(f"\n{stopped}", err=True)
        ctx.exit(_exit_code_of_a_stop(ctx))
    except KeyboardInterrupt:
        click.secho("\nStopped before the job was started; what is uploaded already will not be uploaded again.", err=True)
        ctx.exit(_exit_code_of_a_stop(ctx))


run = _OneScreenCommand(
    name="run",
    callback=kedro_run.callback,
    params=kedro_run.params,
    help=kedro_run.help,
    context_settings=CONTEXT_SETTINGS,
)
cli.add_command(run)

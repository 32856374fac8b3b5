"""Errors in a few lines: what is wrong, what is allowed, and what mends it."""

from __future__ import annotations

import re
import traceback

from fruit_features.spark.session import java_has_ended

_CAUSED_BY = re.compile(r"^Caused by: [\w.$]+: (.+)$", re.MULTILINE)

_JAVA_STACK = ("\n\tat ", "\nJVM stacktrace", "\nCaused by:")

# Kedro and pydantic wrap the sentence that says what is wrong with a parameter in much that does not.
_INVALID_FIELD = re.compile(r"^(\w+)\n  (.*) \[type=\w+, input_value=(.*), input_type=\w+\]$", re.MULTILINE)
_VALIDATION_NOISE = re.compile(
    r"Failed to instantiate .*\n|\s*\[type=.*\]$|^\s*For further information.*\n?|Value error, ", re.MULTILINE
)


_JAVA_IS_GONE = (
    "Java, in which Spark runs, has ended in the middle of the run: it was ended from outside, most often by the system, "
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
    if java_has_ended():
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

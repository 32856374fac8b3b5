"""What the tests share: one Spark session, one tree of photos, one tiny network, and one run of everything."""

from __future__ import annotations

import logging
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from tests.support.photos import PhotoTree, write_photo_tree
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from pyspark.sql import SparkSession

    from fruit_features.networks.network import Network


def pytest_configure(config: pytest.Config) -> None:
    # What is started in the background of a script, or by nohup, ignores these, and so would the runs that are tested.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    config.addinivalue_line("filterwarnings", r"ignore:register_new_resolver\(\) is deprecated")  # Kedro's own business
    config.addinivalue_line("filterwarnings", "ignore:ORJSONResponse is deprecated")  # and Kedro-Viz's


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each shelf took: the seconds of its tests, which several processes may have run side by side."""
    seconds: Counter[str] = Counter()
    tests: dict[str, set[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                shelf = report.nodeid.split("/")[1]
                seconds[shelf] += report.duration
                tests.setdefault(shelf, set()).add(report.nodeid)
    terminalreporter.section("shelves")
    for shelf, took in seconds.most_common():
        terminalreporter.write_line(f"{shelf:10} {len(tests[shelf]):5} tests {took:7.1f} s")


@pytest.fixture(autouse=True)
def _logging_goes_on() -> Iterator[None]:
    """Ctrl-C disables logging, as the process is about to end. That of tests goes on."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def _bootstrapped() -> None:
    bootstrap_project(PROJECT)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that a run in the environment `test` starts; runs of the project share it."""
    from pyspark.sql import SparkSession

    from fruit_features.hooks.spark import SparkHooks

    hooks = SparkHooks()
    with KedroSession.create(PROJECT, env="test") as session:
        hooks.after_context_created(session.load_context())
    hooks.before_pipeline_run()
    session = SparkSession.getActiveSession()
    assert session is not None
    yield session
    session.stop()


@pytest.fixture(scope="session")
def photo_tree(tmp_path_factory: pytest.TempPathFactory) -> PhotoTree:
    """Some forty photos in all colour modes, five of them broken; tests that change the tree take a copy."""
    return write_photo_tree(tmp_path_factory.mktemp("tree") / "my photos")


@pytest.fixture(scope="session")
def full_run(spark: SparkSession, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """A run of everything on `photo_tree`, from scratch; tests that run on take a copy."""
    return run_project(photo_tree.root, Outputs(tmp_path_factory.mktemp("run") / "data"))


@pytest.fixture(scope="session")
def tiny_model() -> keras.Model:
    """A network of a few layers, uint8 (batch, 32, 32, 3) to float32 (batch, 5), whose features differ from photo to photo."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    photos = keras.Input((32, 32, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1)(photos)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3, 2, padding="same")(x)))
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2D(5, 1, bias_initializer="random_normal")(x)
    return keras.Model(photos, layers.GlobalAveragePooling2D()(x), name="tiny")


@pytest.fixture(scope="session")
def tiny_networks(tiny_model: keras.Model) -> dict[str, Network]:
    """The tiny network as every engine exports it."""
    from fruit_features.networks.engines import ENGINES
    from fruit_features.networks.network import Network

    return {
        name: Network(
            fingerprint=f"tiny-{name}",
            configuration=f"tiny-{name}",
            backbone="tiny",
            engine=name,
            precision="f32",
            input_size=32,
            n_features=5,
            files=engine.export(tiny_model),
        )
        for name, engine in ENGINES.items()
    }


@pytest.fixture(scope="session")
def tiny_network(tiny_networks: dict[str, Network]) -> Network:
    """The tiny network as the default engine exports it."""
    return tiny_networks["openvino"]

"""A real Chromium, the project after a real run, and the servers that it looks at."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.project_copy import copy_project
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, Page, Route

    from tests.support.photos import PhotoTree

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing but what the page itself asks for, in a container too."""

HOST = "127.0.0.1"

REGISTERED_PORTS = range(1024, 49152)

PHONE = {"width": 420, "height": 860}
"""Pixels."""

_MAX_START = 60
"""Seconds."""

_MAX_WAIT = 20_000
"""Milliseconds."""


@dataclass
class Tab:
    """A page in the browser, whose requests to anywhere but this machine are noted and refused.

    Attributes:
        page: Playwright's page.
        screenshots: Folder for pictures of it.
        asked_outside: Hosts that it asked for something.
        errors: What its scripts raised.

    """

    page: Page
    screenshots: Path
    asked_outside: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route(lambda url: urlsplit(url).hostname != HOST and not url.startswith(("file:", "data:")), self._refuse)

    def _refuse(self, route: Route) -> None:
        self.asked_outside.add(urlsplit(route.request.url).hostname or route.request.url)
        route.abort()

    def picture(self, name: str) -> None:
        """Save what is seen once nothing moves, for people to look at."""
        self.page.screenshot(path=self.screenshots / f"{name}.png", animations="disabled")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; without one, nothing here is worth starting."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        # `pytest.exit` in a process of pytest-xdist ends in an internal error, without these words.
        pytest.fail(
            f"No Chromium on PATH (looked for {', '.join(CHROMIUM_NAMES)}): install one, as by `apt-get install chromium`",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")  # Kedro-Viz's own
        expect.set_options(timeout=_MAX_WAIT)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """`tests/artifacts`, or the folder that FRUIT_FEATURES_SCREENSHOTS names."""
    folder = Path(os.environ.get("FRUIT_FEATURES_SCREENSHOTS", PROJECT / "tests" / "artifacts"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def tab(browser: Browser, screenshots: Path) -> Iterator[Tab]:
    with contextlib.closing(browser.new_page(viewport={"width": 1600, "height": 1000})) as page:
        page.set_default_timeout(_MAX_WAIT)
        yield Tab(page, screenshots)


@contextlib.contextmanager
def other_tab(browser: Browser, screenshots: Path, **options: Any) -> Iterator[Tab]:
    """A page in a browser of its own kind, such as that of a phone."""
    context = browser.new_context(**options)
    try:
        yield Tab(context.new_page(), screenshots)
    finally:
        context.close()


@pytest.fixture(scope="session")
def project(chromium: str, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after `kedro run` on some forty photos, five of which are broken."""
    project = copy_project(tmp_path_factory.mktemp("seen") / "project")
    shutil.copytree(photo_tree.root, project / "data" / "01_raw" / "images")
    run_everything(project)
    return project


@pytest.fixture(scope="session")
def kedro_viz(project: Path) -> Iterator[str]:
    """The address of Kedro-Viz."""
    with serve_viz(project) as url:
        yield url


@pytest.fixture(scope="session")
def static_site(project: Path) -> Iterator[str]:
    """The address of the site that `make viz-site` builds, served as it says."""
    said = run_to_end(project, "make", "--old-file", ".venv/.ready", "viz-site")  # .venv is ours, and ready
    (command,) = (line.partition(": ")[2] for line in said.splitlines() if "http.server" in line)
    *command_but_port, _ = command.split()
    port = free_port()
    with serve(project, *command_but_port, str(port), port=port) as url:
        yield url


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run_to_end(project: Path, *command: str) -> str:
    """Run a command in a project: what it printed, errors included."""
    run = subprocess.run(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def run_everything(project: Path) -> None:
    """`kedro run` on the project's own photos, with weights that come with a package."""
    run_to_end(project, ".venv/bin/kedro", "run", "--params", "featurization.backbone=efficientnet_lite0")


def serve_viz(project: Path) -> AbstractContextManager[str]:
    """Kedro-Viz, as `make viz` starts it but for the browser: its address."""
    port = free_port()
    command = (".venv/bin/kedro", "viz", "run", "--no-browser", "--host", HOST, "--port", str(port))
    return serve(project, *command, port=port)


def free_port() -> int:
    """A port that nobody has; Kedro-Viz takes none above the registered ones, from which systems choose."""
    for port in random.sample(REGISTERED_PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    pytest.fail("100 ports were tried, and none is free")


@contextlib.contextmanager
def serve(project: Path, *command: str, port: int) -> Iterator[str]:
    """Run a server until it is looked at no more; it ends, and all that it has started, however that comes."""
    log = project / f"{port}.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            command, cwd=project, env=environment(), stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://{HOST}:{port}/"
        wait_until_it_answers(server, url, log)
        yield url
    finally:
        end_group(server)


def wait_until_it_answers(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + _MAX_START
    while time.monotonic() < give_up:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    pytest.fail(f"{url} does not answer:\n{log.read_text()}")


def end_group(server: subprocess.Popen[bytes]) -> None:
    """Ask a server and its children to end, and make them."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)

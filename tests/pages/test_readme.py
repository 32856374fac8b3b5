"""What the pages say is so: every command runs, every output shown is real, every path, link, table and default is right.

Commands run in a copy of the project (see `tests.support.project_copy`), with photos and weights where the pages' examples
have them. `make` is asked what it would do (`make -n`), and a run on EMR where it would read and write.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.backbones.mobilenet_v2 import RELEASE_FILE
from fruit_features.parameters import Parameters, flatten
from tests.support.network_files import cnn, vit
from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from pyspark.sql import SparkSession

    from tests.support.project_copy import DemoRun

pytest_plugins = ["tests.support.project_copy"]

PAGES = (
    "README.md",
    "docs/tutorial.md",
    "docs/own-network.md",
    "docs/how-to.md",
    "docs/reference.md",
    "docs/explanation.md",
    "docs/faults.md",
    "docs/emr.md",
    "docs/scaling.md",
    "data/README.md",
    "conf/README.md",
)

RUN_ELSEWHERE = ("docs/tutorial.md", "docs/own-network.md")
"""Their commands are a story each, told in a terminal of its own: `test_tutorial.py`."""

INTERNAL_DATASETS = {
    "images",
    "metadata",
    "photo_reader",
    "photos",
    "listing_counts",
    "pending_photos",
    "known_photos",
    "known_features",
    "pca_features@pandas",
    "pca_features@spark",
    "run_record",
    "last_complete_run",
    "rewritten_photos",
    "rewritten_features",
    "networks",
    "featurized_photos",
    "featurization_counts",
    "copies",
    "label_issues",
    "agreed_corrections",
    "finding_counts",
    "contact_sheet",
    "found_photos",
    "map_photos",
    "thumbnails",
    "rejected_sample",
    "photo_counts",
}
"""Catalog entries that the README's table of results leaves out."""


# --- reading the pages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Where it stands.
        language: What follows the fence.
        text: What is in it.

    """

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{Path(self.page).stem}: {' '.join(self.text.split())[:60]}"


def blocks(language: str) -> list[Block]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    pages = [page for page in PAGES if page not in RUN_ELSEWHERE]
    return [Block(page, language, text) for page in pages for text in fence.findall((PROJECT / page).read_text())]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", (PROJECT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def table(page: str, first_header: str) -> list[list[str]]:
    """Rows of all tables of a page whose first column has this header."""
    rows: list[list[str]] = []
    is_in_table = False
    for line in prose(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            is_in_table = False
        elif cells[0] == first_header:
            is_in_table = True
        elif is_in_table and not line.startswith("|---"):
            rows.append(cells)
    assert rows, f"{page} has no table that begins with {first_header!r}"
    return rows


def unquoted(cell: str) -> str:
    """What stands between the backticks of a cell."""
    match = re.fullmatch(r"`([^`]*)`", cell)
    assert match, f"{cell!r} should be one name in backticks"
    return match[1]


# --- a place to run in -------------------------------------------------------------------------------------------------------


@dataclass
class Shell:
    """Runs commands as they stand on the pages.

    Attributes:
        project: The copy of the project, which is the working folder.
        done: Commands that ran already; pages repeat some.

    """

    project: Path
    done: set[str]

    def run(self, command: str) -> None:
        if command in self.done:
            return
        self.done.add(command)
        match shlex.split(command):
            case ["make", *targets]:
                subprocess.run(["make", "-n", *targets], cwd=self.project, check=True, capture_output=True)
            case [".", script]:
                assert (self.project / script).is_file()
            case ["export", assignment]:
                name, value = assignment.split("=", 1)
                os.environ[name] = value
            case ["python", "-c", code]:
                exec(code, {})
            case ["kedro", *arguments] if "emr" in arguments:
                code, said = self.kedro("catalog", "resolve-patterns", "--env", "emr")
                assert code == 0, said
                self.check_that_all_is_on_s3(yaml.load(said, yaml.UnsafeLoader))  # Kedro's own dump, which has tuples
            case ["kedro", "run", "--pipelines", "vacuum"]:
                code, said = self.kedro("run", "--pipelines", "vacuum")
                assert code == 1, "the commands of the pages have used several networks, so most of the store would go"
                assert "the vacuum would drop" in said
            case ["kedro", *arguments]:
                self.follow(arguments)
            case _:
                pytest.fail(f"no test knows how to run {command!r}")

    def follow(self, arguments: list[str]) -> None:
        """Run a command of Kedro that has to end well, after what it starts from."""
        if "project" in arguments:
            self.kedro("run")  # into whose space; the pages do not say which run was the last
        if "similar" in arguments:
            self.kedro("run", "--env", "demo")  # among whose photos
        code, said = self.kedro(*arguments)
        assert code == 0, said
        if "similar" in arguments:
            self.kedro("run")  # whose results the commands after it go on from
        if arguments[0] == "run" and ("--pipelines" not in arguments or "project" in arguments):
            self.check_outputs(arguments)

    def kedro(self, *arguments: str) -> tuple[int, str]:
        """Run a command of Kedro in this process, which has a Spark session already: its exit code, and what it printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), pytest.raises(SystemExit) as exit_:
            KedroCLI(self.project).main(list(arguments), prog_name="kedro")
        return int(exit_.value.code or 0), printed.getvalue()

    def check_outputs(self, arguments: list[str]) -> None:
        """Every photo of a run's `images_root` must have been exported to its `output_root`."""
        given = dict(re.findall(r"(\w+_root)=([^,]+)", " ".join(arguments)))
        images_root = self.project / given.get("images_root", "data/01_raw/images")
        outputs = Outputs(self.project / given.get("output_root", "data"))
        n_photos = len(list(images_root.glob("*/*.jpg")))
        assert len(outputs.pca_features()) == len(outputs.pca_features_csv()) == outputs.counts()["exported"] == n_photos

    @staticmethod
    def check_that_all_is_on_s3(catalog: dict[str, Any]) -> None:
        paths = [(entry.get("kwargs") or entry).get("filepath") for entry in catalog.values()]
        paths = [path for path in paths if path]
        assert len(paths) > len(INTERNAL_DATASETS)
        assert not [path for path in paths if not path.startswith(f"{os.environ['FRUIT_FEATURES_S3_ROOT']}/")]


@pytest.fixture(scope="module")
def shell(demo_run: DemoRun, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("pages")
    project = home / "project"
    shutil.copytree(demo_run.project, project, symlinks=True)
    for folder, labels in {
        project / "data/01_raw/images": ("Apple", "Kiwi"),
        home / "my_photos": ("Banana", "Lime", "Tomato"),
        home / "new_photos": ("Pear",),
    }.items():
        for label in labels:
            (folder / label).mkdir(parents=True)
            for number in range(5):
                shutil.copy(project / f"data/01_raw/sample/{label}/{number:02}.jpg", folder / label)
    (labels,) = blocks("csv")
    (home / "labels.csv").write_text(labels.text)
    with (home / "complete.csv").open("w") as table:
        table.writelines(
            ["file_name\n", *(f"{label}/{number:02}.jpg\n" for label in ("Apple", "Kiwi") for number in range(5))]
        )
    keras_home = home / "keras"
    (keras_home / "models").mkdir(parents=True)
    (home / "networks").mkdir()
    (home / "networks/resnet18.onnx").write_bytes(cnn(("batch", 3, 224, 224)).SerializeToString())
    (home / "networks/dinov2.onnx").write_bytes(vit(size=224, patch=32).SerializeToString())
    (home / "weights").mkdir()
    network = random_mobilenet_v2()
    network.save(keras_home / "models" / RELEASE_FILE)
    network.save_weights(home / "weights" / "mobilenet_v2.weights.h5")
    random_resnet50().save_weights(home / "weights" / "resnet50.weights.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(keras_home))
        patch.setattr(sys, "path", [*sys.path])
        patch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # Kedro adds the copy's sources
        patch.setenv("FRUIT_FEATURES_S3_ROOT", "s3a://bucket/prefix")
        running = Shell(project, set())
        running.run("kedro run")  # several commands start from its results
        yield running


def random_mobilenet_v2() -> keras.Model:
    """What Keras would download, but random, at a scale (He et al. 2015) that keeps photos apart through all layers."""
    import keras
    import numpy as np

    network: keras.Model = keras.applications.MobileNetV2(weights=None)
    rng = np.random.default_rng(0)
    for array in network.weights:
        if array.name == "kernel":
            fan_in = np.prod(array.shape[:2] if array.shape[-1] == 1 else array.shape[:-1])
            array.assign(rng.normal(0, np.sqrt(2 / fan_in), array.shape))
    return network


def random_resnet50() -> keras.Model:
    import keras

    network: keras.Model = keras.applications.ResNet50(weights=None)
    return network


# --- commands ----------------------------------------------------------------------------------------------------------------


def to_be_run(language: str) -> list[Any]:
    """The blocks of a language: those of the README, and the recipes, of which each takes a run, as slow tests."""
    return [
        pytest.param(block, id=str(block), marks=[] if block.page == "README.md" else pytest.mark.slow)
        for block in blocks(language)
    ]


@pytest.mark.parametrize("block", to_be_run("sh"))
def test_commands_run(block: Block, shell: Shell) -> None:
    for command in block.text.strip().splitlines():
        shell.run(command)


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_output_shown_is_real(block: Block, shell: Shell, demo_run: DemoRun) -> None:
    command, *shown = block.text.strip().splitlines()
    said = demo_run.said if command == "$ make demo" else shell.kedro(*shlex.split(command)[2:])[1]
    real = iter(masked(line) for line in said.splitlines())
    for line in shown:
        assert masked(line) in real, f"{line!r} is not, or not in this order, in what was printed:\n{said}"


def masked(line: str) -> str:
    """A line without what differs from run to run: time of day, and how long things took."""
    return re.sub(r"^\d\d:\d\d:\d\d|[\d.]+ a second|^seconds +\d+", "~", line.rstrip())


def test_make_demo_is_what_the_demo_run_did(shell: Shell) -> None:
    recipe = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo"], cwd=shell.project, check=True, capture_output=True, text=True
    ).stdout
    assert recipe.endswith(".venv/bin/kedro run --env demo\n")


@pytest.mark.parametrize("block", to_be_run("python"))
def test_snippets_run(block: Block, shell: Shell) -> None:
    for tool in ("duckdb", "faiss", "lancedb", "datasets", "renumics", "torch"):  # tests/pages/test_other_tools.py has them
        if re.search(rf"^(import|from) {tool}\b", block.text, re.MULTILINE):
            pytest.importorskip(tool)
    # What a library's threads do when Python ends is not the snippet's business: Arrow's have aborted it on a busy machine.
    program = f"{block.text}\nimport os, sys\nsys.stdout.flush()\nos._exit(0)"
    run = subprocess.run([sys.executable, "-c", program], cwd=shell.project, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_network_is_exported_alike_on_two_pages() -> None:
    fence = re.compile(r"^```python\n(import torch\n.*?)^```$", re.MULTILINE | re.DOTALL)
    how_to, tutorial = (fence.findall((PROJECT / "docs" / page).read_text()) for page in ("how-to.md", "own-network.md"))
    assert len(how_to) == 1
    assert tutorial == how_to


def test_settings_files_are_read(shell: Shell) -> None:
    written = {}
    for block in blocks("yaml"):
        comment, text = block.text.split("\n", 1)
        path = shell.project / comment.removeprefix("# ")
        before = path.read_text() if path.exists() else None
        written.setdefault(path, before)
        path.write_text(yaml.safe_dump(yaml.safe_load(before or "{}") | yaml.safe_load(text)))  # Spark stays small
    try:
        code, said = shell.kedro("run")
        assert code == 0, said
        report = Outputs(shell.project / "data").run_report()
        assert report["counts"]["exported"] == 15
        assert report["parameters"]["featurization"]["weights"] == "../weights/mobilenet_v2.weights.h5"
    finally:
        for path, before in written.items():
            path.unlink() if before is None else path.write_text(before)


def test_the_log_says_more_where_it_is_told_to(demo_run: DemoRun, tmp_path: Path) -> None:
    section = (PROJECT / "docs" / "how-to.md").read_text().partition("## See more of the log")[2]
    ((commands,), (shown,), (spark_yml,), (log4j2,)) = (
        re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        for language in ("bash", "text", "yaml", "properties")
    )
    project = tmp_path / "project"
    shutil.copytree(demo_run.project, project, symlinks=True)
    shutil.copytree(project / "data/01_raw/sample", project / "data/01_raw/images")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{project}/.venv/bin:{environment['PATH']}"

    def say() -> str:
        run = subprocess.run(
            ["bash", "-e", "-c", commands], cwd=project, env=environment, capture_output=True, text=True, check=True
        )
        return run.stdout + run.stderr

    with (project / "conf/log4j2.properties").open("a") as settings:
        settings.write(log4j2)
    said = say()
    real = iter(masked(line) for line in said.splitlines())
    assert all(masked(line) in real for line in shown.splitlines()), said
    assert "DAGScheduler: " in said
    assert "SparkContext: " not in said
    with (project / "conf/local/spark.yml").open("a") as settings:
        settings.write(spark_yml)
    assert "SparkContext: " in say()


def test_mixing_two_spaces_is_refused(shell: Shell) -> None:
    parameters = (
        "images_root=../new_photos,output_root=../refused,models_root=data/06_models,featurization.backbone=efficientnet_lite0"
    )
    code, said = shell.kedro("run", "--pipelines", "project", "--params", parameters)
    assert code == 1
    assert "pca_model belongs to network" in said
    assert "featurization.backbone is mobilenet_v2 there, efficientnet_lite0 here" in said
    assert not (shell.project.parent / "refused" / "07_model_output" / "pca_features").exists()


# --- paths and links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (PROJECT / page).parent / path if path else PROJECT / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str, shell: Shell) -> None:
    """In the copy, where the demo and `kedro run` left their results."""
    of_this_folder = {path.name for path in PROJECT.iterdir() if path.name != ".venv"}
    makefile = (PROJECT / "Makefile").read_text()
    for name in re.findall(r"`([^`\s<*]+)`", prose(page)):
        top = name.split("/")[0]
        is_made_by_hand_or_make = name.startswith("conf/local/") or name in makefile
        is_a_test = "::" in name  # of which test_faults_names_tests_that_exist knows
        if top in of_this_folder and not is_made_by_hand_or_make and not is_a_test:
            assert (PROJECT / name).exists() or (shell.project / name).exists(), f"{page} names {name}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    for words in re.findall(r"`make ([^`]+)`", prose(page)):
        subprocess.run(["make", "-n", *shlex.split(words)], cwd=PROJECT, check=True, capture_output=True)


# --- tables ------------------------------------------------------------------------------------------------------------------


def typed_parameters() -> dict[str, type[Parameters]]:
    """The class of each pipeline's parameters."""
    found = {}
    for path in (PROJECT / "src/fruit_features/pipelines").glob("*/parameters.py"):
        module = importlib.import_module(f"fruit_features.pipelines.{path.parent.name}.parameters")
        found[path.parent.name] = getattr(module, f"{path.parent.name.title()}Parameters")
    return found


def schemas() -> dict[str, dict[str, Any]]:
    """JSON schema of every parameter, by its name on the command line."""
    return {
        name: schema
        for pipeline, parameters in typed_parameters().items()
        for name, schema in schemas_of(parameters, pipeline).items()
    }


def schemas_of(parameters: type[Parameters], prefix: str) -> dict[str, dict[str, Any]]:
    """The same of one class and of those within it."""
    found: dict[str, dict[str, Any]] = {}
    schemas = parameters.model_json_schema()["properties"]
    for name, field in parameters.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Parameters):
            found |= schemas_of(field.annotation, f"{prefix}.{name}")
        else:
            found[f"{prefix}.{name}"] = {key: value for key, value in schemas[name].items() if key != "title"}
    return found


def in_words(schema: dict[str, Any]) -> str:
    """A type as the reference writes it."""
    match schema:
        case {"anyOf": [some, {"type": "null"}]}:
            return f"{in_words(some)}, or `null`"
        case {"anyOf": [some, other]}:
            return f"{in_words(some)}, or a {in_words(other)}"
        case {"type": "array", "minItems": n, "maxItems": m} if n == m:
            return f"{n} {in_words(schema['items'])}s"
        case {"enum": [*first, last]}:
            return f"{', '.join(f'`{name}`' for name in first)} or `{last}`"
        case {"type": "boolean" | "string" as kind}:
            return {"boolean": "`true` or `false`", "string": "text"}[kind]
    words = {"integer": "whole number", "number": "number"}[schema.pop("type")]
    if words == "whole number" and "exclusiveMinimum" in schema:
        schema["minimum"] = schema.pop("exclusiveMinimum") + 1
    said = {
        "exclusiveMinimum": "more than {}",
        "minimum": "{} or more",
        "exclusiveMaximum": "less than {}",
        "maximum": "at most {}",
    }
    assert schema.keys() <= said.keys(), schema
    return ", ".join([words, *(said[key].format(f"{schema[key]:g}") for key in said if key in schema)])


def in_yaml(value: Any) -> str:
    return yaml.safe_dump(value).removesuffix("\n").removesuffix("\n...")


def defaults() -> dict[str, str]:
    """Default of every parameter in `conf/base`, as YAML writes it."""
    conf = PROJECT / "conf/base"
    roots = yaml.safe_load((conf / "globals.yml").read_text())
    files = [yaml.safe_load(path.read_text()) for path in conf.glob("parameters*.yml")]
    nested = {name: value for file in files for name, value in flatten(file).items()}
    # The catalog, where models_root has its default, refers to the output root.
    return {name: in_yaml(value) for name, value in {**roots, **nested}.items()} | {"models_root": "output_root/06_models"}


def test_faults_names_tests_that_exist() -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", (PROJECT / "docs" / "faults.md").read_text())
    assert len(named) > 25
    for file, test in named:
        assert f"def {test}" in (PROJECT / "tests" / file).read_text(), f"{file}::{test}"


def test_reference_has_every_parameter_with_type_and_default() -> None:
    folders = dict.fromkeys(("images_root", "output_root", "models_root"), "folder")
    expected = folders | {"force": "`true` or `false`"} | {name: in_words(schema) for name, schema in schemas().items()}
    rows = {unquoted(name): (type_, unquoted(default)) for name, type_, default, _ in table("docs/reference.md", "parameter")}
    assert rows == {name: (type_, defaults()[name]) for name, type_ in expected.items()}
    assert defaults().keys() == rows.keys()


def test_models_root_has_the_default_of_the_reference() -> None:
    catalog = (PROJECT / "conf/base/catalog.yml").read_text()
    assert "_models_root: ${runtime_params:models_root,${._output_root}/06_models}" in catalog


def test_reference_says_what_every_parameter_means() -> None:
    for name, _, _, meaning in table("docs/reference.md", "parameter"):
        assert meaning.endswith("."), name


def test_reference_names_every_backbone() -> None:
    (meaning,) = (row[3] for row in table("docs/reference.md", "parameter") if row[0] == "`featurization.backbone`")
    assert set(BACKBONES) == set(re.findall(r"`(\w+)`", meaning))


def test_readme_has_the_same_defaults() -> None:
    for name, default, _ in table("README.md", "parameter"):
        assert unquoted(default) == defaults()[unquoted(name)]


def test_reference_names_every_pipeline() -> None:
    assert {unquoted(name) for name, _ in table("docs/reference.md", "pipeline")} == pipelines.keys() - {"__default__"}


def test_conf_page_names_every_environment() -> None:
    environments = {path.name for path in (PROJECT / "conf").iterdir() if path.is_dir()}
    assert {unquoted(name) for name, _ in table("conf/README.md", "folder")} == environments


def test_results_are_where_the_readme_says() -> None:
    with KedroSession.create(PROJECT, env="base") as session:
        catalog = {
            name: entry for name, entry in session.load_context().config_loader["catalog"].items() if not name.startswith("_")
        }
    rows = table("README.md", "name in the catalog")
    for name, where, file_format, _ in rows:
        entry = catalog[unquoted(name)]
        assert entry["filepath"] == f"data/{unquoted(where)}"
        known_as = f"{entry['type']} {entry.get('file_format', '')}".lower()
        assert file_format.lower() in known_as or file_format in {"OpenVINO or ONNX", "HTML"}
    assert {unquoted(row[0]) for row in rows} == catalog.keys() - INTERNAL_DATASETS


def test_data_page_names_every_layer(demo_run: DemoRun) -> None:
    named = {Path(unquoted(name)).parts[0] for name, _ in table("data/README.md", "folder")}
    assert named == {path.name for path in (demo_run.project / "data").iterdir() if path.is_dir()}


def test_columns_are_those_of_the_readme(demo_run: DemoRun) -> None:
    outputs = Outputs(demo_run.project / "data")
    shown = {unquoted(row[0]): row[3].rpartition(": ")[2] for row in table("README.md", "name in the catalog")}
    assert ", ".join(outputs.feature_store().columns) == shown["feature_store"]
    assert ", ".join(outputs.photo_index().columns) == shown["photo_index"]
    assert list(outputs.pca_features())[:3] == ["path", "label", "pca_1"]
    for name in ("explained_variance", "quality", "label_quality", "confusion"):
        assert (outputs.root / f"08_reporting/{name}.csv").read_text().split()[0].replace('"', "") == shown[name].replace(
            " ", ""
        )

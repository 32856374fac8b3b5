"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the project: one run takes them all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.support.photos import COLOURS, encoded, fruit
from tests.support.project_copy import copy_project
from tests.support.runs import PROJECT, Outputs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PACKAGE = "src/fruit_features"

_WRITE_WEIGHTS = """
import sys
import keras
keras.utils.set_random_seed(0)
keras.applications.ResNet50(include_top=False, pooling="avg", weights=None).save_weights(sys.argv[1])
"""


def recipe(title: str) -> list[str]:
    """The code blocks of a recipe."""
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split(f"### {title}\n")[1].split("\n### ")[0]
    return re.findall(r"```(?:python|yaml|text)\n(.*?)```", section, re.DOTALL)


def add_part(project: Path, title: str, module: str, after: str, *, replaces: bool = False) -> None:
    """Write the recipe's file, import its class in the package's `__init__.py`, and put its line below another one."""
    code, line = recipe(title)
    package, _, name = module.rpartition("/")
    (project / PACKAGE / f"{module}.py").write_text(code)
    classes = re.findall(r"^class (\w+)\(", code, re.MULTILINE)
    registry = project / PACKAGE / package / "__init__.py"
    text = registry.read_text()
    assert text.count(after) == 1
    text = text.replace(after, line.rstrip("\n") if replaces else f"{after}\n{line.rstrip()}")
    imported = f"from fruit_features.{package.replace('/', '.')}.{name} import {classes[-1]}\n"
    registry.write_text(text.replace("from fruit_features.registry", f"{imported}from fruit_features.registry", 1))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """What a run leaves in a copy in which all recipes were followed."""
    folder = tmp_path_factory.mktemp("recipes")
    project = copy_project(folder / "project")
    add_part(project, "Add a backbone", "networks/backbones/resnet50", "        EfficientNetLite0(),")
    add_part(project, "Add an engine", "networks/engines/keras_model", "        TensorFlow(),")
    registered = 'REDUCERS: Final[Registry[Reducer]] = Registry("reducer", (Pca(),))'
    add_part(project, "Add a reducer", "spark/reducers/random_projection", registered, replaces=True)

    entry, node = recipe("Add an output format")
    catalog = project / "conf/base/catalog.yml"
    catalog.write_text(f"{catalog.read_text()}\n{entry}")
    pipeline = project / PACKAGE / "pipelines/export/pipeline.py"
    csv_node = re.search(r'^ +node\(sort_for_csv, .*"pca_features_csv".*\n', pipeline.read_text(), re.MULTILINE)
    assert csv_node is not None
    pipeline.write_text(pipeline.read_text().replace(csv_node[0], csv_node[0] + node))

    (line,) = recipe("Put the feature store elsewhere")
    (project / "conf/local/globals.yml").write_text(line)

    for label in COLOURS:
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(4):
            (folder / "photos" / label / f"{number}.jpg").write_bytes(encoded(fruit(label, number), "JPEG"))
    weights = folder / "resnet50.weights.h5"
    environment = os.environ | {"PYTHONPATH": str(project / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", _WRITE_WEIGHTS, weights], check=True, env=environment)
    parameters = (
        f"images_root={folder}/photos,output_root={folder}/data,featurization.backbone=resnet50,"
        f"featurization.weights={weights},featurization.engine=keras_model,reduction.reducer=random_projection"
    )
    command = [sys.executable, "-m", "kedro", "run", "--params", parameters]
    run = subprocess.run(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    return Outputs(folder / "data")


def test_the_new_backbone_ran_in_the_new_engine(outputs: Outputs) -> None:
    (record,) = outputs.networks.glob("*/network.json")
    network = json.loads(record.read_text())
    assert (network["backbone"], network["engine"], network["n_features"]) == ("resnet50", "keras_model", 2048)
    assert list(network["files"]) == ["network.keras"]


def test_the_new_reducer_made_the_columns(outputs: Outputs) -> None:
    columns = [f"random_{number}" for number in range(1, 17)]
    assert list(outputs.pca_features_csv().columns) == ["path", "label", *columns]
    assert pd.read_csv(outputs.root / "08_reporting/explained_variance.csv").empty


def test_the_new_format_holds_the_same_rows(outputs: Outputs) -> None:
    (part,) = (outputs.root / "07_model_output/pca_features_json").glob("part-*.json")
    rows = pd.read_json(part, lines=True)
    pd.testing.assert_frame_equal(rows, outputs.pca_features_csv(), check_dtype=False, rtol=1e-5)


def test_the_store_is_where_it_was_put(outputs: Outputs) -> None:
    assert not (outputs.root / "04_feature/feature_store").exists()
    store = pd.read_parquet(outputs.root.parent / "shared_store/feature_store")
    assert len(store) == 4 * len(COLOURS)
    assert store["features"].map(len).eq(2048).all()

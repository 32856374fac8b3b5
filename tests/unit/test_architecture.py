"""The architecture: contracts that import-linter cannot express, and the page that describes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader

from fruit_features.hooks.parameters import top_level_parameter
from fruit_features.pipeline_registry import register_pipelines
from fruit_features.settings import CONFIG_LOADER_ARGS
from tests.support.runs import PROJECT

PIPELINES = register_pipelines()
PLACES = {
    name: entry["filepath"]
    for name, entry in OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)["catalog"].items()
    if isinstance(entry, dict) and "filepath" in entry
}


@pytest.mark.parametrize("name", PIPELINES)
def test_no_table_of_a_pipeline_has_two_writers(name: str) -> None:
    outputs = [output for node in PIPELINES[name].nodes for output in node.outputs]
    writers = Counter(PLACES.get(output, output) for output in outputs)
    assert [place for place, n_writers in writers.items() if n_writers > 1] == []


def test_only_the_store_s_two_tables_have_writers_in_several_pipelines() -> None:
    writers: dict[str, set[str]] = {}
    for pipeline in PIPELINES.values():
        for node in pipeline.nodes:
            for output in node.outputs:
                writers.setdefault(PLACES.get(output, output), set()).add(node.name)
    shared = {place for place, names in writers.items() if len(names) > 1}
    assert shared == {PLACES["feature_store"], PLACES["photo_index"]}, "which `compact` and `vacuum` rewrite"


@pytest.mark.parametrize("name", PIPELINES)
def test_a_node_takes_the_parameters_of_its_own_stage_alone(name: str) -> None:
    for node in PIPELINES[name].nodes:
        groups = {top_level_parameter(taken) for taken in node.inputs if taken.startswith("params:")}
        assert groups <= node.tags, node.name


def test_nodes_hold_no_state() -> None:
    sources = [path.read_text() for path in (PROJECT / "src/fruit_features/pipelines").glob("*/nodes.py")]
    assert len(sources) == 6
    for forbidden in (
        ".cache()",
        ".persist(",
        "_jdf",
        "_jvm",
        "accumulator(",
        "broadcast(",
        "threading",
        "getOrCreate",
        "time.",
    ):
        assert not any(forbidden in source for source in sources), forbidden


def layers() -> list[str]:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (of_layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return list(of_layers)


def test_the_picture_shows_the_floors_of_the_contract() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL)
    names = dict(re.findall(r'(F\d+)\["(.+?)"\]', picture))
    arrows = dict(re.findall(r"(F\d+)(?:\[.+?\])? --> (F\d+)", picture))
    floor, shown = "F1", []
    while floor:
        shown.append(names[floor])
        floor = arrows.get(floor, "")
    assert shown == layers()


def test_every_package_is_described() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"\w+", " ".join(layers())):
        assert name == "__main__" or f"`{name}`" in page, name


def test_a_module_on_no_floor_breaks_the_contract(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "src/fruit_features/attic.py").write_text('"""A module that nobody has placed."""\n')
    check = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--contract", "layers"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 1, check.stdout + check.stderr
    assert "attic" in check.stdout

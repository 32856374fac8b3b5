"""The pipelines that the command line knows, and that each of them can run by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kedro.config import OmegaConfigLoader

from fruit_features.hooks.parameters import FORCE, top_level_parameter
from fruit_features.pipeline_registry import register_pipelines
from fruit_features.settings import CONFIG_LOADER_ARGS
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from kedro.pipeline.node import Node

PIPELINES = register_pipelines()
CARE_OF_THE_STORE = {
    "rewritten_features": {"compact_store", "vacuum_store"},
    "rewritten_photos": {"compact_index", "vacuum_store"},
}
STAGES = ("ingestion", "featurization", "reduction", "export", "findings", "reporting")


@pytest.fixture(scope="module")
def conf() -> OmegaConfigLoader:
    return OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)


def test_the_names_are_those_of_the_readme() -> None:
    assert set(PIPELINES) == {
        *STAGES,
        "project",
        "embeddings",
        "features",
        "corrections",
        "apply_corrections",
        "compact",
        "vacuum",
        "__default__",
    }


def test_the_whole_mission_is_all_stages() -> None:
    mission = {node.name for node in PIPELINES["__default__"].nodes}
    assert mission == {node.name for stage in STAGES for node in PIPELINES[stage].nodes}


def test_projecting_fits_nothing() -> None:
    project = PIPELINES["project"]
    assert "pca_model" in project.inputs()
    assert "fit_pca" not in {node.name for node in project.nodes}
    assert {"pca_features@spark", "pca_features_csv", "rejected_images", "photo_counts"} <= project.all_outputs()


@pytest.mark.parametrize("name", PIPELINES)
def test_what_a_pipeline_reads_lies_in_the_catalog_or_the_parameters(name: str, conf: OmegaConfigLoader) -> None:
    parameters = {f"params:{group}" for group in conf["parameters"]} | {
        f"params:{group}.{parameter}" for group, values in conf["parameters"].items() if group != FORCE for parameter in values
    }
    assert PIPELINES[name].inputs() <= {*conf["catalog"], *parameters}


def test_what_a_stage_hands_to_another_is_kept(conf: OmegaConfigLoader) -> None:
    read = {name for stage in PIPELINES.values() for name in stage.inputs() if not name.startswith("params:")}
    made = {name for stage in PIPELINES.values() for name in stage.all_outputs()}
    assert read & made <= set(conf["catalog"])


def test_every_parameter_is_read_by_a_stage(conf: OmegaConfigLoader) -> None:
    read = {top_level_parameter(name) for name in PIPELINES["__default__"].inputs() if name.startswith("params:")}
    assert set(conf["parameters"]) == read | {FORCE}


def test_every_node_has_a_name_and_a_stage() -> None:
    nodes = PIPELINES["__default__"].nodes
    assert len({node.name for node in nodes}) == len(nodes)
    for node in nodes:
        assert node.name == node.func.__name__
        assert node.tags <= set(STAGES)
        assert node.tags


def stage_of(node: Node) -> str:
    """The stage in whose package a node's function is."""
    stage: str = node.func.__module__.split(".pipelines.")[1].split(".")[0]
    return stage


def test_no_table_is_written_by_two_stages() -> None:
    writers: dict[str, set[str]] = {}
    for pipeline in PIPELINES.values():
        for node in pipeline.nodes:
            for name in node.outputs:
                writers.setdefault(name, set()).add(stage_of(node))
    assert {name: stages for name, stages in writers.items() if len(stages) > 1} == {}


def test_no_table_is_written_by_two_nodes() -> None:
    writers: dict[str, set[str]] = {}
    for pipeline in PIPELINES.values():
        for node in pipeline.nodes:
            for name in node.outputs:
                writers.setdefault(name, set()).add(node.name)
    assert {name: nodes for name, nodes in writers.items() if len(nodes) > 1} == CARE_OF_THE_STORE


def test_a_stage_alone_writes_no_table_of_another() -> None:
    for name in STAGES:
        assert {stage_of(node) for node in PIPELINES[name].nodes} == {name}


def test_a_stage_reads_no_other_stage_s_parameters() -> None:
    for pipeline in PIPELINES.values():
        for node in pipeline.nodes:
            groups = {top_level_parameter(name) for name in node.inputs if name.startswith("params:")}
            assert groups <= {stage_of(node)}, node.name


def test_what_a_node_reads_can_be_read_by_a_run_that_begins_with_it(conf: OmegaConfigLoader) -> None:
    """`kedro run --from-nodes` and `--tags` find the inputs of all nodes in the catalog, but for those of a network."""
    kept = {*conf["catalog"]}
    for node in PIPELINES["__default__"].nodes:
        tables = {name for name in node.inputs if not name.startswith("params:")}
        assert tables - kept <= {"calibration_photos", "chunk_counts"}, node.name

"""Kedro project settings."""

import os
import warnings
from pathlib import Path

from omegaconf.resolvers import oc

from fruit_features.hooks import (
    ImagesRootHooks,
    ObjectStoreHooks,
    OutputLockHooks,
    ParameterHooks,
    ProgressHooks,
    RunReportHooks,
    SavedFilesHooks,
    SparkHooks,
    StageInputHooks,
    WriteAccessHooks,
)
from fruit_features.storage.whole_files import write_whole_files

# Kedro's own business, at every start: it registers its resolvers by a function that OmegaConf is about to rename.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

# Before Kedro makes the first dataset: plots, pages and small tables replace the old ones when they are whole.
write_whole_files()

# Last in, first out: the display begins first, then parameters, folders and buckets are looked at, then Spark starts.
HOOKS = (
    RunReportHooks(),
    SparkHooks(),
    OutputLockHooks(),
    StageInputHooks(),
    SavedFilesHooks(),
    WriteAccessHooks(),
    ObjectStoreHooks(),
    ImagesRootHooks(),
    ParameterHooks(),
    ProgressHooks(),
)

_PROJECT = Path(__file__).resolve().parents[2]

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "spark": "soft"},  # an environment states only what differs
    "custom_resolvers": {  # conf/emr takes its S3 roots and an endpoint from the environment
        "oc.env": oc.env,
        "is_set": lambda name: bool(os.environ.get(name)),
        "project_file": lambda name: str(_PROJECT / name),  # Java takes relative paths from where it was started
    },
    "config_patterns": {"spark": ["spark*", "spark*/**"], "locks": ["locks*", "locks*/**"]},
}

"""Kedro project settings."""

import os
import warnings
from pathlib import Path

from omegaconf.resolvers import oc

from fruit_features.hooks.network import NetworkHooks
from fruit_features.hooks.output_lock import OutputLockHooks
from fruit_features.hooks.parameters import ParameterHooks
from fruit_features.hooks.preflight import PreflightHooks
from fruit_features.hooks.progress import ProgressHooks
from fruit_features.hooks.run_report import RunReportHooks
from fruit_features.hooks.saved_files import SavedFilesHooks
from fruit_features.hooks.spark import SparkHooks
from fruit_features.hooks.up_to_date import UpToDateHooks
from fruit_features.hooks.up_to_date.session import UpToDateSession
from fruit_features.storage.whole_files import write_whole_files

# Kedro's own business, at every start: it registers its resolvers by a function that OmegaConf is about to rename.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

# Before Kedro makes the first dataset: plots, pages and small tables replace the old ones when they are whole.
write_whole_files()

# `kedro run`, and the variable `session` of notebooks, end before they begin if nothing has changed.
SESSION_CLASS = UpToDateSession

# Kedro calls the last of them first: the display begins, parameters are checked, folders and buckets are looked at, this run's
# locks are taken, a network that is missing begins to be built, and Spark starts. Only what may end the run at once comes
# before all that, as its first hook says.
HOOKS = (
    UpToDateHooks(),
    RunReportHooks(),
    SparkHooks(),
    NetworkHooks(),
    OutputLockHooks(),
    SavedFilesHooks(),
    PreflightHooks(),
    ParameterHooks(),
    ProgressHooks(),
)

_PROJECT = Path(__file__).resolve().parents[2]

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "spark": "soft", "globals": "soft"},  # an environment states only what differs
    "custom_resolvers": {  # conf/emr takes its S3 roots and an endpoint from the environment
        "oc.env": oc.env,
        "is_set": lambda name: bool(os.environ.get(name)),
        "project_file": lambda name: str(_PROJECT / name),  # Java takes relative paths from where it was started
    },
    "config_patterns": {
        "spark": ["spark*", "spark*/**"],
        "locks": ["locks*", "locks*/**"],
        # A catalog cannot refer to parameters, but to globals: so it finds the file that ingestion.metadata names.
        "globals": ["globals.yml", "parameters_ingestion.yml"],
    },
}

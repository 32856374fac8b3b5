"""Kedro hooks, a file each: what is checked before a run starts, and what a run leaves behind."""

from fruit_features.hooks.images_root import ImagesRootHooks
from fruit_features.hooks.object_store import ObjectStoreHooks
from fruit_features.hooks.output_lock import OutputLockHooks
from fruit_features.hooks.parameters import ParameterHooks, top_level_parameter
from fruit_features.hooks.progress import ProgressHooks
from fruit_features.hooks.run_report import RunReportHooks
from fruit_features.hooks.saved_files import SavedFilesHooks
from fruit_features.hooks.spark import SparkHooks
from fruit_features.hooks.stage_inputs import StageInputHooks
from fruit_features.hooks.write_access import WriteAccessHooks

__all__ = [
    "ImagesRootHooks",
    "ObjectStoreHooks",
    "OutputLockHooks",
    "ParameterHooks",
    "ProgressHooks",
    "RunReportHooks",
    "SavedFilesHooks",
    "SparkHooks",
    "StageInputHooks",
    "WriteAccessHooks",
    "top_level_parameter",
]

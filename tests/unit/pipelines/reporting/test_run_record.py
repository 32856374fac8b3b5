"""The record of a run: what is done is timed and counted, what is not is None."""

from __future__ import annotations

from fruit_features.pipelines.reporting.run_record import RunRecord

NOT_COUNTED = dict.fromkeys(("orientation_ignored", "left_out", "metadata_mismatches"))


def test_only_nodes_that_have_saved_something_have_a_time() -> None:
    record = RunRecord({}, ["__default__"])
    record.begin("list_photos")
    record.begin("list_photos")
    record.end("list_photos")
    record.begin("render_report")
    seconds = record.describe()["seconds_per_node"]
    assert list(seconds) == ["list_photos"]


def test_the_speed_is_that_of_the_node_that_featurizes() -> None:
    record = RunRecord({}, ["__default__"])
    record.begin("featurize_photos")
    record.end("featurize_photos")
    record._node_spans["featurize_photos"] = [100.0, 104.0]
    record.featurization_counts = {"listed": 11, "featurized": 10, "reused": 1, "rejected": 0}
    described = record.describe()
    assert described["images_per_second"] == 2.5
    expected = {"listed": 11, "featurized": 10, "reused": 1, "rejected": 0, "exported": None}
    assert described["counts"] == expected | {
        "inferred": 0,
        **dict.fromkeys(("orientation_ignored", "left_out", "metadata_mismatches")),
    }


def test_a_run_that_featurized_nothing_reused_everything() -> None:
    record = RunRecord({}, ["export"], photo_counts={"listed": 7, "exported": 6, "rejected": 1, "components": 2})
    counts = record.describe()["counts"]
    expected = {"listed": 7, "featurized": 0, "reused": 7, "rejected": 1, "exported": 6}
    assert counts == expected | {"inferred": 0} | NOT_COUNTED


def test_what_the_listing_counted_is_in_the_record() -> None:
    counts = {"not_in_folder": 2, "not_in_table": 0}
    described = RunRecord({}, [], listing_counts=counts, left_out={".txt": 12}).describe()["counts"]
    assert (described["left_out"], described["metadata_mismatches"]) == ({".txt": 12}, 2)


def test_a_run_that_counted_nothing_says_so() -> None:
    described = RunRecord({"images_root": "x"}, ["reporting"]).describe()
    assert set(described["counts"].values()) == {None, 0}
    assert described["parameters"] == {"images_root": "x"}
    assert {"python", "pyspark", "kedro"} <= described["versions"].keys()

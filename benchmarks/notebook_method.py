"""The notebook's method, in its kind form: what a careful user of it would have run.

Kept: `binaryFile` and a shuffle into 24 partitions, MobileNetV2 built in every task and `predict` on it, features as lists of
floats, Spark ML's PCA fitted twice, one CSV file. Kinder than the original: features are written once and read back (else they
are computed again for every action), photos are converted to RGB (else one grey-scale photo ends the job), workers do not read
the weights from disk, and the driver has the memory that the PCA needs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterator  # noqa: TC003 - pandas_udf reads the annotations when it runs
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pyspark.ml.feature import PCA
from pyspark.ml.linalg import DenseVector, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, element_at, pandas_udf, split, udf
from pyspark.sql.types import ArrayType, FloatType
from tensorflow.keras import Model
from tensorflow.keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input
from tensorflow.keras.preprocessing.image import img_to_array

from fruit_features.spark.java import use_supported_java

N_PARTITIONS = 24
VARIANCE_THRESHOLD = 0.90


def main() -> None:
    """Photos to features to components to CSV, each phase timed."""
    arguments = _parse_arguments()
    spark = _start_spark()
    images = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(str(arguments.images))
        .withColumn("label", element_at(split(col("path"), "/"), -2))
    )
    started = time.perf_counter()
    features_path = str(arguments.out / "features")
    _featurize(images, arguments.weights).write.mode("overwrite").parquet(features_path)
    featurized = time.perf_counter()

    to_vector = udf(DenseVector, VectorUDT())
    features = spark.read.parquet(features_path).withColumn("features_vector", to_vector(col("features")))
    initial_k = len(features.select("features_vector").head()[0])
    explained_variance = _pca(initial_k).fit(features).explainedVariance.toArray()
    n_components = int(np.where(np.cumsum(explained_variance) >= VARIANCE_THRESHOLD)[0][0]) + 1
    model = _pca(n_components).fit(features)
    fitted = time.perf_counter()

    to_list = udf(lambda vector: vector.values.tolist(), ArrayType(FloatType()))
    projected = model.transform(features).withColumn("pca", to_list(col("pca_features")))
    components = [col("pca")[i].alias(f"pca_{i + 1}") for i in range(n_components)]
    table = projected.select("path", "label", *components)
    print(f"{table.count()} rows for {images.count()} photos")
    table.coalesce(1).write.mode("overwrite").option("header", "true").csv(str(arguments.out / "csv"))
    exported = time.perf_counter()

    seconds = {"featurize": featurized - started, "pca": fitted - featurized, "csv": exported - fitted}
    (arguments.out / "timings.json").write_text(json.dumps(seconds))
    np.savetxt(arguments.out / "explained_variance.txt", explained_variance)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of labelled photos")
    parser.add_argument("--out", type=Path, required=True, help="folder for features, CSV and timings")
    parser.add_argument("--weights", help="weights file of the whole MobileNetV2; without it, Keras's own for ImageNet")
    return parser.parse_args()


def _start_spark() -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    use_supported_java()
    return (
        SparkSession.builder.master("local[*]")
        .appName("notebook")
        .config("spark.driver.memory", "8g")
        .config("spark.driver.host", "localhost")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )


def _featurize(images: DataFrame, weights: str | None) -> DataFrame:
    network = MobileNetV2(weights=None if weights else "imagenet", include_top=True, input_shape=(224, 224, 3))
    if weights:
        network.load_weights(weights)
    headless = Model(inputs=network.input, outputs=network.layers[-2].output)
    broadcast_weights = images.sparkSession.sparkContext.broadcast(headless.get_weights())

    def model_fn() -> Model:
        model = MobileNetV2(weights=None, include_top=True, input_shape=(224, 224, 3))
        for layer in model.layers:
            layer.trainable = False
        new_model = Model(inputs=model.input, outputs=model.layers[-2].output)
        new_model.set_weights(broadcast_weights.value)
        return new_model

    def preprocess(content: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(content)).convert("RGB").resize([224, 224])
        return preprocess_input(img_to_array(image))

    @pandas_udf("array<float>")
    def featurize_udf(contents: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = model_fn()
        for series in contents:
            predictions = model.predict(np.stack(series.map(preprocess)), verbose=0)
            yield pd.Series([prediction.flatten() for prediction in predictions])

    return images.repartition(N_PARTITIONS).select("path", "label", featurize_udf("content").alias("features"))


def _pca(k: int) -> PCA:
    return PCA(k=k, inputCol="features_vector", outputCol="pca_features")


if __name__ == "__main__":
    main()

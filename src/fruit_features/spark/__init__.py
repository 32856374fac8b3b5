"""What the project does with Spark, without Kedro: the session, the feature store, and the functions that its workers run."""

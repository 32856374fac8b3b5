"""What is computed from features and facts, without Spark: components, neighbours, separability of labels, findings."""

"""Turns photos that the feature store lacks into features, chunk by chunk."""

"""Fits the reduction, by default a PCA with the fewest components that explain enough of the variance."""

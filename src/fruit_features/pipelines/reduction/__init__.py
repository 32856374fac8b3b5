"""Fits the PCA: merged moments, one eigendecomposition, the fewest components that explain enough variance."""

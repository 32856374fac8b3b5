"""Plots of what the reduction kept."""

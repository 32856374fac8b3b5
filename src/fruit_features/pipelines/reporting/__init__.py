"""Plots, a measure of quality, and one page that shows what a run did."""

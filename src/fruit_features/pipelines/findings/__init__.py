"""Finds what deserves a look: copies, leaks between splits, doubtful labels, outliers and odd photos."""

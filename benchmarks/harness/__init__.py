"""What the benchmarks share: photos to run on, cold processes and their memory, outputs and tables."""

"""Lists the photos: one snapshot per run, which every later stage accounts for."""

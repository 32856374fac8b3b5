"""Lists the photos once per run; every later stage accounts for the photos of this listing."""

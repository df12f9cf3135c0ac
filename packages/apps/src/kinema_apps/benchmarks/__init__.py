"""Benchmarks: items to evaluate models on, from folders in the forms that others publish."""

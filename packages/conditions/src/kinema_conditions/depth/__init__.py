"""Depth estimators: one file each, asked for by name."""

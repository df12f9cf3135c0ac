"""Metrics: how well a video does what was asked for."""

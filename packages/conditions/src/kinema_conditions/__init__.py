"""Conditions, trackers and depth estimators for kinema."""

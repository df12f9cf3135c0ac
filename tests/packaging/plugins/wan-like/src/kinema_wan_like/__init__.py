"""A small video transformer with random weights, wrapped for kinema from its docs alone."""

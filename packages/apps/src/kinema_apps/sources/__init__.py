"""The clip sources for real videos."""

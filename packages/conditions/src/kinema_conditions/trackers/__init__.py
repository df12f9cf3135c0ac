"""Trackers: how a real clip moves, densely from frame 0 and for points of any frame."""

"""Motion from a video: what a tracker sees in a clip as a Motion, and two of them as one."""

"""The kinema command, sources of clips, metrics and observers."""

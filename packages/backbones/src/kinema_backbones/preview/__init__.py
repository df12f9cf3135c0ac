"""The backbone ``preview``: what a motion means, without any weights."""

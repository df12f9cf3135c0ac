"""A small diffusion transformer with flow matching, for proofs of what acts on transformers."""

"""A video diffusion model of a few megabytes, for proofs, tests and laptops."""

"""What an evaluation found, as people read it: one page, and two evaluations side by side."""

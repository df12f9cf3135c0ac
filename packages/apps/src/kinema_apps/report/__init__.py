"""What an evaluation found, as people read it: one page, and two models side by side."""

"""Prepared clips: what training reads, and the engine that makes them."""

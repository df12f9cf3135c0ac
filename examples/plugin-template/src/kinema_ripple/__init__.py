"""A kinema condition: rings that run outward from each drag."""

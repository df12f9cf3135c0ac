"""Human preference: a local page that asks people which of two videos is better, and the count."""

"""Video models and controllers for kinema."""

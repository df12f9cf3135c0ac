"""Training of controllers, and of backbones, on prepared clips."""

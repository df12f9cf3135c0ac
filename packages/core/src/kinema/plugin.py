"""What the core itself offers, through the hooks of any plugin; every look-up knows it.

Nothing here, or imported at module level, loads torch.
"""

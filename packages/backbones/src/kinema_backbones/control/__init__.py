"""Controllers: from a motion signal to actions at a backbone's sites.

``encoder`` the motion encoder · ``controllers`` the three of them · ``checkpoint`` their folders ·
``config`` their options (torch-free, which is why this module imports none of the others).
"""

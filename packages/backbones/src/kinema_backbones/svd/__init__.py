"""Stable Video Diffusion behind kinema's backbone protocol.

``backbone`` the adapter · ``config`` its options (torch-free, which is why this module imports none
of the others) · ``sizes`` networks from their sizes · ``official`` the published MotionPro weights.
"""

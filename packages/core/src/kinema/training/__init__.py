"""Training of controllers, and of backbones, on prepared clips.

:func:`kinema.training.loop.train` follows a :class:`kinema.training.config.TrainConfig`.
"""

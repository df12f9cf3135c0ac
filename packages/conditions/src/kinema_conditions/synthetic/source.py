"""The clip source ``synthetic``: endless clips whose motion is known exactly."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema_conditions.synthetic.clip import generate
from kinema_conditions.synthetic_config import SyntheticConfig, SyntheticSourceConfig


class SyntheticSource:
    """Clips ``first`` to ``first + count - 1`` of the series ``seed``.

    See :func:`kinema_conditions.synthetic.generate`; each clip brings its exact observation.
    """

    def __init__(self, config: SyntheticSourceConfig) -> None:
        self.config = config
        options = {name: getattr(config, name) for name in attrs.fields_dict(SyntheticConfig)}
        self._shown = SyntheticConfig(**options)

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """One per clip, by its number."""
        config = self.config
        return [
            ClipItem(key=f"synthetic-{config.seed}-{index}", place=(index,))
            for index in range(config.first, config.first + config.count)
        ]

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """Draw the clip.

        Raises:
            InputError: the size or T of ``form`` is too small.
        """
        shown = attrs.evolve(self._shown, fps=form.fps)
        index = int(item.place[0])
        clip = generate(self.config.seed, index, form.size, form.frames, shown)
        return RawClip(
            frames=clip.frames,
            observation=clip.observation,
            licence="CC0-1.0",
            source=item.key,
        )

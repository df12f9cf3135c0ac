"""Which region each drag moves, for forms that pair the two."""

from __future__ import annotations

from kinema.errors import MotionError
from kinema.motion.motion import Motion
from kinema.motion.region import Region


def regions_of(motion: Motion, form: str) -> list[Region]:
    """For each drag the region that it names, else the topmost one under its start.

    Raises:
        MotionError: there is none.
    """
    layers, _ = motion.moved_layers(motion.layers())
    for number, (drag, layer) in enumerate(zip(motion.drags, layers, strict=True)):
        if not layer:
            raise MotionError(
                f"The form {form} pairs every drag with a region; drag {number}, which starts at "
                f"{drag.points[0]}, lies in none."
            )
    return [motion.regions[layer - 1] for layer in layers]

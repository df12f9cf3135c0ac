"""Which region a drag moves, for forms that pair the two."""

from __future__ import annotations

from kinema.errors import MotionError
from kinema.motion.motion import Motion
from kinema.motion.region import Region


def region_of(motion: Motion, drag: int, form: str) -> Region:
    """The region that drag number ``drag`` names, else the topmost one under its start.

    Raises:
        MotionError: there is none.
    """
    given = motion.drags[drag]
    if given.region:
        return next(region for region in motion.regions if region.name == given.region)
    x, y = (round(value) for value in given.points[0])
    width, height = motion.canvas
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    for region in reversed(motion.regions):
        if region.rasterize(motion.canvas)[y, x]:
            return region
    raise MotionError(
        f"The form {form} pairs every drag with a region; drag {drag}, which starts at "
        f"{given.points[0]}, lies in none."
    )

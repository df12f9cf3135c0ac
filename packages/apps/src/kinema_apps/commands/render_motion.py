"""``kinema render-motion``: a motion as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kinema.errors import InputError
from kinema.motion.canvas import check_extent
from kinema.outputs import check_file
from kinema_apps.motion_options import SAMPLE, Asked, find_motion, motion_options
from kinema_apps.terminal import note

#: The longer side of the picture, unless --size says otherwise.
LONGEST = 1024


@click.command()
@click.argument("photo", required=False)
@motion_options
@click.option(
    "--out", default="motion.png", show_default=True, metavar="FILE", help="A .png, .jpg or .webp."
)
def command(photo: str | None, out: str, **given: Any) -> None:
    """Draw the motion on PHOTO: arrows, anchors, regions, and the camera's path.

    Nothing is rendered, so this answers at once whether a motion says what was meant.
    """
    if Path(out).suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise InputError(f"A picture cannot be written to {out!r}. Use .png, .jpg or .webp.")
    asked = Asked(**given)
    check_file(out, (photo, *asked.files()))
    if asked.size is not None:
        check_extent(asked.size)
    from PIL import Image

    from kinema.files import write_atomically
    from kinema.media.photo import read_photo
    from kinema_apps.drawing import drawn

    if photo is None and asked.is_nothing:
        asked = Asked(**{**given, "motion": str(SAMPLE / "motion.json")})
    source = read_photo(SAMPLE / "photo.jpg" if photo is None else Path(photo))
    motion = find_motion(source, asked)
    check_file(out, (region.mask for region in motion.regions))
    scale = min(1.0, LONGEST / max(motion.canvas))
    size = asked.size or (
        max(1, round(motion.canvas[0] * scale)),
        max(1, round(motion.canvas[1] * scale)),
    )
    picture = drawn(source.fitted(size, motion.canvas).pixels, motion.fitted(size))
    write_atomically(Path(out), lambda part: Image.fromarray(picture).save(part, quality=95))
    for text in source.notes:
        note(text)
    click.echo(f"Wrote {out}: {size[0]}x{size[1]}.")

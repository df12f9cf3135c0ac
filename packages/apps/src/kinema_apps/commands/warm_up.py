"""``kinema warm-up``: compile a backbone for one shape, and keep what was compiled."""

from __future__ import annotations

from typing import Any

import click

from kinema.motion.canvas import Size
from kinema_apps.motion_options import SizeType
from kinema_apps.session_options import open_session, session_options
from kinema_apps.terminal import in_flags, progress


@click.command()
@session_options
@click.option("--size", required=True, type=SizeType(), help="Size of the videos, WIDTHxHEIGHT.")
@click.option("--frames", required=True, type=int, metavar="N", help="Frame count.")
@click.option("--cache", required=True, metavar="FILE", help="Where compiled artifacts are kept.")
def command(size: Size, frames: int, cache: str, **given: Any) -> None:
    """Compile a backbone for videos of one size and length, and keep the artifacts.

    \b
      kinema warm-up --backbone svd --controller motionpro --dtype bfloat16 \\
          --size 512x320 --frames 16 --cache svd.artifacts
      kinema animate cat.jpg --backbone svd --controller motionpro --dtype bfloat16 \\
          --compile on --set compile_cache=svd.artifacts
    """  # noqa: D301
    given["settings"] = (*given["settings"], f"compile_cache={cache}")
    given["compile"] = given["compile"] or "warm"
    backbone = given["backbone"]
    with progress(f"Loading {backbone}") as bar, open_session(**given) as session:
        bar.label("Compiling")
        with in_flags():
            session.warm_up(size, frames)
    click.echo(f"Wrote {cache}: {backbone} compiled for {frames} frames of {size[0]}x{size[1]}.")

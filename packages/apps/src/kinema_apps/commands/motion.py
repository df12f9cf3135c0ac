"""``kinema motion``: check, convert, observe and compose motions."""

from __future__ import annotations

import click

from kinema.errors import InputError
from kinema.motion.canvas import Size
from kinema.outputs import check_target, refuse_inputs
from kinema_apps.commands.motion_observe import compose, observe
from kinema_apps.motion_options import SizeType


@click.group()
def command() -> None:
    """Check and convert motion files, and see the motion of a clip."""


command.add_command(observe)
command.add_command(compose)


@command.command()
@click.argument("file")
@click.option(
    "--canvas",
    "--size",
    "canvas",
    type=SizeType(),
    help="Canvas of a file that does not say its own.",
)
@click.option("--frames", type=int, metavar="N", help="Frame count the clip will have.")
@click.option("--fps", type=float, metavar="N", help="Frame rate the clip will have.")
@click.option("--format", "form", metavar="NAME", help="The file's form, if it is not recognised.")
@click.option("--photo", metavar="FILE", help="The photo it is for, to check the two together.")
def check(
    file: str,
    canvas: Size | None,
    frames: int | None,
    fps: float | None,
    form: str | None,
    photo: str | None,
) -> None:
    """Name every known mistake in FILE, a motion of any known form.

    Exit code 2 if there is an error; warnings alone leave it 0.
    """
    from kinema.check import check_motion

    findings = check_motion(file, format=form, canvas=canvas, frames=frames, fps=fps, photo=photo)
    for finding in findings:
        click.echo(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise InputError(f"{file!r} has {errors} error{'s' if errors > 1 else ''}.")
    doubts = f", {len(findings)} warning{'s' if len(findings) > 1 else ''}" if findings else ""
    click.echo(f"{file}: no errors{doubts}.")


@command.command()
@click.argument("source")
@click.argument("target")
@click.option("--to", metavar="FORMAT", help="The form to write.  [default: kinema's own]")
@click.option(
    "--from",
    "--format",
    "form",
    metavar="FORMAT",
    help="The form to read, if not recognised.",
)
@click.option("--lossy", is_flag=True, help="Write even though the form cannot hold everything.")
@click.option(
    "--canvas",
    "--size",
    "canvas",
    type=SizeType(),
    help="Canvas of a file that does not say its own.",
)
@click.option("--frames", type=int, metavar="N", help="Frames to write.")
@click.option("--fps", type=float, metavar="N", help="Frame rate of the clip.")
def convert(
    source: str,
    target: str,
    to: str | None,
    form: str | None,
    canvas: Size | None,
    frames: int | None,
    fps: float | None,
    lossy: bool,
) -> None:
    """Convert the motion file SOURCE to TARGET.

    What a form cannot hold is an error, never left out silently. Forms: motion, mc-bench,
    realestate10k, wan-move, ati and others; an unknown one lists them all.
    """
    from kinema.formats import read_motion, write_motion

    check_target(target)
    refuse_inputs(target, (source,))
    motion = read_motion(source, format=form, canvas=canvas, frames=frames, fps=fps)
    refuse_inputs(target, (region.mask for region in motion.regions))
    write_motion(motion, target, format=to or "motion", frames=frames, lossy=lossy)
    click.echo(f"Wrote {target}.")


@command.command()
def schema() -> None:
    """Print the JSON Schema of motion files."""
    import json

    from kinema.formats import schema

    click.echo(json.dumps(schema(), indent=1))

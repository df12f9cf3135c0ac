"""``kinema rerun``: a video again, from its manifest."""

from __future__ import annotations

from pathlib import Path

import click

from kinema_apps.commands.animate import write
from kinema_apps.terminal import note, notes, progress


@click.command()
@click.argument("manifest")
@click.option(
    "--out",
    metavar="FILE",
    help="Where the video goes.  [default: NAME.rerun.SUFFIX]",
)
@click.option("--photo", metavar="FILE", help="The photo, if it is no longer where it was.")
@click.option("--overlay", is_flag=True, help="Draw the motion on the result.")
def command(manifest: str, out: str | None, photo: str | None, overlay: bool) -> None:
    """Make a video again from the MANIFEST beside it.

    On the same machine and versions the frames are equal. If they are not, the differences are
    listed and the exit code is 1; the video is written all the same.
    """
    from kinema.media.video import check_bound, check_output
    from kinema.outputs import refuse_inputs

    target = out or str(_beside(Path(manifest)))
    check_output(target)
    from kinema.media.manifest import Manifest
    from kinema.motion.motion import Motion
    from kinema.session.replay import differences, rerun

    recorded = Manifest.load(manifest)
    check_bound(manifest)
    refuse_inputs(target, (manifest, photo, *recorded.inputs()))
    with progress("Rendering") as bar:
        video = rerun(recorded, photo=photo, on_progress=bar.advance)
    assert video.manifest is not None  # it was made just now
    notes(video.manifest.notes)
    motion = Motion.from_dict(dict(recorded.motion)).fitted(recorded.size) if overlay else None
    write(video, str(Path(target)), motion)
    different = differences(recorded, video.manifest)
    if different:
        for line in different:
            note(line)
        raise click.exceptions.Exit(1)
    click.echo("The frames are equal to the recorded ones.")


def _beside(manifest: Path) -> Path:
    """``shot.rerun.gif`` for ``shot.gif.manifest.json``; of frames, ``shot.png.rerun.mp4``.

    No two outputs share one.
    """
    from kinema.media.manifest import MANIFEST

    output = Path(manifest.name.removesuffix(MANIFEST).removesuffix(".json"))
    if output.suffix.lower() in (".mp4", ".webm", ".gif", ".webp"):
        return manifest.with_name(f"{output.stem}.rerun{output.suffix}")
    return manifest.with_name(f"{output.name}.frames.rerun.mp4")

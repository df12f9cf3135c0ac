"""``kinema condition``: the signal that a condition makes of a motion."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kinema.errors import InputError
from kinema.motion.canvas import Size, check_extent
from kinema.offers import CONDITION, DEPTH_ESTIMATOR
from kinema.outputs import check_file, refuse_inputs
from kinema.plugins import Plugins
from kinema_apps.motion_options import Asked, SizeType, read_motion_file, warn
from kinema_apps.session_options import complete, split_settings
from kinema_apps.terminal import notes

if TYPE_CHECKING:
    from torch import Tensor

    from kinema.interfaces import DepthMap
    from kinema.media.fit import Fit
    from kinema.signals import MotionSignal

#: What --picture can be written as.
PICTURES = (".png", ".jpg", ".jpeg", ".webp")

#: Pixels of all frames of a signal, whose numbers take 12 bytes each and more.
MOST_OF_A_SIGNAL = 2**28

#: Estimators that look at nothing but the photo's size.
_BLIND = ("plane-prior", "depth-file")


@click.command()
@click.argument("name", shell_complete=complete(CONDITION))
@click.option("--motion", required=True, metavar="FILE", help="A motion of any known form.")
@click.option("--size", required=True, type=SizeType(), help="Size of the signal, WIDTHxHEIGHT.")
@click.option("--frames", required=True, type=int, metavar="T", help="Frame count.")
@click.option(
    "--canvas",
    type=SizeType(),
    help="Size of the picture whose pixels the motion is given in, where the file does not say. "
    "Default: the photo's.",
)
@click.option("--format", "form", metavar="FORM", help="Form of FILE, where not recognised.")
@click.option("--depth", metavar="NAME|FILE", shell_complete=complete(DEPTH_ESTIMATOR))
@click.option(
    "--photo", metavar="FILE", help="For conditions and depth estimators that look at it."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="[depth.]KEY=VALUE",
    help="An option of NAME, or of the depth, as in depth.unit=m/256. Repeatable.",
)
@click.option("--out", required=True, metavar="FILE", help="A .safetensors file.")
@click.option("--picture", metavar="FILE", help="Draw the signal's tracks there, over the photo.")
def command(
    name: str,
    motion: str,
    size: Size,
    frames: int,
    canvas: Size | None,
    form: str | None,
    depth: str | None,
    photo: str | None,
    settings: tuple[str, ...],
    out: str,
    picture: str | None,
) -> None:
    """Write what the condition NAME makes of a motion.

    The file holds what the signal has: maps as the tensor `signal`, float32 (T, C, H, W), with the
    names of its channels joined by commas in the metadata `channels`; point tracks as `tracks`,
    float32 (T, N, 2) in pixels, and `visible`, bool (T, N). A motion of another canvas is resized
    to cover --size and cropped at its centre.
    """
    target = Path(out)
    check_extent(size, frames, MOST_OF_A_SIGNAL)
    if target.suffix.lower() != ".safetensors":
        raise InputError(f"A signal is written as .safetensors, not to {out!r}.")
    if picture is not None and Path(picture).suffix.lower() not in PICTURES:
        raise InputError(f"A picture cannot be written to {picture!r}. Use .png, .jpg or .webp.")
    inputs = (motion, depth, photo, *(words.partition("=")[2] for words in settings))
    check_file(target, inputs)
    if picture is not None:
        check_file(picture, (*inputs, out))
        if os.path.realpath(picture) == os.path.realpath(out):
            raise InputError(f"The signal and the picture cannot both be {out!r}.")
    plugins = Plugins.installed()
    own, of_parts = split_settings(settings)
    depth_options = of_parts.pop("depth", {})
    if of_parts:
        raise InputError(
            f"--set takes options of {name!r} and of depth, not of {next(iter(of_parts))!r}."
        )
    config = plugins.configure(CONDITION, name, own)
    from safetensors.torch import save_file

    from kinema.files import write_atomically
    from kinema.interfaces import Scene
    from kinema.media.fit import Fit
    from kinema.media.photo import read_photo
    from kinema.session.steering import empty_signal, told_motion

    seen = None if photo is None else read_photo(photo)
    asked = Asked(frames=frames, form=form, canvas=canvas)
    read = read_motion_file(motion, asked, None if seen is None else seen.size)
    warn(read, from_file=True)
    for output in filter(None, (out, picture)):
        refuse_inputs(output, (region.mask for region in read.regions))
    image = None if seen is None else seen.fitted(size, read.canvas).tensor()
    fit = Fit.of(read.canvas if seen is None else seen.size, size, read.canvas)
    estimate = _depth(plugins, depth, depth_options, image, fit)
    scene = Scene(frames=frames, image=image, depth=estimate, fit=fit)
    condition = plugins.build(CONDITION, name, config)
    told = told_motion(plugins.find(CONDITION, name).offer, read.fitted(size), frames)
    signal = condition.from_motion(told, scene)
    tensors, contents = _contents(signal)
    if picture is not None and signal.tracks is None:
        raise InputError(f"The condition {name!r} gives maps; --picture draws tracks.")
    metadata = {"channels": ",".join(signal.channels), "condition": name}
    notes(signal.notes)
    if signal.is_still:
        notes([empty_signal(name)])
    write_atomically(target, lambda part: save_file(tensors, part, metadata))
    click.echo(f"Wrote {out}: {contents}.")
    if picture is not None:
        _draw(Path(picture), image, size, signal)
        click.echo(f"Wrote {picture}: {size[0]}x{size[1]}.")


def _contents(signal: MotionSignal) -> tuple[dict[str, Tensor], str]:
    """The tensors of the file, and how the screen tells of them."""
    tensors, told = {}, []
    if signal.maps is not None:
        tensors["signal"] = signal.maps.float().cpu().contiguous()
        shape = "x".join(str(side) for side in signal.maps.shape)
        told.append(f"{shape} of {', '.join(signal.channels)}")
    if signal.tracks is not None and signal.visible is not None:
        tensors["tracks"] = signal.tracks.float().cpu().contiguous()
        tensors["visible"] = signal.visible.cpu().contiguous()
        frames, count = signal.visible.shape
        seen = int(signal.visible.sum())
        told.append(f"tracks of {count} points over {frames} frames, {seen} places visible")
    return tensors, " and ".join(told)


def _draw(target: Path, image: Tensor | None, size: Size, signal: MotionSignal) -> None:
    import numpy as np
    from PIL import Image

    from kinema.files import write_atomically
    from kinema_apps.drawing import tracked

    below = np.full((size[1], size[0], 3), 128, dtype=np.uint8)
    if image is not None:
        below = (image.permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    tracks, visible = (values.cpu().numpy() for values in signal.points())
    pixels = tracked(below, tracks, visible)
    write_atomically(target, lambda part: Image.fromarray(pixels).save(part, quality=95))


def _depth(
    plugins: Plugins,
    choice: str | None,
    given: Mapping[str, str],
    image: Tensor | None,
    fit: Fit,
) -> Callable[[], DepthMap]:
    def estimate() -> DepthMap:
        import torch

        from kinema.session.building import chosen_depth

        name, options = chosen_depth(plugins, choice)
        if image is None and name not in _BLIND:
            raise InputError(f"The depth estimator {name!r} looks at the photo; give --photo.")
        seen = torch.zeros(3, fit.canvas[1], fit.canvas[0]) if image is None else image
        return plugins.build(DEPTH_ESTIMATOR, name, {**given, **options}).estimate(seen, fit)

    return estimate

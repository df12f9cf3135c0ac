"""Make the photo, the mask and the moving pictures of the docs, with the real command line.

``python tools/docs_images.py`` writes docs/images. The photos are public domain and come with
scikit-image.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage import data

from kinema import Plugins, Session, Video
from kinema.media.video import manifest_path
from kinema.motion.observed import motion_of
from kinema_apps.cli import cli
from kinema_apps.drawing import overlaid
from kinema_conditions.synthetic import SyntheticConfig, generate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"

#: The outline of the rocket in ``photo.jpg``, in its pixels.
ROCKET = [
    (322.5, 126.5), (318, 130), (314, 136), (311.5, 144), (311, 176), (314, 181), (314.5, 406),
    (331.5, 406), (331.5, 181), (334, 176), (334, 144), (331, 136), (327, 130),
]  # fmt: skip
#: Each moving picture, and the arguments of ``kinema animate`` that make it.
PICTURES = {
    "launch": [
        "photo.jpg", "--drag", "322,260 322,150 easing=gentle", "--region", "mask.png",
        "--fps", "24",
    ],
    "tilt": [
        "photo.jpg", "--region", "mask.png", "--move", "turn=12 pivot=323,406 easing=gentle",
        "--fps", "24", "--playback", "ping-pong",
    ],
    "lean": [
        "photo.jpg", "--region", "mask.png", "--drag", "322,140 352,146", "--drag", "322,400",
    ],
    "dolly": ["photo.jpg", "--camera", "dolly:0.2"],
    "table": ["coffee.jpg", "--camera", "dolly:0.15+orbit:6"],
}  # fmt: skip
#: Pictures are shown there and back, at this width, and the best quality that is small enough.
WIDTH = 448
#: Milliseconds of a frame at 24 fps.
SMOOTH = 42
QUALITIES = (70, 55, 40, 25)
MOST_BYTES = 300_000

#: Scenes that `tiny` did not see in its training.
TEST_SEED = 99


def photos_and_mask() -> None:
    """Write ``photo.jpg`` with ``mask.png``, and ``coffee.jpg``."""
    Image.fromarray(data.coffee()).save("coffee.jpg", quality=92)
    photo = Image.fromarray(data.rocket())
    photo.save("photo.jpg", quality=92)
    scale = 4
    mask = Image.new("L", (photo.width * scale, photo.height * scale))
    ImageDraw.Draw(mask).polygon([(x * scale, y * scale) for x, y in ROCKET], fill=255)
    mask.resize(photo.size, Image.Resampling.BOX).point(lambda v: 255 * (v >= 128)).save(
        "mask.png", optimize=True
    )


def run(*arguments: str) -> None:
    """Run a ``kinema`` command."""
    with contextlib.suppress(SystemExit):
        cli.main(list(arguments))


def boomerang(name: str) -> None:
    """Make one moving picture that plays there and back."""
    arguments = PICTURES[name]
    smooth = "--fps" in arguments
    run("animate", *arguments, *([] if smooth else ["--frames", "16"]), "--out", "whole")
    frames = Video.load("whole").frames
    each = SMOOTH if smooth else 90
    if "--playback" in arguments:
        # It plays there and back by itself. The moved photo comes first, as below.
        middle = len(frames) // 2
        shrunk(name, np.roll(frames, -middle, axis=0), [each] * len(frames))
        return
    pause = [400, *[each] * (len(frames) - 2)]
    # The moved photo comes first: it is what a page shows where pictures stand still.
    shrunk(name, np.concatenate([frames[:0:-1], frames[:-1]]), pause * 2)


def rings() -> None:
    """The last picture of the tutorial on conditions, made by the page's own code."""
    sys.path.insert(0, str(ROOT / "examples" / "plugin-template" / "src"))
    Plugins.installed().register(importlib.import_module("kinema_ripple.plugin"), "ripple")
    text = (ROOT / "docs" / "tutorials" / "first-condition.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copy(FOLDER / "coffee.jpg", folder)
        for part in re.findall(r"^```python\n((?!--8<--).*?)^```", text, re.M | re.S):
            exec(part, names)
    shrunk("ripple", names["pixels"].numpy(), [100] * len(names["pixels"]))


def drawing(name: str, out: str) -> None:
    """``kinema render-motion`` of a picture."""
    run("render-motion", *PICTURES[name], "--size", "640x427", "--out", out)


def followed() -> None:
    """What ``tiny`` makes of a drag in unseen scenes: above with control, below without."""
    scenes = SyntheticConfig(
        least_objects=1, most_objects=1, kinds=("sliding",), travel=0.25, camera_share=0.0,
        blur=0.03,
    )  # fmt: skip
    columns = []
    for index in range(5):
        clip = generate(TEST_SEED, index, (64, 64), 8, scenes)
        motion = motion_of(clip.observation, torch.Generator().manual_seed(index))
        # The region would tint what is to be seen.
        large = attrs.evolve(motion, regions=()).fitted((256, 256))
        column = []
        for controller in (None, ""):
            with Session("tiny", controller=controller, device="cpu") as session:
                frames = session.animate(clip.frames[0].numpy(), motion, frames=8).frames
            whole = [
                Image.fromarray(f).resize((256, 256), Image.Resampling.BICUBIC) for f in frames
            ]
            column.append(overlaid(np.stack([np.asarray(f) for f in whole]), large))
        columns.append(np.concatenate(column, axis=1))
    there = np.concatenate(columns, axis=2)
    shrunk("followed", there, [150] * 7 + [900])


def shrunk(name: str, frames: np.ndarray[Any, np.dtype[np.uint8]], durations: list[int]) -> None:
    """Write an animated WebP of the width that pages show."""
    height = round(frames.shape[1] * WIDTH / frames.shape[2])
    small = [
        Image.fromarray(frame).resize((WIDTH, height), Image.Resampling.LANCZOS) for frame in frames
    ]
    for quality in QUALITIES:
        small[0].save(
            f"{name}.webp",
            save_all=True,
            append_images=small[1:],
            duration=durations,
            loop=0,
            quality=quality,
            method=6,
        )
        if Path(f"{name}.webp").stat().st_size <= MOST_BYTES:
            break


#: The other pictures by name.
OTHERS: dict[str, Callable[[], None]] = {
    "ripple": rings,
    "motion": lambda: drawing("lean", "motion.webp"),
    "move": lambda: drawing("tilt", "move.webp"),
    "followed": followed,
}


def main() -> None:
    """Write every picture, or those named on the command line."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.chdir(FOLDER)
    photos_and_mask()
    for name in sys.argv[1:] or [*PICTURES, *OTHERS]:
        if name in PICTURES:
            boomerang(name)
        else:
            OTHERS[name]()
    shutil.rmtree("whole", ignore_errors=True)
    manifest_path("whole").unlink(missing_ok=True)
    for picture in sorted(FOLDER.iterdir()):
        print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

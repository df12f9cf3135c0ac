"""How well ``preview`` takes a cutting out of a photo, moves it, and fills what it leaves.

Cuttings of one photo, with a matte that is known, are laid on another and moved by known motions,
so that every true frame is known. The photo is the first of them, and the mask is the true matte
(soft), one that is a pixel too small (tight) or a wobbling outline that is drawn around it by hand
(sloppy). Beside ``preview`` stands what people do by hand: a rigid cut-out that is moved by the
true motion, over the photo in which the mask, grown by 5 pixels, was inpainted by Telea's method.
Run from the root of the repository; the numbers are the same on every run:

    python benchmarks/preview_quality.py --out runs/preview
    python benchmarks/preview_quality.py --only thin --pictures runs/preview
    python benchmarks/preview_quality.py --docs     (writes the table into the page about preview)

Columns, each as preview | rival; errors are in grey levels of 255:

* rim, hole: within 4 pixels of the place's outline, and inside that. The difference of the colours,
  blurred by 2 pixels, plus that of the local contrast: what one pixel shows is chance, but a smear,
  a wrong colour or a leftover is seen.
* edge: within 3 pixels of the object's outline where it lies now, pixel by pixel.
* thin: the share of the middle lines of thin parts, 3 to 14 pixels wide, that is still nearer to
  the part's colour than to what is behind it.
* flicker: how much the change from frame to frame differs from the true change.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from preview_scenes import FRAMES, MASKS, MOTIONS, PAIRS, SIZE, Scene, scene

import kinema

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Pixels around an outline that count as its rim, and as the object's edge.
RIM, EDGE = 4, 3

#: Blur of colours, and of the contrast, where single pixels are chance.
BLUR, CONTRAST = 2.0, 3.0

#: What the rival grows its mask by, and the radius of its inpainting.
GROWN, TELEA = 5, 5

#: A part and what is behind it can be told apart from this distance of colours in [0, 1].
DISTINCT = 0.2

#: The scenes that ``--quick`` measures, and the page whose table ``--docs`` writes.
QUICK = tuple(f"{motion}-tight-{pair}" for motion in ("turn", "thin") for pair in PAIRS)
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "preview.md"
MARKS = ("<!-- quality table: start -->", "<!-- quality table: end -->")

COLUMNS = ("rim", "hole", "edge", "thin", "flicker")


def preview(made: Scene, session: kinema.Session) -> Picture:
    """The frames ``(T, H, W, 3)`` of ``preview``, in [0, 255]."""
    drags = [kinema.Drag(points, region="object") for points in made.drags]
    regions = [kinema.Region(mask=str(made.mask_file), name="object")]
    if made.cover_file is not None:
        regions.append(kinema.Region(mask=str(made.cover_file), name="cover"))
    motion = kinema.Motion(canvas=SIZE, drags=drags, regions=regions)
    video = session.animate(made.frames[0].round().astype(np.uint8), motion, frames=FRAMES)
    return np.asarray(video.frames, np.float32)


def rival(made: Scene) -> Picture:
    """A rigid cut-out, moved by the true motion over an inpainted photo; (T, H, W, 3)."""
    photo = made.frames[0].round().astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * GROWN + 1, 2 * GROWN + 1))
    grown = cv2.dilate((made.mask >= 128).astype(np.uint8), kernel)
    plate = cv2.inpaint(photo, grown, TELEA, cv2.INPAINT_TELEA).astype(np.float32)
    colour, frames = photo.astype(np.float32), [photo.astype(np.float32)]
    for matrix in made.matrices[1:]:
        moved = cv2.warpAffine(colour, matrix, SIZE, flags=cv2.INTER_LINEAR)
        alpha = cv2.warpAffine(made.mask.astype(np.float32) / 255, matrix, SIZE)[..., None]
        frame = alpha * moved + (1 - alpha) * plate
        if made.cover is not None:
            over = made.cover[..., None].astype(np.float32) / 255
            frame = over * colour + (1 - over) * frame
        frames.append(frame)
    return np.stack(frames)


def measured(made: Scene, frames: Picture) -> dict[str, float]:
    """The columns of one video; nan where a scene has nothing of the kind."""
    sums: dict[str, list[float]] = {name: [0.0, 0.0] for name in COLUMNS}

    def count(name: str, values: NDArray[Any]) -> None:
        sums[name][0] += float(values.sum())
        sums[name][1] += values.size

    outline = _distance(made.alphas[0] > 0.5)
    hidden = made.cover is not None and made.cover > 0
    for index in range(1, FRAMES):
        true, frame = made.frames[index], frames[index]
        seen = _seen_error(frame, true)
        now = _distance(made.alphas[index] > 0.5)
        free = (now > RIM) & ~_grown(made.alphas[index] > 0.02, 2) & ~_grown(hidden, 2, now.shape)
        count("rim", seen[free & (np.abs(outline) <= RIM)])
        count("hole", seen[free & (outline < -RIM)])
        wrong = np.abs(frame - true).mean(-1)
        edge = (np.abs(now) <= EDGE) & (outline > 2 * RIM) & ~_grown(hidden, 2, now.shape)
        count("edge", wrong[edge])
        count("thin", _kept(made, index, frame))
        change = np.abs((frame - frames[index - 1]) - (true - made.frames[index - 1])).mean(-1)
        count("flicker", change[(np.abs(now) <= RIM) | (outline <= RIM)])
    return {name: total / number if number else np.nan for name, (total, number) in sums.items()}


def _seen_error(frame: Picture, true: Picture) -> Picture:
    blurred = [cv2.GaussianBlur(picture, (0, 0), BLUR) for picture in (frame, true)]
    colours = np.abs(blurred[0] - blurred[1]).mean(-1)
    return np.asarray(colours + np.abs(_contrast(frame) - _contrast(true)), np.float32)


def _contrast(picture: Picture) -> Picture:
    grey = picture.mean(-1)
    mean = cv2.GaussianBlur(grey, (0, 0), CONTRAST)
    square = cv2.GaussianBlur(grey**2, (0, 0), CONTRAST)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)), np.float32)


def _distance(inside: Mask) -> Picture:
    """Pixels to the outline of ``inside``, below zero within it."""
    if not inside.any():
        return np.full(inside.shape, np.inf, np.float32)
    outward = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    inward = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.where(inside, 0.5 - inward, outward - 0.5), np.float32)


def _grown(mask: Any, pixels: int, shape: tuple[int, ...] = ()) -> Mask:
    if mask is False:
        return np.zeros(shape, bool)
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.asarray(cv2.dilate(np.asarray(mask, np.uint8), kernel) > 0)


def _kept(made: Scene, index: int, frame: Picture) -> Mask:
    """Which points of the middle lines of thin parts still show the part."""
    if not len(made.middles):
        return np.zeros(0, bool)
    matrix = made.matrices[index]
    places = made.middles @ matrix[:, :2].T + matrix[:, 2]
    places = places.astype(np.float32)[None]
    front, back, shown, alpha = (
        cv2.remap(np.asarray(picture, np.float32), places, None, cv2.INTER_LINEAR)[0] / 255
        for picture in (made.fronts[index], made.back, frame, made.alphas[index] * 255)
    )
    way = front - back
    far = np.square(way).sum(-1)
    share = ((shown - back) * way).sum(-1) / np.maximum(far, 1e-6)
    return np.asarray(share >= 0.5)[(far > DISTINCT**2) & (alpha > 0.7)]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means by motion, by mask, and of all, as lines of text."""
    groups: list[tuple[str, Callable[[Mapping[str, Any]], bool]]] = [
        *((motion, lambda row, motion=motion: row["motion"] == motion) for motion in MOTIONS),
        *((mask, lambda row, mask=mask: row["mask"] == mask) for mask in MASKS),
        ("all", lambda row: True),
    ]
    lines = ["| scenes | " + " | ".join(COLUMNS) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name, belongs in groups:
        mine = [row for row in rows if belongs(row)]
        if not mine:
            continue
        cells = []
        for column in COLUMNS:
            both = [_mean([row[who][column] for row in mine]) for who in ("preview", "rival")]
            shown = [f"{100 * b:.1f} %" if column == "thin" else f"{b:.2f}" for b in both]
            cells.append("" if np.isnan(both[0]) else " \\| ".join(shown))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def save_picture(folder: Path, name: str, made: Scene, ours: Picture, theirs: Picture) -> None:
    """The last frame: true, of preview and of the rival, beside each other."""
    folder.mkdir(parents=True, exist_ok=True)
    last = np.concatenate([made.frames[-1], ours[-1], theirs[-1]], axis=1)
    Image.fromarray(last.round().clip(0, 255).astype(np.uint8)).save(folder / f"{name}.png")


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print the table and write what was asked for; the scores of every scene."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, help="folder for preview_quality.json")
    parser.add_argument("--pictures", type=Path, help="folder for the last frames")
    parser.add_argument("--only", default="", help="scenes whose name has this in it")
    parser.add_argument("--quick", action="store_true", help="eight scenes only")
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--option", action="append", default=[], help="NAME=NUMBER for preview")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    given = {name: float(value) for name, value in (o.split("=") for o in options.option)}
    session = kinema.Session(
        "preview", options=given, condition_options={"layered-motion": {"scaling": True}}
    )
    names = [f"{m}-{k}-{p}" for m in MOTIONS for k in MASKS for p in PAIRS]
    chosen = QUICK if options.quick else [name for name in names if options.only in name]
    rows = []
    for name in chosen:
        motion, mask, pair = name.split("-")
        made = scene(motion, mask, pair)
        ours, theirs = preview(made, session), rival(made)
        scores = {"preview": measured(made, ours), "rival": measured(made, theirs)}
        rows.append({"motion": motion, "mask": mask, "pair": pair, **scores})
        if options.pictures:
            save_picture(options.pictures, name, made, ours, theirs)
    print(table(rows))
    if options.docs:
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        text = f"{before}{MARKS[0]}\n\n{table(rows)}\n\n{MARKS[1]}{after}"
        PAGE.write_text(text, encoding="utf-8")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"options": given, "scenes": rows}, indent=1)
        (options.out / "preview_quality.json").write_text(text + "\n", encoding="utf-8")
    return rows


if __name__ == "__main__":
    main()

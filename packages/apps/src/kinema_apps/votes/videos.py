"""Other people's videos, checked and brought into a study."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs
import numpy as np
from PIL import Image

from kinema.errors import InputError
from kinema.files import write_atomically
from kinema.media.manifest import Manifest
from kinema.media.pictures import open_picture
from kinema.media.video import Video, manifest_path
from kinema.motion.motion import Motion
from kinema_apps.drawing import drawn
from kinema_apps.votes.study import MEDIA, STUDY, Study

#: What a folder is searched for.
SUFFIXES = (".mp4", ".webm", ".gif", ".webp", ".mov", ".mkv", ".avi", ".m4v")

#: What makes a folder one of frames.
FIRST_FRAME = "0000.png"

#: What every browser plays; anything else is encoded again.
_PLAYED = {"h264"}
_PIXELS = {"yuv420p"}

#: A file beyond the first, or a clip whose frames have more pixels than the second, is refused.
MOST_BYTES = 256 * 2**20
MOST_PIXELS = 2**30

#: How much of an attention check's broken side is noise.
_NOISE = 0.5

OnProgress = Callable[[int, int], None]


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Folders by the name of their model, from ``DIR`` and ``LABEL:DIR``.

    The folder of an evaluation stands for all the models whose videos it keeps.

    Raises:
        InputError: fewer than two, one is no folder, or two have the same name.
    """
    found: dict[str, Path] = {}
    for word in words:
        label, colon, path = word.partition(":")
        # A label has no separator of folders, and no drive has a name of several letters.
        labelled = bool(colon) and len(label) > 1 and not set(label) & set("/\\")
        folder = Path(path if labelled else word)
        if not folder.is_dir():
            raise InputError(f"{str(folder)!r} is no folder of videos.")
        if (folder / "evaluation.json").is_file():
            kept = sorted(each for each in (folder / "videos").glob("*") if each.is_dir())
            named = {unquote(each.name): each for each in kept}
        else:
            named = {label if labelled else folder.resolve().name: folder}
        for name, each in named.items():
            if not name or name in found:
                raise InputError(
                    f"Two folders of videos are called {name!r}. Name the models, as in "
                    f"ours:{each}."
                )
            found[name] = each
    if len(found) < 2:
        raise InputError(
            f"A preference study needs the videos of 2 models or more, got those of {len(found)}."
        )
    return found


def find_videos(folder: Path) -> dict[str, Path]:
    """The videos in a folder and the folders in it, by their paths without suffix.

    A folder of PNG frames, as kinema writes them, is a video as well.

    Raises:
        InputError: there is none, two differ only in their suffix, or one leads out of the folder.
    """
    root = folder.resolve()
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        frames = path.is_dir() and (path / FIRST_FRAME).is_file()
        if not frames and (path.suffix.lower() not in SUFFIXES or not path.is_file()):
            continue
        if not path.resolve().is_relative_to(root):
            raise InputError(
                f"{str(path)!r} leads out of its folder, to {str(path.resolve())!r}. Copy the "
                "video there instead of linking to it."
            )
        place = path.relative_to(root)
        name = (place if frames else place.with_suffix("")).as_posix()
        if name in found:
            raise InputError(
                f"{str(folder)!r} has two videos of the item {name!r}: {found[name].name!r} and "
                f"{path.name!r}. Keep one."
            )
        found[name] = path
    if not found:
        raise InputError(
            f"There is no video in {str(folder)!r}. Use {', '.join(SUFFIXES)}, or folders of PNG "
            f"frames from {FIRST_FRAME} on."
        )
    return found


@attrs.frozen(kw_only=True)
class Gathered:
    """What the folders of all models hold.

    Attributes:
        videos: path by item and model; only items that two models or more have made.
        alone: items that only one model has made.
    """

    videos: Mapping[str, Mapping[str, Path]]
    alone: tuple[str, ...]


def gather(folders: Mapping[str, Path]) -> Gathered:
    """Match the videos of all models by the names of their items.

    Raises:
        InputError: as :func:`find_videos`, or no item was made by two models.
    """
    by_item: dict[str, dict[str, Path]] = {}
    for model, folder in folders.items():
        for item, path in find_videos(folder).items():
            by_item.setdefault(item, {})[model] = path
    videos = {item: by_item[item] for item in sorted(by_item) if len(by_item[item]) > 1}
    alone = tuple(item for item in sorted(by_item) if item not in videos)
    if not videos:
        raise InputError(
            "No two models have a video of the same name: videos are matched by their path in the "
            f"folder, and the first is {alone[0]!r}."
        )
    return Gathered(videos=videos, alone=alone)


def motion_of_video(paths: Iterable[Path], name: str, items: Path | None) -> Motion | None:
    """The motion that an item was made from, or None if nothing says it.

    Args:
        paths: its videos. The manifest beside one says it, or a motion file of its name.
        name: of the item.
        items: a folder as ``kinema evaluate`` reads: ``NAME.json``, or an MC-Bench folder ``NAME``.

    Raises:
        MotionError, InputError: what says it is damaged.
    """
    from kinema.formats import read_motion

    if items is not None and (items / f"{name}.json").is_file():
        return read_motion(items / f"{name}.json")
    if items is not None and any((items / name).glob("meta_data*.json")):
        return read_motion(items / name, format="mc-bench")
    for path in paths:
        if (evaluated := _given(path)).is_file():
            return Motion.load(evaluated)
        if manifest_path(path).is_file():
            return Motion.from_dict(dict(Manifest.load(manifest_path(path)).motion))
        if path.with_suffix(".json").is_file():
            return read_motion(path.with_suffix(".json"))
    return None


def _given(path: Path) -> Path:
    """Where an evaluation keeps the motion of ``videos/MODEL/SUBSET/KEY-seed0``, if it is one."""
    if len(path.parts) < 5 or path.parts[-4] != "videos":
        return path / "motion.json"
    key = path.name.rpartition("-seed")[0]
    return path.parents[3] / "items" / path.parent.name / key / "motion.json"


def prepare(
    folder: Path,
    gathered: Gathered,
    *,
    items: Path | None,
    checks: int,
    ties: bool,
    on_progress: OnProgress = lambda done, of: None,
) -> Study:
    """Bring all that raters see into a study's folder; what is there already is kept.

    Args:
        folder: exists; an earlier study in it goes on if it compares the same.
        gathered: the videos.
        items: where motions are looked for, see :func:`motion_of_video`.
        checks: how many attention checks to make.
        ties: whether "no difference" is an answer.
        on_progress: called with (items done, items in all).

    Raises:
        InputError: a video is too large or cannot be read, or the folder holds another study.
    """
    motions = {
        item: motion_of_video(paths.values(), item, items)
        for item, paths in gathered.videos.items()
    }
    wanted = Study(
        models=tuple(dict.fromkeys(m for made in gathered.videos.values() for m in made)),
        videos={item: tuple(paths) for item, paths in gathered.videos.items()},
        drawn=frozenset(item for item, motion in motions.items() if motion is not None),
        checks=checks,
        ties=ties,
    )
    study = _continued(folder, wanted)
    media = folder / MEDIA
    media.mkdir(exist_ok=True)
    for done, (item, paths) in enumerate(gathered.videos.items()):
        on_progress(done, len(gathered.videos))
        for model, path in paths.items():
            _bring(path, media / study.video(item, model))
        motion = motions[item]
        if motion is not None and not (media / study.drawing(item)).exists():
            first = Video.load(next(iter(paths.values()))).frames[0]
            picture = Image.fromarray(drawn(first, motion.fitted((first.shape[1], first.shape[0]))))
            write_atomically(media / study.drawing(item), picture.save)
    for index in range(checks):
        _make_check(study, index, media)
    return study


def _continued(folder: Path, wanted: Study) -> Study:
    if not (folder / STUDY).exists():
        wanted.save(folder)
        return wanted
    there = Study.load(folder)
    if attrs.evolve(wanted, secret=there.secret) != there:
        raise InputError(
            f"{str(folder)!r} holds a study of other models, items or options. Choose another "
            "folder with --out, or run it with what it was begun with."
        )
    return there


def _bring(source: Path, target: Path) -> None:
    if target.exists():
        return
    files = [source] if source.is_file() else list(source.iterdir())
    size = sum(file.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise InputError(
            f"The video {str(source)!r} has {size / 2**20:.0f} MiB; a study takes files of up to "
            f"{MOST_BYTES // 2**20} MiB. Cut it, or make it smaller."
        )
    if _is_played(source):
        write_atomically(target, lambda part: shutil.copyfile(source, part))
        return
    Video.load(source).save(target, manifest=False)


def _is_played(path: Path) -> bool:
    """Whether a browser plays it as it is; it is looked into, its name says nothing.

    Raises:
        InputError: it cannot be read, or it decodes to more than fits into memory.
    """
    if path.is_dir() or path.suffix.lower() in (".gif", ".webp"):
        _check_pictures(path)
        return False
    import av

    try:
        with av.open(f"file:{path}") as container:
            streams: Any = container.streams
            if not streams.video:
                raise InputError(f"The video {str(path)!r} holds no pictures.")
            stream = streams.video[0]
            context = stream.codec_context
            seconds = float(container.duration or 0) / av.time_base
            frames = stream.frames or seconds * float(stream.average_rate or 30)
            _check_pixels(path, round(frames), (context.width, context.height))
            mp4 = "mp4" in container.format.name
            alone = len(container.streams) == 1
            return mp4 and alone and context.name in _PLAYED and context.pix_fmt in _PIXELS
    except av.FFmpegError as error:
        raise InputError(f"The video {str(path)!r} cannot be read: {error.strerror}.") from None


def _check_pictures(path: Path) -> None:
    first = path / FIRST_FRAME if path.is_dir() else path
    with open_picture(first, f"The video {str(path)!r}") as picture:
        several = getattr(picture, "n_frames", 1)
        frames = sum(1 for _ in path.iterdir()) if path.is_dir() else several
        _check_pixels(path, frames, picture.size)


def _check_pixels(path: Path, frames: int, size: tuple[int, int]) -> None:
    if frames * size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"The video {str(path)!r} has {frames} frames of {size[0]}x{size[1]} pixels, which is "
            "too much to show side by side. Cut it, or make it smaller."
        )


def _make_check(study: Study, index: int, media: Path) -> None:
    """A video beside the same one with its frames in disorder and under noise."""
    intact, broken = media / study.check(index, True), media / study.check(index, False)
    if intact.exists() and broken.exists():
        return
    rng = np.random.default_rng(index)
    item = study.check_item(index)
    models = study.videos[item]
    source = media / study.video(item, models[int(rng.integers(len(models)))])
    video = Video.load(source)
    shuffled = video.frames[rng.permutation(len(video.frames))].astype(np.float32)
    noise = rng.integers(0, 256, video.frames.shape).astype(np.float32)
    spoilt = ((1 - _NOISE) * shuffled + _NOISE * noise).astype(np.uint8)
    Video(spoilt, video.fps).save(broken, manifest=False)
    write_atomically(intact, lambda part: shutil.copyfile(source, part))

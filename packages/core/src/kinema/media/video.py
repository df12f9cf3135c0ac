"""Video: frames in memory, and its way into and out of files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError, KinemaError
from kinema.media.containers import READERS, WRITERS, check_output, form_of, numbered
from kinema.media.manifest import MANIFEST, Manifest
from kinema.media.photo import Photo, read_photo
from kinema.motion.canvas import Size
from kinema.outputs import check_target, refuse_inputs, replacing, sha256_of_output, sweep

__all__ = ["Photo", "Video", "check_bound", "check_output", "manifest_path", "read_photo"]


def _frames(frames: Any) -> NDArray[np.uint8]:
    array = np.asarray(frames)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        raise InputError(
            f"A Video's frames must be uint8 (T, H, W, 3) RGB, got {array.dtype} {array.shape!r}."
        )
    return np.ascontiguousarray(array)


@attrs.frozen(eq=False)
class Video:
    """Frames and their rate.

    Attributes:
        frames: uint8 ``(T, H, W, 3)`` RGB.
        fps: frames per second.
        manifest: how the video was made; None for one that was read from a file.

    Raises:
        InputError: the frames have another type or shape, or fps is not a positive number.
    """

    frames: NDArray[np.uint8] = attrs.field(
        converter=_frames, repr=lambda frames: f"<{frames.shape}>"
    )
    fps: float = attrs.field(converter=float)
    manifest: Manifest | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"A Video's fps must be a positive number, got {self.fps!r}.")

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.frames.shape[2], self.frames.shape[1]

    def save(self, path: str | os.PathLike[str], manifest: bool = True) -> Path:
        """Write the video, and beside it the manifest if it has one (see :func:`manifest_path`).

        ``.mp4`` (H.264, yuv420p; an odd width or height repeats its last column or row, since the
        format has even sizes only), ``.webm`` (VP9), ``.gif``, ``.webp``, a folder (a name without
        suffix) or a pattern such as ``frames/%03d.png``. PNG frames are exact, the others are not.

        The two replace earlier ones together: whole, or not at all. The manifest holds the hash of
        what was written, and one of an earlier output goes.

        Raises:
            InputError: the suffix is unknown, the folder is absent, or what is there already is
                not an earlier output, or is what the video was made from.
            KinemaError: writing failed; nothing is left behind.
        """
        target = Path(path)
        form = check_output(target)
        if self.manifest is not None:
            refuse_inputs(target, self.manifest.inputs())
        real = check_target(target)
        beside = manifest_path(real)
        beyond = [f for n, f in numbered(real) if n >= len(self.frames)] if _many(real) else []
        if beyond:
            raise InputError(
                f"Frames of a longer clip are in the way, such as {str(beyond[0])!r}; remove them "
                "or choose another name."
            )
        try:
            with replacing(real.parent, real.name) as new:
                WRITERS[form](self.frames, self.fps, new / real.name)
                if manifest and self.manifest is not None:
                    digest = sha256_of_output(*_written(new / real.name))
                    bound = attrs.evolve(self.manifest, output_sha256=digest)
                    (new / beside.name).write_text(bound.to_json(), encoding="utf-8")
                elif beside.is_file():
                    # What is there tells of the video that is about to be replaced.
                    beside.unlink()
        except OSError as error:
            raise KinemaError(f"Writing {str(target)!r} failed: {error}.") from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str], fps: float | None = None) -> Video:
        """Read a video file, GIF, animated WebP, folder of PNG frames or pattern.

        Frames of varying duration come as if the rate were constant. ``fps`` replaces what the
        file says; PNG frames that were not written by kinema need it.

        Raises:
            InputError: the file is absent, damaged, or nothing that can be read.
        """
        source = Path(path)
        form = form_of(source)
        frames, rate = READERS[form](source)
        rate = rate if fps is None else fps
        if rate is None:
            raise InputError(f"{str(source)!r} does not say its frame rate; give fps.")
        return cls(frames, rate)


def manifest_path(path: str | os.PathLike[str]) -> Path:
    """Where the manifest of an output goes: ``out.mp4`` has ``out.mp4.manifest.json`` beside it.

    So has a pattern: ``frames/%03d.png.manifest.json``. No two outputs share one.
    """
    target = Path(path)
    return target.with_name(f"{target.name}{MANIFEST}")


def check_bound(manifest: str | os.PathLike[str]) -> None:
    """Check that the output beside a manifest, if there is one, is the one it was written with.

    Raises:
        InputError: it is another one.
    """
    path = Path(manifest)
    target = path.with_name(path.name.removesuffix(MANIFEST))
    sweep(path.resolve().parent)
    recorded = Manifest.load(path).output_sha256
    if not path.name.endswith(MANIFEST) or not recorded:
        return
    folder, names = _written(target)
    present = folder.exists() and (names is None or bool(names))
    if present and sha256_of_output(folder, names) != recorded:
        raise InputError(
            f"The manifest {str(path)!r} is not that of {str(target)!r} beside it, which was "
            "replaced or changed. Take the manifest to another folder to use it alone."
        )


def _many(target: Path) -> bool:
    """Whether a name is the pattern of many."""
    return target.suffix.lower() == ".png"


def _written(target: Path) -> tuple[Path, list[str] | None]:
    """What the hash of an output is of: a file, or a folder and some files of it."""
    if _many(target):
        return target.parent, [file.name for _, file in numbered(target)]
    return target, [file.name for file in target.glob("*.png")] if target.is_dir() else None

"""Clips that are ready to train on, and the Parquet shards that hold them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kinema.clips.reduction import reduced_shape, restore_observation
from kinema.errors import InputError
from kinema.extras import require
from kinema.files import write_atomically
from kinema.media.pictures import open_picture
from kinema.motion.canvas import Size
from kinema.signals import Observation

#: The name and version of the rows and of the metadata described in ``reference/clips.md``.
FORMAT = "kinema.clips/1"

#: The key of the file metadata, whose value is a JSON object.
METADATA_KEY = b"kinema"

WEBP_QUALITY = 90
ZSTD_LEVEL = 9

_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@attrs.frozen(eq=False, kw_only=True)
class Clip:
    """One clip of a training set: everything that training needs of a video.

    Attributes:
        id: names it; unique in its training set.
        latents: float16 ``(T', C, h, w)`` of the backbone.
        encodings: what the backbone's ``encodings`` made of the first frame, by name, without
            a batch dimension; float16, bfloat16 or float32.
        first_frame: uint8 ``(3, H, W)`` RGB.
        displacement: float32 ``(T, H', W', 2)``: canvas pixels, one per cell; frame 0 is zero.
        visible: bool ``(T, H', W')``.
        reduction: the side of a cell in pixels.
        fps: frames per second.
        caption: what is seen, in words; may be empty.
        source: where it comes from, such as a file name and a time.
        source_sha256: hex digest of the file it was cut from; may be empty.
        licence: of the source, an SPDX name where there is one; may be empty.
        motion_length: the mean length of the full displacement over all frames and pixels.

    Raises:
        InputError: a shape, a type or a number does not fit.
    """

    id: str
    latents: Tensor
    first_frame: Tensor
    displacement: Tensor
    visible: Tensor
    reduction: int = 4
    fps: float
    motion_length: float
    encodings: Mapping[str, Tensor] = attrs.field(factory=dict)
    caption: str = ""
    source: str = ""
    source_sha256: str = ""
    licence: str = ""

    def __attrs_post_init__(self) -> None:
        _check_tensors(self)
        width, height = self.size
        cells = (self.frames, *reduced_shape(height, width, self.reduction))
        if tuple(self.displacement.shape) != (*cells, 2) or tuple(self.visible.shape) != cells:
            raise InputError(
                f"Clip {self.id!r} of {width}x{height} and {self.frames} frames needs cells "
                f"{cells!r} of {self.reduction!r} pixels; its displacement has "
                f"{tuple(self.displacement.shape)!r} and its visibility "
                f"{tuple(self.visible.shape)!r}."
            )
        if not (self.fps > 0 and self.motion_length >= 0):
            raise InputError(
                f"Clip {self.id!r} needs a positive fps and a motion length of at least 0, got "
                f"{self.fps!r} and {self.motion_length!r}."
            )

    @property
    def size(self) -> Size:
        """(width, height) of the canvas."""
        return self.first_frame.shape[2], self.first_frame.shape[1]

    @property
    def frames(self) -> int:
        """T; a backbone that folds time has fewer latents."""
        return self.displacement.shape[0]

    def observation(self) -> Observation:
        """The motion of every pixel of the canvas: ``(T, H, W, 2)`` and ``(T, H, W)``."""
        width, height = self.size
        return restore_observation(self.displacement, self.visible, self.reduction, height, width)


def _check_tensors(clip: Clip) -> None:
    wanted = (
        ("latents", clip.latents, 4, torch.float16),
        ("first_frame", clip.first_frame, 3, torch.uint8),
        ("displacement", clip.displacement, 4, torch.float32),
        ("visible", clip.visible, 3, torch.bool),
    )
    for name, tensor, dimensions, dtype in wanted:
        if tensor.ndim != dimensions or tensor.dtype != dtype:
            raise InputError(
                f"{name} of clip {clip.id!r} must be {dtype} with {dimensions} dimensions, got "
                f"{tensor.dtype} {tuple(tensor.shape)!r}."
            )
    if clip.first_frame.shape[0] != 3:
        raise InputError(
            f"first_frame of clip {clip.id!r} must be (3, H, W), got "
            f"{tuple(clip.first_frame.shape)!r}."
        )
    for name, tensor in (
        ("latents", clip.latents),
        ("displacement", clip.displacement),
        *((f"encoding {key!r}", value) for key, value in clip.encodings.items()),
    ):
        if tensor.dtype not in _DTYPES.values():
            raise InputError(
                f"The {name} of clip {clip.id!r} must be one of {', '.join(_DTYPES)}, got "
                f"{tensor.dtype}."
            )
        if not _finite(tensor):
            raise InputError(f"The {name} of clip {clip.id!r} hold a number that is not finite.")
    if bool(clip.displacement[0].any()):
        raise InputError(f"Frame 0 of clip {clip.id!r} must not move.")


def _finite(tensor: Tensor) -> bool:
    # NaN spreads to both ends, so one pass that keeps nothing of every number is enough.
    return not tensor.numel() or bool(torch.stack(tensor.aminmax()).isfinite().all())


# -- rows ----------------------------------------------------------------------------------------


def pack(clip: Clip) -> dict[str, Any]:
    """One row of a shard: plain numbers, strings, lists and bytes (see ``reference/clips.md``).

    The first frame becomes a WebP of quality 90 and the displacement 16-bit floats; all else is
    kept as it is.

    Raises:
        InputError: a displacement is too large for 16-bit floats.
    """
    width, height = clip.size
    # x and y apart, and frame after frame, so that like numbers are neighbours for zstd.
    moved = clip.displacement[1:].permute(3, 0, 1, 2).half().contiguous()
    if not bool(torch.isfinite(moved).all()):
        raise InputError(f"The displacement of clip {clip.id!r} is too large for 16-bit floats.")
    row: dict[str, Any] = {
        "id": clip.id,
        "latents": _bytes(clip.latents),
        "latents_shape": list(clip.latents.shape),
        "encodings": [
            {
                "name": name,
                "dtype": _dtype_name(tensor),
                "shape": list(tensor.shape),
                "data": _bytes(tensor),
            }
            for name, tensor in sorted(clip.encodings.items())
        ],
        "first_frame": _webp(clip.first_frame),
        "displacement": _bytes(moved),
        "displacement_shape": list(moved.shape),
        "visible": np.packbits(clip.visible.numpy()).tobytes(),
        "reduction": clip.reduction,
        "width": width,
        "height": height,
        "frames": clip.frames,
        "fps": float(clip.fps),
        "motion_length": float(clip.motion_length),
        "caption": clip.caption,
        "source": clip.source,
        "source_sha256": clip.source_sha256,
        "licence": clip.licence,
    }
    return {**row, "sha256": row_sha256(row)}


def unpack(row: Mapping[str, Any], where: str = "this row") -> Clip:
    """The clip in one row; ``where`` names the row in errors.

    Raises:
        InputError: a column is absent, or its bytes do not have the shape said beside them.
    """
    try:
        frames, (rows, columns) = row["frames"], row["displacement_shape"][2:]
        moved = _tensor(row["displacement"], "float16", row["displacement_shape"])
        seen = _bits(row["visible"], frames * rows * columns)
        with open_picture(row["first_frame"], "Its first frame") as image:
            first = np.array(image.convert("RGB"))
        displacement = torch.zeros(frames, rows, columns, 2)
        displacement[1:, ..., 0], displacement[1:, ..., 1] = moved
        clip = Clip(
            id=row["id"],
            latents=_tensor(row["latents"], "float16", row["latents_shape"]),
            encodings={
                item["name"]: _tensor(item["data"], item["dtype"], item["shape"])
                for item in row["encodings"]
            },
            first_frame=torch.from_numpy(first).permute(2, 0, 1).contiguous(),
            displacement=displacement,
            visible=seen.view(frames, rows, columns),
            reduction=row["reduction"],
            fps=row["fps"],
            motion_length=row["motion_length"],
            caption=row["caption"],
            source=row["source"],
            source_sha256=row["source_sha256"],
            licence=row["licence"],
        )
    except InputError as error:
        raise InputError(f"{where} is damaged. {error}") from None
    except KeyError as error:
        raise InputError(f"{where} has no column {error}, which {FORMAT} has.") from None
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        raise InputError(f"{where} is damaged: {error}") from None
    if clip.size != (row["width"], row["height"]):
        raise InputError(
            f"{where} is damaged: its first frame is {clip.size[0]}x{clip.size[1]}, but it says "
            f"{row['width']}x{row['height']}."
        )
    return clip


def row_sha256(row: Mapping[str, Any]) -> str:
    """Hex digest of what is seen in a row: latents, encodings, first frame and motion."""
    digest = hashlib.sha256()
    for name in ("latents", "first_frame", "displacement", "visible"):
        digest.update(row[name])
    for item in row["encodings"]:
        digest.update(item["name"].encode() + item["data"])
    return digest.hexdigest()


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes()


def _tensor(data: bytes, dtype: str, shape: list[int]) -> Tensor:
    # A copy, since the bytes of an Arrow buffer may not be written to.
    return torch.frombuffer(bytearray(data), dtype=_DTYPES[dtype]).reshape(shape)


def _bits(data: bytes, count: int) -> Tensor:
    if len(data) != -(-count // 8):
        raise ValueError(f"visible has {len(data)} bytes instead of {-(-count // 8)}")
    unpacked = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count)
    return torch.from_numpy(unpacked).bool()


def _webp(frame: Tensor) -> bytes:
    file = io.BytesIO()
    pixels = frame.permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "WEBP", quality=WEBP_QUALITY, method=4)
    return file.getvalue()


# -- shards --------------------------------------------------------------------------------------


def arrow() -> tuple[Any, Any]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        ExtraError: pyarrow is not installed.
    """
    require("pyarrow", "kinema[training]", "Reading and writing clips")
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa, pq


def schema() -> Any:
    """The ``pyarrow.Schema`` of a shard, without its metadata."""
    pa, _ = arrow()
    shape = pa.list_(pa.int32())
    encoding = pa.struct(
        [("name", pa.string()), ("dtype", pa.string()), ("shape", shape), ("data", pa.binary())]
    )
    texts = ("caption", "source", "source_sha256", "licence", "sha256")
    return pa.schema(
        [
            ("id", pa.string()),
            ("latents", pa.binary()),
            ("latents_shape", shape),
            ("encodings", pa.list_(encoding)),
            ("first_frame", pa.binary()),
            ("displacement", pa.binary()),
            ("displacement_shape", shape),
            ("visible", pa.binary()),
            *((name, pa.int32()) for name in ("reduction", "width", "height", "frames")),
            ("fps", pa.float64()),
            ("motion_length", pa.float64()),
            *((name, pa.string()) for name in texts),
        ]
    )


def layout(clip: Clip) -> dict[str, Any]:
    """What all clips of a training set have in common, as JSON."""
    return {
        "size": list(clip.size),
        "frames": clip.frames,
        "reduction": clip.reduction,
        "latents": list(clip.latents.shape),
        "encodings": {
            name: [_dtype_name(tensor), *tensor.shape]
            for name, tensor in sorted(clip.encodings.items())
        },
    }


def write_shard(path: str | Path, clips: Iterable[Clip], meta: Mapping[str, Any]) -> Path:
    """Write clips as one Parquet file, each clip a row group of its own; never half of one.

    Args:
        path: ends in ``.parquet``.
        clips: at least one, all of one size, frame count, reduction, latents and encodings.
        meta: JSON: what made the clips (backbone, its options, tracker, ...). The layout of the
            clips is added to it. All shards of a training set must say the same, except under the
            key ``shard``, which is each shard's own.

    Raises:
        InputError: there is no clip, clips differ in layout or share an id, ``meta`` contradicts
            the clips or is no JSON, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix != ".parquet":
        raise InputError(f"A shard must be named *.parquet, got {str(path)!r}.")
    return write_atomically(target, lambda part: _write_rows(part, clips, meta))


def _write_rows(part: Path, clips: Iterable[Clip], meta: Mapping[str, Any]) -> None:
    pa, pq = arrow()
    rows = iter(clips)
    first = next(rows, None)
    if first is None:
        raise InputError("There is no clip to write into a shard.")
    common = layout(first)
    full = schema().with_metadata({METADATA_KEY: _metadata(meta, common)})
    options = {"compression": "zstd", "compression_level": ZSTD_LEVEL, "use_dictionary": False}
    seen: set[str] = set()
    with pq.ParquetWriter(part, full, write_page_checksum=True, **options) as writer:
        for clip in (first, *rows):
            if layout(clip) != common:
                raise InputError(
                    f"Clips of one shard must be alike, but {clip.id!r} has {layout(clip)!r} and "
                    f"{first.id!r} has {common!r}."
                )
            if clip.id in seen:
                raise InputError(f"Two clips of one shard are called {clip.id!r}.")
            seen.add(clip.id)
            writer.write_table(pa.Table.from_pylist([pack(clip)], schema=full))


def _metadata(meta: Mapping[str, Any], common: Mapping[str, Any]) -> bytes:
    try:
        given = json.loads(json.dumps(dict(meta), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"The meta of a shard must be JSON: {error}") from None
    for name, value in common.items():
        if given.get(name, value) != value:
            raise InputError(
                f"The meta of a shard says {name} {given[name]!r}, but its clips have {value!r}."
            )
    text = {"format": FORMAT, "meta": {**given, **common}}
    return json.dumps(text, sort_keys=True).encode()

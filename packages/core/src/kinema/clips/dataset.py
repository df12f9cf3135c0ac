"""Training sets: a folder of shards in, batches of clips out, in an order that is a pure function.

Resuming takes one integer, the number of the next batch; how many processes and threads share the
work changes nothing.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.clips.clip import FORMAT, METADATA_KEY, Clip, arrow, unpack
from kinema.errors import InputError
from kinema.signals import Observation

#: How many batches are read ahead.
AHEAD = 2

#: How many shards' footers are kept in memory.
_FOOTERS = 256


class ClipDataset:
    """All clips of the shards ``*.parquet`` in a folder, in the order of their names.

    Attributes:
        folder: where the shards lie.
        meta: what all shards say of themselves: ``backbone``, ``size``, ``frames``, ...
        shards: the files.

    Raises:
        InputError: the folder is absent or holds no shard; a shard is truncated, corrupt or no
            shard of kinema; or shards contradict each other.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"There is no folder {str(folder)!r} to read clips from.")
        self.shards = tuple(sorted(self.folder.glob("*.parquet")))
        if not self.shards:
            raise InputError(
                f"The folder {str(folder)!r} holds no *.parquet shard; make some with "
                "`kinema prepare`."
            )
        counts = []
        meta: Mapping[str, Any] | None = None
        for shard in self.shards:
            rows, said = _describe(shard)
            if meta is not None:
                _check_alike(meta, said, self.shards[0], shard)
            meta = meta or said
            counts.append(rows)
        self.meta: Mapping[str, Any] = meta or {}
        self._ends = list(itertools.accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Clip:
        if not 0 <= index < len(self):
            raise IndexError(f"Clip {index!r} of {len(self)}.")
        number = bisect.bisect_right(self._ends, index)
        start = self._ends[number - 1] if number else 0
        shard, row = self.shards[number], index - start
        return unpack(_read_row(shard, row), f"Clip {row} of the shard {str(shard)!r}")


def _describe(shard: Path) -> tuple[int, dict[str, Any]]:
    footer = _open(shard)
    text = (footer.metadata or {}).get(METADATA_KEY)
    try:
        said = json.loads(text or b"{}")
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    found = said.get("format")
    if found != FORMAT or not isinstance(said.get("meta"), dict):
        raise InputError(
            f"{str(shard)!r} is a Parquet file but no shard of {FORMAT} (its format is {found!r}). "
            "Move it out of the folder, or prepare the clips again."
        )
    if footer.num_rows < 1 or footer.num_row_groups != footer.num_rows:
        raise InputError(
            f"The shard {str(shard)!r} has {footer.num_rows} rows in {footer.num_row_groups} row "
            "groups; each clip must be a row group of its own. Write it with write_shard."
        )
    meta = {name: value for name, value in said["meta"].items() if name != "shard"}
    return footer.num_rows, meta


def _open(shard: Path) -> Any:
    pa, pq = arrow()
    try:
        return pq.read_metadata(shard)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"The shard {str(shard)!r} cannot be read: {str(error).splitlines()[0]} It is "
            "truncated or no Parquet file; delete it and prepare it again."
        ) from None


@functools.lru_cache(maxsize=_FOOTERS)
def _footer(shard: Path, size: int, changed: int) -> Any:
    """The parsed footer; size and time of change tell a shard that was written anew."""
    return _open(shard)


def _read_row(shard: Path, row: int) -> dict[str, Any]:
    pa, pq = arrow()
    try:
        stat = shard.stat()
        footer = _footer(shard, stat.st_size, stat.st_mtime_ns)
        with pq.ParquetFile(
            shard, metadata=footer, memory_map=True, page_checksum_verification=True
        ) as file:
            table = file.read_row_group(row, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"Clip {row} of the shard {str(shard)!r} is damaged: {str(error).splitlines()[0]} "
            "Delete the shard and prepare it again."
        ) from None
    return {name: table.column(name)[0].as_py() for name in table.column_names}


def _check_alike(
    meta: Mapping[str, Any], other: Mapping[str, Any], first: Path, shard: Path
) -> None:
    for name in sorted({*meta, *other}):
        if meta.get(name) != other.get(name):
            raise InputError(
                f"The shards {first.name!r} and {shard.name!r} do not belong together: {name} is "
                f"{meta.get(name)!r} in one and {other.get(name)!r} in the other. Keep each "
                "training set in a folder of its own."
            )


# -- order ---------------------------------------------------------------------------------------

_ROUNDS = 6
_LEAST_HALF_BITS = 4


def shuffled(position: int, length: int, seed: int) -> int:
    """Which clip of ``length`` comes at ``position`` of the endless order ``seed``.

    Every run of ``length`` positions from a multiple of ``length`` on (an epoch) holds each clip
    once; each epoch has another order. Nothing is stored, however large ``length`` is: the order is
    a keyed permutation (a Feistel network with cycle walking, Black and Rogaway 2002), the same on
    every machine and version.

    Raises:
        InputError: ``length`` is not positive or ``position`` is negative.
    """
    if length < 1 or position < 0:
        raise InputError(
            f"An order needs at least one clip and a position of at least 0, got {length!r} and "
            f"{position!r}."
        )
    epoch, value = divmod(position, length)
    half = max(_LEAST_HALF_BITS, ((length - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keys = _keys(seed, epoch)
    while True:
        left, right = value >> half, value & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        value = left << half | right
        if value < length:
            return value


@functools.lru_cache(maxsize=64)
def _keys(seed: int, epoch: int) -> tuple[int, ...]:
    digest = hashlib.sha512(f"{seed}/{epoch}".encode()).digest()
    return tuple(int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(_ROUNDS))


def _mix(value: int) -> int:
    """Scatter 64 bits: the finaliser of SplitMix64 (Steele et al. 2014)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 31


# -- batches -------------------------------------------------------------------------------------


@attrs.frozen(eq=False, kw_only=True)
class ClipBatch:
    """B clips.

    Attributes:
        latents: float32 ``(B, T', C, h, w)``.
        encodings: ``(B, ...)`` by name.
        images: the first frames, float32 ``(B, 3, H, W)`` in [0, 1].
        observations: B of them, of the full canvas.
        fps: float32 ``(B,)``.
        motion_length: float32 ``(B,)``, pixels.
        ids: B names.
        captions: B texts, empty where nothing is known.
    """

    latents: Tensor
    encodings: Mapping[str, Tensor]
    images: Tensor
    observations: list[Observation]
    fps: Tensor
    motion_length: Tensor
    ids: tuple[str, ...]
    captions: tuple[str, ...]

    @property
    def frames(self) -> int:
        """T."""
        return self.observations[0].displacement.shape[0]


def collate(clips: Sequence[Clip], observations: Sequence[Observation] | None = None) -> ClipBatch:
    """Stack clips; ``observations`` are theirs if they are at hand already.

    Raises:
        InputError: there is no clip.
    """
    if not clips:
        raise InputError("There is no clip to make a batch of.")
    seen = [clip.observation() for clip in clips] if observations is None else list(observations)
    return ClipBatch(
        latents=torch.stack([clip.latents for clip in clips]).float(),
        encodings={
            name: torch.stack([clip.encodings[name] for clip in clips])
            for name in clips[0].encodings
        },
        images=torch.stack([clip.first_frame for clip in clips]).float().div_(255.0),
        observations=seen,
        fps=torch.tensor([clip.fps for clip in clips], dtype=torch.float32),
        motion_length=torch.tensor([clip.motion_length for clip in clips], dtype=torch.float32),
        ids=tuple(clip.id for clip in clips),
        captions=tuple(clip.caption for clip in clips),
    )


def loader(
    dataset: ClipDataset,
    *,
    batch: int,
    seed: int,
    first: int = 0,
    stop: int | None = None,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
) -> Iterator[ClipBatch]:
    """Batches ``first`` to ``stop`` of the endless order ``seed``; without ``stop``, all of them.

    Batch n holds the positions n * batch to (n + 1) * batch of :func:`shuffled`; a process gets its
    slice of each, in order, so that the slices of all ranks are the whole batch.

    Args:
        dataset: where the clips are.
        batch: clips per batch over all processes, a multiple of ``world``.
        seed: of the order.
        first: number of the first batch, which is all that resuming needs.
        stop: number of the batch to stop before.
        rank: of this process, 0 to ``world`` - 1.
        world: how many processes.
        workers: threads that read ahead; 0 reads when asked.

    Raises:
        InputError: a number is out of range, or a clip cannot be read.
    """
    if batch < 1 or not 0 <= rank < world or batch % world or first < 0 or workers < 0:
        raise InputError(
            "A loader needs a batch that is a positive multiple of world, a rank within it, and "
            f"first and workers of at least 0; got batch {batch!r}, world {world!r}, rank "
            f"{rank!r}, first {first!r} and workers {workers!r}."
        )
    share = batch // world
    numbers = itertools.count(first) if stop is None else iter(range(first, stop))
    groups = (
        range(number * batch + rank * share, number * batch + (rank + 1) * share)
        for number in numbers
    )
    return _batches(dataset, groups, seed, workers)


def _batches(
    dataset: ClipDataset, groups: Iterator[range], seed: int, workers: int
) -> Iterator[ClipBatch]:
    def load(position: int) -> tuple[Clip, Observation]:
        clip = dataset[shuffled(position, len(dataset), seed)]
        return clip, clip.observation()

    if not workers:
        for group in groups:
            yield _join([load(position) for position in group])
        return
    # Threads: Arrow, Pillow and torch leave the interpreter free, and nothing is copied between.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="kinema-loader")
    waiting: deque[list[Future[tuple[Clip, Observation]]]] = deque()
    try:
        for group in groups:
            waiting.append([pool.submit(load, position) for position in group])
            if len(waiting) > AHEAD:
                yield _join([future.result() for future in waiting.popleft()])
        while waiting:
            yield _join([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _join(loaded: Sequence[tuple[Clip, Observation]]) -> ClipBatch:
    return collate([clip for clip, _ in loaded], [observation for _, observation in loaded])

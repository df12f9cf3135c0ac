"""Writing the record of a video that a session made."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.events import Run
from kinema.files import sha256_of, sha256_of_file
from kinema.interfaces import Backbone
from kinema.media.manifest import Manifest, environment
from kinema.media.photo import Photo
from kinema.session.job import Job
from kinema.session.parts import Parts


def record(
    job: Job,
    run: Run,
    parts: Parts,
    backbone: Backbone,
    choices: Mapping[str, Any],
    notes: Iterable[str],
    pixels: NDArray[np.uint8],
) -> Manifest:
    """The manifest of a finished video; it shares nothing with the session that made it."""
    used = parts.used
    masks = {
        str(Path(region.mask).absolute()): sha256_of_file(Path(region.mask))
        for region in job.motion.regions
        if region.mask
    }
    return Manifest(
        offers=used,
        sample=attrs.asdict(run.sample),
        motion=job.motion.embedded().to_dict(),
        photo=_photo(job.photo),
        size=run.size,
        frames=run.frames,
        fps=run.fps,
        seed=run.seed,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        last_image=_photo(job.last_image) if job.last_image else {},
        references=[_photo(photo) for photo in job.references],
        plate=_photo(job.plate) if job.plate else {},
        files={**masks, **parts.files},
        choices={
            "device": str(backbone.device),
            "dtype": str(backbone.dtype).removeprefix("torch."),
            **copy.deepcopy(dict(choices)),
        },
        notes=notes,
        licences=tuple(dict.fromkeys(parts.licences)),
        frames_sha256=sha256_of(np.ascontiguousarray(pixels).reshape(-1).data),
        environment=environment(
            sorted({offer["distribution"] for role in used.values() for offer in role})
        ),
    )


def _photo(photo: Photo) -> dict[str, str]:
    return {"path": photo.path, "sha256": photo.sha256}

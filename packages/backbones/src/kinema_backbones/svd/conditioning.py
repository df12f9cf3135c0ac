"""What the network is told about each video besides its noisy latents."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Request, Term
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.images import Encoding

#: What a training draws for each clip, by the name a request tells it.
NOISE_AUG, MOTION_BUCKET = "noise-aug", "motion-bucket"

#: What a request may drop, by the name it does so.
DROPPABLE = {"image-embedding": "image_embeds", "image-latent": "image_latents"}


@attrs.frozen(eq=False)
class Told:
    """The three numbers of the time ids, each for all videos or for each ``(B,)``."""

    fps: float
    motion_bucket: float | Tensor
    noise_aug: float | Tensor

    def time_ids(self, count: int) -> Tensor:
        """``(B, 3)``, float32, for B = ``count`` videos."""
        columns = [
            torch.as_tensor(number, dtype=torch.float32).expand(count)
            for number in (self.fps, self.motion_bucket, self.noise_aug)
        ]
        return torch.stack([column.cpu() for column in columns], dim=1)


def tell(request: Request, config: SvdConfig) -> Told:
    """The numbers of a request, and the config's where it leaves them to the backbone."""
    bucket, strength = (request.drawn.get(name) for name in (MOTION_BUCKET, NOISE_AUG))
    return Told(
        fps=config.fps_id or request.fps,
        motion_bucket=config.motion_bucket_id if bucket is None else bucket,
        noise_aug=config.noise_aug if strength is None else strength,
    )


def drop(encoding: Encoding, dropped: Mapping[str, Tensor]) -> Encoding:
    """The encoding with zeros for the videos whose photo is not told in that way.

    Raises:
        InputError: nothing of that name can be dropped.
    """
    unknown = sorted(set(dropped) - set(DROPPABLE))
    if unknown:
        raise InputError(
            f"The backbone 'svd' cannot drop {', '.join(map(repr, unknown))} of a photo. It drops: "
            f"{', '.join(DROPPABLE)}."
        )
    changes = {}
    for name, mask in dropped.items():
        tensor: Tensor = getattr(encoding, DROPPABLE[name])
        keep = ~mask.to(tensor.device).view(-1, *[1] * (tensor.ndim - 1))
        changes[DROPPABLE[name]] = tensor * keep
    return attrs.evolve(encoding, **changes)


def of_term(encoding: Encoding, term: Term) -> tuple[Tensor, Tensor]:
    """Image embedding and latent of a guidance term; the unconditional one has zeros."""
    embeds, latents = encoding.image_embeds, encoding.image_latents
    if term == "unconditional":
        return torch.zeros_like(embeds), torch.zeros_like(latents)
    return embeds, latents

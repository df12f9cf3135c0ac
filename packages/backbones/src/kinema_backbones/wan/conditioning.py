"""What the network is told besides the noisy latents: texts, the photo's tokens and latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Actions, Request, Term
from kinema_backbones.wan import images
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.families import NEGATIVES, Family
from kinema_backbones.wan.memory import Residence
from kinema_backbones.wan.text import Texts, padded
from kinema_backbones.wan.weights import Components

#: What is cached of a clip: its caption, the empty one, the photo's latents and its CLIP tokens.
TEXT, NO_TEXT, PHOTO, TOKENS = "text", "no_text", "photo_latents", "tokens"


class ConditioningSide:
    """The encoders' side of the backbone ``wan``."""

    config: WanConfig
    components: Components
    family: Family
    first_frame: bool
    device: torch.device
    dtype: torch.dtype
    residence: Residence
    texts: Texts

    @property
    def negative(self) -> str:
        """The negative prompt where nobody says one."""
        name = self.config.negative
        return NEGATIVES[self.family.negative if name == "auto" else name]

    def _told_texts(self, request: Request) -> dict[Term, Tensor]:
        count = len(request.image)
        prompts = list(request.prompts) or [""] * count
        wanted: dict[Term, list[str]] = {"conditional": prompts}
        if "unconditional" in request.terms:
            negatives = list(request.negative_prompts) or [None] * count
            stock = self.negative
            wanted["unconditional"] = [stock if text is None else text for text in negatives]
        cached = request.cached.get(TEXT)
        if cached is not None:
            wanted.pop("conditional")
        self._embed_texts([text for texts in wanted.values() for text in texts])
        made = {
            term: self.texts(texts).to(self.device, self.dtype) for term, texts in wanted.items()
        }
        if cached is not None:
            made["conditional"] = cached.to(self.device, self.dtype)
        dropped = request.dropped.get("prompt")
        if dropped is not None and bool(dropped.any()):
            keep = ~dropped.view(-1, 1, 1).to(self.device)
            made["conditional"] = torch.where(keep, made["conditional"], self._no_text(request))
        return made

    def _embed_texts(self, texts: Sequence[str]) -> None:
        """Embed what is new, all at once: the encoder may be let go of in between."""
        if self.texts.missing(texts):
            self.residence.enter("text")
            self.texts(texts)

    def _no_text(self, request: Request) -> Tensor:
        rows = request.cached.get(NO_TEXT)
        if rows is None:
            self._embed_texts([""])
            return self.texts([""]).to(self.device, self.dtype)
        return padded(list(rows)).to(self.device, self.dtype)

    def _told_tokens(self, photo: Tensor, last: Tensor | None, request: Request) -> Tensor | None:
        if not self.family.tokens:
            return None
        tokens = request.cached.get(TOKENS)
        if tokens is None:
            pictures = [self._embedded(each) for each in (photo, last) if each is not None]
            tokens = torch.cat(pictures, dim=1)
        return tokens.to(self.device, self.dtype)

    def _embedded(self, photo: Tensor) -> Tensor:
        encoder = self.components.image_encoder
        if encoder is None:
            raise InputError(
                f"{self.family.name} reads the photo by CLIP too, but there is no image encoder "
                "beside these weights."
            )
        self.residence.enter("image_encoder")
        crop = self.config.photo_crop == "crop"
        if self.config.photo_crop == "auto":
            crop = not self.components.squash
        return images.embed_photos(encoder, photo, crop, self.components.preprocessor)

    def _told_latents(self, photo: Tensor, last: Tensor | None, request: Request) -> Tensor:
        """``(B, T', C, h, w)`` of the photo and grey frames, or of the photo alone."""
        latents = request.cached.get(PHOTO)
        if latents is None:
            latents = self._encoded_photo(photo, last, request.frames)
        latents = latents.to(self.device, torch.float32)
        dropped = request.dropped.get("image-latent")
        if dropped is not None:
            latents = latents * ~dropped.view(-1, 1, 1, 1, 1).to(self.device)
        return latents

    def _encoded_photo(self, photo: Tensor, last: Tensor | None, frames: int) -> Tensor:
        self.residence.enter("vae")
        clip = images.condition_clip(photo, 1 if self.first_frame else frames, last)
        return images.encode_clip(self.components.vae, clip).transpose(1, 2)


def acted_condition(masks: Tensor, latents: Tensor, actions: Actions) -> Tensor:
    """``(B, 4 + C, T', h, w)``: mask channels and latents, both as the controller left them."""
    told = {"image-latent": latents, "image-mask": masks}
    acted = {name: actions[name](t) if name in actions else t for name, t in told.items()}
    masks = acted["image-mask"].to(latents.dtype)
    return torch.cat([masks, acted["image-latent"]], 2).transpose(1, 2)

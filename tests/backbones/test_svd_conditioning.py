"""What a training tells the svd backbone about each clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kinema.errors import InputError
from kinema.interfaces import Request
from kinema.levels import Level
from kinema.noise import Streams
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.network import Embedding

MakeSvd = Callable[..., SvdBackbone]


def embed(backbone: SvdBackbone, count: int = 3, **fields: Any) -> Embedding:
    image = torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    request = Request(
        image=image,
        size=(96, 64),
        frames=3,
        fps=8.0,
        terms={"conditional": {}},
        streams=[Streams(f"clip {number}") for number in range(count)],
        **fields,
    )
    with torch.no_grad():
        return backbone.embed(request)["conditional"]


def test_cached_embeddings_spare_the_image_encoder(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    image = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    cached = backbone.encodings(image)
    assert set(cached) == {"image_embeds"}
    assert cached["image_embeds"].shape == (3, 1, 48)
    assert cached["image_embeds"].dtype == torch.float32
    plain = embed(backbone)
    assert torch.equal(plain.image_embeds, cached["image_embeds"])
    object.__setattr__(backbone.components, "image_encoder", None)
    again = embed(backbone, cached=cached)
    assert torch.equal(again.image_embeds, plain.image_embeds)
    assert torch.equal(again.image_latents, plain.image_latents)


def test_each_clip_has_its_own_noise_and_is_told_of_it(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    strengths = torch.tensor([0.0, 0.02, 0.5])
    embedding = embed(
        backbone, drawn={"noise-aug": strengths, "motion-bucket": torch.tensor([1, 17, 90])}
    )
    expected = torch.tensor([[8.0, 1.0, 0.0], [8.0, 17.0, 0.02], [8.0, 90.0, 0.5]])
    assert torch.equal(embedding.added_time_ids, expected)
    clean = embed(backbone, drawn={"noise-aug": torch.zeros(3)}).image_latents
    usual = embed(backbone).image_latents
    assert torch.equal(embedding.image_latents[0], clean[0])
    assert torch.equal(embedding.image_latents[1], usual[1])
    moved = (embedding.image_latents - clean).square().mean(dim=(1, 2, 3, 4)).sqrt()
    assert 0 < float(moved[1]) < float(moved[2])


def test_photos_are_dropped_clip_by_clip(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    whole = embed(backbone)
    masks = {
        "image-embedding": torch.tensor([True, False, False]),
        "image-latent": torch.tensor([False, False, True]),
    }
    part = embed(backbone, dropped=masks)
    assert not part.image_embeds[0].any()
    assert not part.image_latents[2].any()
    assert torch.equal(part.image_embeds[1:], whole.image_embeds[1:])
    assert torch.equal(part.image_latents[:2], whole.image_latents[:2])
    for folded, full in zip(part.folded, whole.folded, strict=True):
        assert torch.equal(folded[1:], full[1:])
        assert not torch.equal(folded[0], full[0])
    with pytest.raises(InputError, match=r"cannot drop 'caption' of a photo. It drops: image-emb"):
        embed(backbone, dropped={"caption": torch.tensor([True])})


@pytest.mark.parametrize("batch_terms", [True, False])
def test_each_clip_has_its_own_noise_level(make_svd: MakeSvd, batch_terms: bool) -> None:
    backbone = make_svd(batch_terms=batch_terms)
    embeddings = [embed(backbone), embed(backbone, drawn={"noise-aug": torch.full((3,), 0.3)})]
    latents = torch.randn(3, 3, 4, 8, 12, generator=torch.Generator().manual_seed(2))
    sigmas = torch.tensor([0.1, 3.0, 60.0])
    with torch.no_grad():
        together = backbone.denoise(latents, Level.exploding(sigmas), embeddings)
        for index, sigma in enumerate(sigmas):
            alone = backbone.denoise(latents, Level.exploding(sigma), embeddings)
            difference = (together[:, index] - alone[:, index]).abs().max()
            assert float(difference) <= 1e-5


def test_latents_of_frames_are_the_same_each_time(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    frames = torch.rand(1, 3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.manual_seed(1)
        first = backbone.encode(frames)
        torch.manual_seed(2)
        assert torch.equal(backbone.encode(frames), first)
    assert first.shape == (1, 3, 4, 8, 12)
    assert first.dtype == torch.float32

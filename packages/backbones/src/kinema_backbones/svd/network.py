"""The U-Net with all that does not depend on the noise level taken out of the step."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import Action, Actions, Modulation, Site
from kinema_backbones.svd.caching import call_with_cache

Detach = Callable[[], None]


@attrs.frozen(eq=False, kw_only=True)
class Embedding:
    """One guidance term of B videos: everything the network is told besides the noisy latents.

    Attributes:
        image_embeds: ``(B, 1, D)``.
        image_latents: ``(B, T, 4, h, w)``, or ``(B, 1, 4, h, w)`` for all frames alike.
        added_time_ids: ``(B, 3)``: fps, motion bucket, noise strength.
        actions: of the feature sites.
        folded: output of every cross-attention ``(B, 1, C)``, or empty where it is not folded.
        compiled: whether the network runs compiled for these videos.
        batches: the batches that this embedding is part of, shared by the terms of a request; so
            they live as long as the videos do, and no longer.
    """

    image_embeds: Tensor
    image_latents: Tensor
    added_time_ids: Tensor
    actions: Actions = attrs.field(factory=dict)
    folded: tuple[Tensor, ...] = ()
    compiled: bool = False
    batches: dict[tuple[int, ...], Batch] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class HeldSite:
    """What is done at one feature site for all guidance terms, ``count`` = B * T rows each.

    Attributes:
        scale, bias: ``(1 or G, count, C, h, w)`` of modulations alike in groups and eps, or None.
        groups, eps: of their norm.
        acts: one action per term where they are something else.
    """

    scale: Tensor | None = None
    bias: Tensor | None = None
    groups: int = 0
    eps: float = 0.0
    acts: tuple[Action, ...] = ()

    @classmethod
    def of(cls, acts: Sequence[Action], count: int) -> HeldSite:
        """One action per guidance term."""
        first = acts[0] if acts else None
        if not isinstance(first, Modulation):
            return cls(acts=tuple(acts))
        alike = [a for a in acts if isinstance(a, Modulation)
                 and (a.groups, a.eps) == (first.groups, first.eps)]  # fmt: skip
        if len(alike) < len(acts):
            return cls(acts=tuple(acts))
        # Terms that share one action share its tensors too: one copy, broadcast over them.
        distinct = [first] if all(act is first for act in alike) else alike
        scale = _rows([act.scale for act in distinct], count)
        return cls(scale, _rows([act.bias for act in distinct], count), first.groups, first.eps)


#: A site where nothing acts.
IDLE = HeldSite()


class SiteModule(nn.Module):
    """A module whose output a controller acts on; without an action it is that module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.hold(IDLE)

    def hold(self, held: HeldSite) -> None:
        """Do this from now on."""
        self.scale, self.bias = held.scale, held.bias
        self.groups, self.eps = held.groups, held.eps
        self.acts = held.acts

    def forward(self, x: Tensor) -> Tensor:
        """``(G * B * T, C, h, w)`` to the same."""
        h: Tensor = self.inner(x)
        if self.scale is not None and self.bias is not None:
            normed = nn.functional.group_norm(h, self.groups, eps=self.eps) if self.groups else h
            rows = (-1, self.scale.shape[1])
            acted = h.unflatten(0, rows) + normed.unflatten(0, rows) * self.scale + self.bias
            # In training a controller stays in float32 whatever the network computes in.
            flat: Tensor = acted.flatten(0, 1).to(h.dtype)
            return flat
        if not self.acts:
            return h
        parts = h.chunk(len(self.acts))
        acted = torch.cat([act(part) for act, part in zip(self.acts, parts, strict=True)])
        return acted.to(h.dtype)


def _rows(tensors: Sequence[Tensor], count: int) -> Tensor:
    full = [tensor.expand(count, *tensor.shape[1:]) for tensor in tensors]
    return full[0][None] if len(full) == 1 else torch.stack(full)


class FoldedAttention:
    """A processor for cross-attention to a single token, whose output ignores the query.

    A softmax over one key is 1, so the output is ``to_out(to_v(context))`` at every place.
    """

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """The output for ``(rows, length, C)``: rows are videos times frames or pixels."""
        assert self.value is not None
        return self.value.repeat_interleave(hidden_states.shape[0] // self.value.shape[0], dim=0)


class UnreadNorm(nn.LayerNorm):
    """The norm before a folded attention, which has no reader; it keeps its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """The input, unchanged."""
        return input


def feature_sites(unet: Any, latent_stride: int) -> tuple[Site, ...]:
    """The first resnet of every down and up block, inside its spatial half, after ``conv1``."""
    channels = tuple(unet.config.block_out_channels)
    levels = len(channels)
    places = [("down", i, i) for i in range(levels)]
    places += [("up", i, levels - 1 - i) for i in range(levels)]
    return tuple(
        Site(
            name=f"{way}-{index}",
            kind="feature",
            channels=channels[level],
            stride=latent_stride * 2**level,
            module=f"{way}_blocks.{index}.resnets.0.spatial_res_block.conv1",
        )
        for way, index, level in places
    )


@attrs.frozen(eq=False)
class Batch:
    """Several embeddings as one batch of ``G * B`` videos.

    Attributes:
        parts: the embeddings, which hold the batch and not the other way round.
        store: what is computed for the batch only once.
    """

    parts: tuple[weakref.ref[Embedding], ...]
    image_latents: Tensor
    context: Tensor
    added_time_ids: Tensor
    acts: Mapping[str, tuple[Action, ...]]
    folded: tuple[Tensor, ...]
    store: dict[str, Any] = attrs.field(factory=dict)

    def joins(self, embeddings: Sequence[Embedding]) -> bool:
        """Whether it is the batch of these very embeddings."""
        found = [part() for part in self.parts]
        return len(found) == len(embeddings) and all(map(operator.is_, found, embeddings))

    def sites(self, frames: int) -> Mapping[str, HeldSite]:
        """What is done at each feature site in videos of ``frames`` latents."""
        key = f"sites-{frames}"
        if key not in self.store:
            rows = len(self.context) // len(self.parts) * frames
            self.store[key] = {n: HeldSite.of(acts, rows) for n, acts in self.acts.items()}
        held: Mapping[str, HeldSite] = self.store[key]
        return held


class Network:
    """The U-Net, its attachments, and the embeddings in force.

    Args:
        cache_every: the deep levels are computed every n-th call of a video only; 1 is exact.
    """

    def __init__(self, unet: Any, cache_every: int = 1) -> None:
        self.unet = unet
        self._cache_every = cache_every
        self._sites: dict[str, SiteModule] = {}
        self._folds: list[tuple[Any, FoldedAttention]] = []
        self.held: tuple[Batch, int] | None = None

    def attach_sites(self, sites: Sequence[Site]) -> Detach:
        """Wrap the modules of feature sites; the returned function takes the wrappers away."""
        for site in sites:
            wrapper = SiteModule(self.unet.get_submodule(site.module))
            self.unet.set_submodule(site.module, wrapper)
            self._sites[site.name] = wrapper
        self.held = None

        def detach() -> None:
            for site in sites:
                self.unet.set_submodule(site.module, self._sites.pop(site.name).inner)
            self.held = None

        return detach

    def fold_cross_attention(self) -> None:
        """Make every cross-attention a constant, and skip the norm before it.

        No module is replaced, so the network keeps the names of its weights.
        """
        for path, module in list(self.unet.named_modules()):
            if path.endswith(".attn2"):
                fold = FoldedAttention()
                module.set_processor(fold)
                self._folds.append((module, fold))
                norm = self.unet.get_submodule(f"{path.removesuffix('attn2')}norm2")
                norm.__class__ = UnreadNorm

    def fold(self, image_embeds: Tensor) -> tuple[Tensor, ...]:
        """Output of every folded cross-attention for a context ``(B, 1, D)``; empty if none is.

        Raises:
            InputError: the context has more than one token, for which folding would be wrong.
        """
        if self._folds and image_embeds.shape[1] != 1:
            raise InputError(
                f"Cross-attention to {image_embeds.shape[1]} tokens cannot be folded into a "
                "constant. Set fold_cross_attention to false."
            )
        return tuple(attn.to_out[0](attn.to_v(image_embeds)) for attn, _ in self._folds)

    def combine(self, embeddings: Sequence[Embedding]) -> Batch:
        """One batch of all the terms' embeddings, terms first."""
        frames = max(e.image_latents.shape[1] for e in embeddings)
        latents = [e.image_latents.expand(-1, frames, -1, -1, -1) for e in embeddings]
        names = sorted({name for e in embeddings for name in e.actions})
        return Batch(
            parts=tuple(weakref.ref(embedding) for embedding in embeddings),
            image_latents=torch.cat(latents),
            context=torch.cat([e.image_embeds for e in embeddings]),
            added_time_ids=torch.cat([e.added_time_ids for e in embeddings]),
            acts={n: tuple(e.actions.get(n, _unchanged) for e in embeddings) for n in names},
            folded=tuple(
                torch.cat(parts) for parts in zip(*(e.folded for e in embeddings), strict=True)
            ),
        )

    def __call__(
        self, x: Tensor, c_noise: Tensor, batch: Batch, forward: Callable[..., Any] | None = None
    ) -> Tensor:
        """The raw output ``(G * B, T, 4, h, w)`` for scaled latents of that shape.

        Args:
            x: noisy latents times c_in, without the image latents.
            c_noise: 0-d or ``(G * B,)``; a float would be compiled into the graph.
            forward: the U-Net's, compiled; its own unless given.
        """
        frames = x.shape[1]
        self.hold(batch, frames)
        try:
            return self._run(x, c_noise, batch, frames, forward or self.unet)
        finally:
            self.release()

    def _run(
        self, x: Tensor, c_noise: Tensor, batch: Batch, frames: int, forward: Callable[..., Any]
    ) -> Tensor:
        latents = batch.image_latents.expand(-1, frames, -1, -1, -1)
        context = batch.context
        if self._folds:
            # The attentions no longer read it, so nothing of it needs to be spread over pixels.
            context = context[..., :1]
        inputs = torch.cat([x, latents], dim=2).to(context.dtype)
        if self._cache_every > 1:
            return call_with_cache(
                self.unet, batch.store, self._cache_every,
                inputs, c_noise, context, batch.added_time_ids,
            )  # fmt: skip
        output: Tensor = forward(
            inputs,
            c_noise,
            encoder_hidden_states=context,
            added_time_ids=batch.added_time_ids,
            return_dict=False,
        )[0]
        return output

    def hold(self, batch: Batch, frames: int) -> None:
        """Hand a batch's actions and folded attentions to the modules that read them.

        Args:
            frames: T.
        """
        sites = batch.sites(frames)
        for name, module in self._sites.items():
            module.hold(sites.get(name, IDLE))
        if self._folds:
            for (_, fold), value in zip(self._folds, batch.folded, strict=True):
                fold.value = value
        self.held = (batch, frames)

    def release(self) -> None:
        """Let go of the batch at hand, and of the graph of a training step with it."""
        for module in self._sites.values():
            module.hold(IDLE)
        for _, fold in self._folds:
            fold.value = None
        self.held = None

    def unread(self) -> Iterator[nn.Parameter]:
        """The parameters that a folded cross-attention leaves without a reader."""
        folded = {id(attn) for attn, _ in self._folds}
        for module in self.unet.modules():
            if isinstance(module, UnreadNorm):
                yield from module.parameters()
            elif id(module) in folded:
                yield from (*module.to_q.parameters(), *module.to_k.parameters())


def _unchanged(h: Tensor) -> Tensor:
    return h

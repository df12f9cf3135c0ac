"""A transformer of Wan with sites at which controllers act."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.interfaces import Action, Actions, Site

Detach = Callable[[], None]

#: Frames, height and width of the tokens.
Grid = tuple[int, int, int]


@attrs.frozen(eq=False, kw_only=True)
class Embedding:
    """One guidance term of B videos: everything the network is told besides the noisy latents.

    Attributes:
        condition: ``(B, 20, T', h, w)``, 4 mask channels and the photo's latents; or, of a model
            that reads the photo as its first frame, ``(B, C, 1, h, w)``.
        text: ``(B, 512, D)``.
        tokens: of the photo, ``(B, 257, D)``, or None.
        actions: of the feature sites.
        shape: (T', C, h, w) of the videos' latents.
        context: under which name the caches over the steps keep this term.
    """

    condition: Tensor
    text: Tensor
    tokens: Tensor | None
    actions: Actions = attrs.field(factory=dict)
    shape: tuple[int, int, int, int] = (0, 0, 0, 0)
    context: str = "conditional"


class SiteModule(nn.Module):
    """A module whose output a controller acts on as on maps; else it is that module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.act: Action | None = None
        self.grid: Grid = (1, 1, 1)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """What the module gives: patches ``(B, C, T', h, w)`` or tokens ``(B, T' h w, C)``."""
        output: Tensor = self.inner(*args, **kwargs)
        if self.act is None:
            return output
        return as_maps(self.act, output, self.grid).to(output.dtype)


def as_maps(act: Action, output: Tensor, grid: Grid) -> Tensor:
    """Act on patches ``(B, C, T', h, w)`` or tokens ``(B, T' h w, C)`` as on maps.

    The action is given ``(B * T', C, h, w)``.
    """
    if output.ndim == 5:
        acted: Tensor = act(output.transpose(1, 2).flatten(0, 1))
        patches: Tensor = acted.unflatten(0, (len(output), -1))
        return patches.transpose(1, 2)
    maps = output.unflatten(1, grid).flatten(0, 1).permute(0, 3, 1, 2)
    tokens: Tensor = act(maps)
    return tokens.permute(0, 2, 3, 1).reshape(output.shape)


def feature_sites(network: Any, stride: int, every: int) -> tuple[Site, ...]:
    """After the patch embedding, and after every ``every``-th block; 0 takes four of them."""
    count = len(network.blocks)
    step = every or max(1, -(-count // 4))
    modules = {"patches": "patch_embedding"}
    modules |= {f"block-{index}": f"blocks.{index}" for index in range(step // 2, count, step)}
    channels = network.config.num_attention_heads * network.config.attention_head_dim
    patch = network.config.patch_size[-1]
    return tuple(
        Site(
            name=name,
            kind="feature",
            channels=channels,
            stride=stride * patch,
            temporal_stride=4,
            module=module,
        )
        for name, module in modules.items()
    )


class Network:
    """One transformer, its attachments, and how it is told the time.

    Args:
        transformer: of diffusers.
        first_frame: whether it reads the photo as its first frame.
    """

    def __init__(self, transformer: Any, first_frame: bool) -> None:
        self.transformer = transformer
        self.first_frame = first_frame
        self._sites: dict[str, SiteModule] = {}
        #: Actions and grid of the batch at hand.
        self.held: tuple[Mapping[str, Action], Grid] | None = None
        #: The time of the step at hand, known without asking the device; caches go by it.
        self.at = 0.0
        config = transformer.config
        self._patch: tuple[int, int, int] = tuple(config.patch_size)

    def attach_sites(self, sites: Sequence[Site]) -> Detach:
        """Wrap the modules of feature sites; the returned function takes the wrappers away."""
        for site in sites:
            wrapper = SiteModule(self.transformer.get_submodule(site.module))
            self.transformer.set_submodule(site.module, wrapper)
            self._sites[site.name] = wrapper

        def detach() -> None:
            for site in sites:
                self.transformer.set_submodule(site.module, self._sites.pop(site.name).inner)

        return detach

    def velocity(self, latents: Tensor, time: Tensor, embedding: Embedding) -> Tensor:
        """The velocity ``(B, C, T', h, w)``, float32.

        Args:
            latents: noisy, ``(B, C, T', h, w)``.
            time: what the network is told of the level, ``(B,)``.
        """
        dtype = embedding.text.dtype
        condition = embedding.condition
        if self.first_frame:
            seen = torch.cat([condition.to(latents.dtype), latents[:, :, 1:]], dim=2)
            time = self._times(latents, time)
        else:
            seen = torch.cat([latents, condition.to(latents.dtype)], dim=1)
        self.hold(embedding.actions, self.grid(latents))
        try:
            with self.transformer.cache_context(embedding.context):
                output: Tensor = self.transformer(
                    hidden_states=seen.to(dtype),
                    timestep=time,
                    encoder_hidden_states=embedding.text,
                    encoder_hidden_states_image=embedding.tokens,
                    return_dict=False,
                )[0]
        finally:
            self.release()
        return output.float()

    def hold(self, actions: Mapping[str, Action], grid: Grid) -> None:
        """Let the sites act so from now on."""
        for name, module in self._sites.items():
            module.act, module.grid = actions.get(name), grid
        self.held = (actions, grid)

    def release(self) -> None:
        """Let no site act, and let go of the graph of a training step."""
        for module in self._sites.values():
            module.act = None
        self.held = None

    def blocks(self) -> Iterator[nn.Module]:
        """The parts whose activations are worth computing again, with the sites after them."""
        patches = self.transformer.patch_embedding
        if isinstance(patches, SiteModule):
            yield patches
        yield from self.transformer.blocks

    def set_cache(self, kind: str, threshold: float) -> None:
        """Turn a cache of diffusers over the steps on: an approximation, unless it is ``off``.

        Args:
            kind: ``off``; ``first-block`` skips the other blocks of a step where the first one's
                output hardly changed; ``pyramid`` computes attention in every other step in the
                middle of the schedule (pyramid attention broadcast).
            threshold: how much the first block may change.
        """
        if kind == "off":
            return
        import diffusers

        if kind == "first-block":
            told: Any = diffusers.FirstBlockCacheConfig(threshold=threshold)
        else:
            told = diffusers.PyramidAttentionBroadcastConfig(
                spatial_attention_block_skip_range=2,
                spatial_attention_timestep_skip_range=(100, 950),
                current_timestep_callback=lambda: self.at,
            )
        self.transformer.enable_cache(told)

    def forget(self) -> None:
        """Drop what a cache kept of an earlier video."""
        if self.transformer.is_cache_enabled:
            self.transformer._reset_stateful_cache()

    def grid(self, latents: Tensor) -> Grid:
        """Frames, height and width of the tokens of latents ``(B, C, T', h, w)``."""
        frames, height, width = (
            side // patch for side, patch in zip(latents.shape[-3:], self._patch, strict=True)
        )
        return frames, height, width

    def _times(self, latents: Tensor, time: Tensor) -> Tensor:
        """``(B, tokens)``: zero for those of the first frame, which is clean."""
        frames, height, width = self.grid(latents)
        times = time[:, None].repeat(1, frames * height * width)
        times[:, : height * width] = 0
        return times

"""How far the caches over the steps drift from the exact video, and what they skip.

    python benchmarks/wan_caches.py
    python benchmarks/wan_caches.py --device cuda --dtype bfloat16 \
        --weights Wan-AI/Wan2.1-I2V-14B-480P-Diffusers --photo photo.jpg --prompt "a boat"

For every cache and threshold, against the exact run of the same noise: the relative error of the
final latents, PSNR of the decoded frames, and which share of the blocks and of their self-attention
was not computed. Without ``--weights`` it runs on what a CPU can run:

* wan-random: 12 blocks of Wan2.1 with random weights; 40 steps with guidance
* tiny-flow: the trained toy that comes along, with diffusers' first-block cache hung on its blocks;
  16 steps without guidance. The pyramid needs diffusers' own attention and does not go with it.

Random weights say that the modes work and how drift grows with what is skipped; how well a video
survives only a trained model can tell.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))

from wan_gpu import MODELS, _components, _Texts, tiny

from kinema.interfaces import Backbone, Request
from kinema.sampling import sample
from kinema.testing.scenes import textured
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig, WanSample

#: First-block's thresholds, and the pyramid, which has none.
MODES: tuple[tuple[str, float], ...] = (
    *(("first-block", threshold) for threshold in (0.02, 0.05, 0.1, 0.2)),
    ("pyramid", 0.0),
)

BLOCKS = 12


@attrs.frozen(kw_only=True)
class Ran:
    """A run: final latents, frames in [0, 1], and how often a part was computed."""

    latents: Tensor
    frames: Tensor
    blocks: int
    attention: int


class Counter:
    """Counts the blocks that are computed and their self-attention, by a layer inside each.

    Args:
        blocks: of a transformer.
        parts: of a block, the layer that runs when it is computed, and that of its self-attention.
    """

    def __init__(self, blocks: Sequence[nn.Module], parts: tuple[str, str]) -> None:
        self.counts = [0, 0]
        self._handles = [
            block.get_submodule(part).register_forward_hook(self._count(index))
            for block in blocks
            for index, part in enumerate(parts)
        ]

    def _count(self, index: int) -> Callable[..., None]:
        def count(*_: Any) -> None:
            self.counts[index] += 1

        return count

    def close(self) -> None:
        """Count no more."""
        for handle in self._handles:
            handle.remove()


class WanSubject:
    """The backbone ``wan``.

    Args:
        backbone: whose cache is off.
        request: what is asked for, with both guidance terms.
        steps: of the sampling.
    """

    modes = MODES

    def __init__(self, backbone: WanBackbone, request: Request, steps: int) -> None:
        self.backbone, self.request, self.steps = backbone, request, steps

    def run(self, seed: int, mode: str, threshold: float) -> Ran:
        """One video."""
        networks = list(self.backbone.networks.values())
        blocks = [block for network in networks for block in network.transformer.blocks]
        for network in networks:
            network.set_cache(mode, threshold)
        counter = Counter(blocks, ("ffn", "attn1.to_q"))
        try:
            config = self.backbone.completed(WanSample(steps=self.steps))
            return _sampled(
                self.backbone, self.request, config, unipc(UniPCConfig()), seed, counter
            )
        finally:
            counter.close()
            for network in networks:
                if mode != "off":
                    network.transformer.disable_cache()


class TinyFlowSubject:
    """The trained toy ``tiny-flow``, on a made-up photo."""

    modes = tuple(mode for mode in MODES if mode[0] == "first-block")

    def __init__(self, steps: int) -> None:
        from kinema_backbones.tiny_flow.backbone import TinyFlowBackbone
        from kinema_backbones.tiny_flow.config import TinyFlowConfig, TinyFlowSample

        self.backbone = TinyFlowBackbone.of(TinyFlowConfig())
        self.config = TinyFlowSample(steps=steps)
        self.request = Request(
            image=textured(64, 64)[None],
            size=(64, 64),
            frames=8,
            fps=8.0,
            terms={"conditional": {}},
        )

    def run(self, seed: int, mode: str, threshold: float) -> Ran:
        """One video."""
        from kinema.solvers import euler

        network: Any = self.backbone.network
        counter = Counter(list(network.blocks), ("perceptron", "attention.to_q"))
        try:
            with _first_block(network, threshold) if mode != "off" else nullcontext():
                return _sampled(self.backbone, self.request, self.config, euler, seed, counter)
        finally:
            counter.close()


@contextmanager
def _first_block(network: Any, threshold: float) -> Iterator[None]:
    """Hang diffusers' cache on blocks that are not diffusers'."""
    from diffusers import CacheMixin, FirstBlockCacheConfig
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

    kind = type(network)
    told = TransformerBlockMetadata(return_hidden_states_index=0)
    told._cached_parameter_indices = {"hidden_states": 0}
    TransformerBlockRegistry.register(type(network.blocks[0]), told)
    network.__class__ = type("Cached", (CacheMixin, kind), {})
    network.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        with network.cache_context("conditional"):
            yield
    finally:
        network.disable_cache()
        network.__class__ = kind


def _sampled(
    backbone: Backbone, request: Request, config: Any, solver: Any, seed: int, counter: Counter
) -> Ran:
    shape = (1, *backbone.latent_shape(request.size, request.frames))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        embeddings = backbone.embed(request)
        latents = sample(backbone, embeddings, noise.to(backbone.device), config, solver=solver)
        frames = backbone.decode(latents)
    return Ran(
        latents=latents.float().cpu(),
        frames=frames.float().clamp(0, 1).cpu(),
        blocks=counter.counts[0],
        attention=counter.counts[1],
    )


def measured(subject: Any, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A row for every cache and threshold: means over seeds."""
    exact = {seed: subject.run(seed, "off", 0.0) for seed in seeds}
    rows = []
    for mode, threshold in subject.modes:
        each = [compared(subject.run(seed, mode, threshold), exact[seed]) for seed in seeds]
        means = {key: statistics.fmean(one[key] for one in each) for key in each[0]}
        rows.append({"cache": mode, "threshold": threshold, **means})
    return rows


def compared(made: Ran, exact: Ran) -> dict[str, float]:
    """Drift of a run from the exact one, and the shares that it skipped."""
    off = float((made.latents - exact.latents).norm() / exact.latents.norm())
    squared = float((made.frames - exact.frames).square().mean())
    return {
        "latent_error": off,
        "psnr": 10 * math.log10(1 / max(squared, 1e-12)),
        "blocks_skipped": 1 - made.blocks / exact.blocks,
        "attention_skipped": 1 - made.attention / exact.attention,
    }


def random_wan(steps: int) -> WanSubject:
    """Wan2.1's network with random weights, small and as deep as 12 blocks."""
    from diffusers import WanTransformer3DModel

    model = tiny(MODELS["wan2.1-i2v-14b"])
    model = attrs.evolve(model, transformer={**model.transformer, "num_layers": BLOCKS})
    parts = _components(model, torch.device("cpu"), torch.float32)
    torch.manual_seed(0)
    # As a network is drawn to be trained; the benchmark of speed takes weights of next to nothing.
    parts = attrs.evolve(parts, transformer=WanTransformer3DModel(**model.transformer).eval())
    generator = torch.Generator().manual_seed(0)
    backbone = WanBackbone(parts, WanConfig())
    texts = torch.randn(2, 1, 512, model.transformer["text_dim"], generator=generator)
    backbone.texts = _Texts(texts)  # type: ignore[assignment]
    tokens = torch.randn(1, 257, model.transformer["image_dim"], generator=generator)
    photo = textured(64, 64)[None]
    request = Request(
        image=photo,
        size=(64, 64),
        frames=5,
        fps=16.0,
        terms={"conditional": {}, "unconditional": {}},
        prompts=["prompt"],
        negative_prompts=["negative"],
        cached={"tokens": tokens},
    )
    return WanSubject(backbone, request, steps)


def real_wan(options: argparse.Namespace) -> WanSubject:
    """Weights and a photo of one's own."""
    config = WanConfig(
        weights=options.weights, device=options.device, dtype=options.dtype, memory=options.memory
    )
    backbone = WanBackbone.load(config)
    native = backbone.native
    width, height = native.size
    picture = Image.open(options.photo).convert("RGB").resize((width, height))
    request = Request(
        image=torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255,
        size=native.size,
        frames=native.frames,
        fps=native.fps,
        terms={"conditional": {}, "unconditional": {}},
        prompts=[options.prompt],
        negative_prompts=[None],
    )
    return WanSubject(backbone, request, options.steps or 0)


def main(arguments: Sequence[str] | None = None) -> Mapping[str, Any]:
    """Measure, print, and write what was asked for."""
    options = _options(arguments)
    subjects: dict[str, Any] = {}
    if options.weights:
        subjects[Path(options.weights).name] = real_wan(options)
    else:
        subjects["wan-random"] = random_wan(options.steps or 40)
        subjects["tiny-flow"] = TinyFlowSubject(options.steps or 16)
    found = {name: measured(subject, options.seeds) for name, subject in subjects.items()}
    for name, rows in found.items():
        print(f"\n{name}")
        print("| cache | blocks skipped | self-attention skipped | error of latents | PSNR |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for row in rows:
            mode = row["cache"] + (f", {row['threshold']:g}" if row["threshold"] else "")
            print(
                f"| {mode} | {row['blocks_skipped']:.0%} | {row['attention_skipped']:.0%} | "
                f"{row['latent_error']:.3f} | {row['psnr']:.1f} dB |"
            )
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--weights", default="", help="of Wan; none measures the small models")
    parser.add_argument("--photo", help="with --weights")
    parser.add_argument("--prompt", default="", help="with --weights")
    parser.add_argument("--device", default="cpu", help="with --weights")
    parser.add_argument("--dtype", default="float32", help="with --weights")
    parser.add_argument("--memory", default="default", help="with --weights")
    parser.add_argument("--steps", type=int, default=0, help="0 takes 40, and 16 of tiny-flow")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the noise")
    parser.add_argument("--out", help="write the numbers as JSON")
    found = parser.parse_args(arguments)
    if found.weights and not found.photo:
        parser.error("--weights needs --photo: drift on noise says nothing")
    return found


if __name__ == "__main__":
    main()

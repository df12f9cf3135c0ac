"""How fast MotionPro trains on Stable Video Diffusion, against the published recipe.

All rivals run in one process:

    python benchmarks/train_gpu.py --out train.json

Random full-size weights, with the layers that start at zero filled with random values. The rivals
take turns (A, B, C, A, B, C, ...), so a drifting clock hits all alike; medians and spread are
reported, the first step (warm-up) beside them. ``--tiny --device cpu`` runs the same on a network
that a CPU can run; its numbers say nothing.

* kinema: prepared latents and image embeddings, one frame encoded per clip, cross-attention folded,
  whole blocks recomputed, the controller's too
* published: all frames and the image encoded at every step, cross-attention computed, whole blocks
  of the network recomputed
* diffusers: the same with the checkpointing of diffusers, which leaves the temporal blocks out; a
  batch of 8 may not fit, and the table then says so

All train LoRA on every Linear layer and the controller with AdamW, in bfloat16 with float32
weights, on the same signals.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import Adaptation, Request
from kinema.noise import Streams
from kinema.signals import MotionSignal
from kinema_backbones.adaptation import recompute
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig, SvdTraining
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes
from kinema_backbones.svd.training import blocks

TINY = NetworkSizes(
    model_channels=32, channel_mult=(1, 2), num_head_channels=16, context_dim=48,
    addition_time_embed_dim=16,
).tiny()  # fmt: skip
RIVALS = ("kinema", "published", "diffusers")

#: Nothing is dropped, so that every step does the same work.
TRAINING = SvdTraining(drop_image_embedding=0.0, drop_image_latent=0.0, motion_bucket=17.0)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark, print its table, and return what was measured.

    Raises:
        InputError: CUDA is asked for and absent.
    """
    options = _options(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            "This benchmark measures a GPU, and torch sees no CUDA device here. Run it where there "
            "is one, or try it out with --tiny --device cpu."
        )
    results = {
        "machine": _machine(options.device),
        "clip": {"size": options.size, "frames": options.frames, "batch": options.batch},
        "rivals": race(options),
    }
    _print(results)
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def race(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Seconds per step, clips per second and peak memory of each; or why it could not run."""
    steps: dict[str, Step] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in options.only or RIVALS:
        step = Step(options, name)
        found[name] = _attempt(step)
        step.rest()
        if "refused" not in found[name]:
            steps[name] = step
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            # Only one of them is on the device while it is measured.
            step.wake()
            times[name].append(_timed(step))
            step.rest()
    for name, seconds in times.items():
        median = statistics.median(seconds)
        found[name] |= {
            "median": median, "lowest": min(seconds), "highest": max(seconds),
            "clips_per_second": options.batch / median,
        }  # fmt: skip
    return found


class Step:
    """One update of the weights, as one of the rivals does it."""

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        self.options, self.name, self.online = options, name, name != "kinema"
        self.device = torch.device(options.device)
        self.backbone = build_from_sizes(
            TINY if options.tiny else NetworkSizes(),
            SvdConfig(
                device=options.device, dtype="bfloat16", fold_cross_attention=not self.online,
                attention="sdpa",
            ),
        )  # fmt: skip
        self.controller = ModulationController()
        self.backbone.attach(self.controller)
        rank = 4 if options.tiny else 32
        self.unet = self.backbone.adapt(
            Adaptation(targets="all-linear", rank=rank, checkpointing=name == "kinema")
        )
        if name == "published":
            recompute(blocks(self.unet), self.backbone.network)
        if name == "diffusers":
            self.backbone.components.unet.enable_gradient_checkpointing()
        modules: tuple[nn.Module, ...] = (self.unet, self.controller)
        self.trained = [p for m in modules for p in m.parameters() if p.requires_grad]
        _fill(self.trained)
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-5)
        self.steps = 0
        self.batch = _batch(options, self.backbone)

    def __call__(self) -> None:
        """Forward, backward, update."""
        clips = range(self.options.batch)
        streams = [Streams(f"{self.steps} {clip}") for clip in clips]
        drawn = self.backbone.draw(TRAINING, streams, torch.zeros(len(clips)))
        with torch.autocast(self.device.type, torch.bfloat16):
            clean, cached = self._inputs()
            signal = MotionSignal(maps=self.batch["maps"], channels=("dx", "dy", "mask"))
            actions = self.controller.actions(signal, self.backbone.sites)
            width, height = _size(self.options)
            embedding = self.backbone.embed(
                Request(
                    image=self.batch["images"],
                    size=(width, height),
                    frames=self.options.frames,
                    fps=8.0,
                    terms={"conditional": actions},
                    streams=streams,
                    cached=cached,
                    dropped=drawn.dropped,
                    drawn=drawn.told,
                )
            )["conditional"]
            level = drawn.level.to(self.device)
            noisy = level.noisy(clean, torch.randn_like(clean))
            denoised = self.backbone.denoise(noisy, level, [embedding])[0]
        if self.name == "diffusers":
            # Its checkpointing knows nothing of sites, so they stay held for the second pass.
            batch = next(iter(embedding.batches.values()))
            self.backbone.network.hold(batch, self.options.frames)
        error = (denoised - clean).square().mean(dim=(1, 2, 3, 4))
        (drawn.weight.to(self.device) * error).mean().backward()
        self.backbone.network.release()
        self.steps += 1
        self.optimizer.step()
        self.optimizer.zero_grad()

    def rest(self) -> None:
        """Leave the device to the others."""
        self._move(torch.device("cpu"))

    def wake(self) -> None:
        """Come back to the device."""
        self._move(self.device)

    def _move(self, device: torch.device) -> None:
        for module in (*self.backbone.components.all().values(), self.controller):
            nn.Module.to(module, device)
        for state in self.optimizer.state.values():
            for key, value in state.items():
                if isinstance(value, Tensor) and value.ndim:
                    state[key] = value.to(device)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def _inputs(self) -> tuple[Tensor, dict[str, Tensor]]:
        if not self.online:
            return self.batch["latents"], {"image_embeds": self.batch["image_embeds"]}
        videos = [self.backbone.encode(video[None]) for video in self.batch["frames"]]
        return torch.cat(videos), {}


def _batch(options: argparse.Namespace, backbone: SvdBackbone) -> dict[str, Tensor]:
    width, height = _size(options)
    generator = torch.Generator().manual_seed(1)
    shape = (options.batch, options.frames, 3, height, width)
    frames = torch.rand(shape, generator=generator).to(backbone.device)
    latents = torch.randn(
        options.batch, *backbone.latent_shape((width, height), options.frames), generator=generator
    )
    maps = torch.randn(shape, generator=generator) * 4
    return {
        "frames": frames,
        "images": frames[:, 0],
        "latents": latents.to(backbone.device),
        "maps": maps.to(backbone.device),
        "image_embeds": backbone.encodings(frames[:, 0])["image_embeds"],
    }


@torch.no_grad()
def _fill(parameters: Sequence[nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(2)
    for parameter in parameters:
        if not parameter.any():
            random = torch.randn(parameter.shape, generator=generator) * 0.02
            parameter.copy_(random.to(parameter.device))


def _attempt(step: Step) -> dict[str, Any]:
    """The first steps of a rival: warm-up, and the peak memory of the one after."""
    try:
        first = _timed(step)
        if step.device.type != "cuda":
            return {"first": first, "peak_gib": 0.0}
        torch.cuda.reset_peak_memory_stats()
        _timed(step)
        return {"first": first, "peak_gib": torch.cuda.max_memory_allocated() / 2**30}
    except torch.OutOfMemoryError:
        return {"refused": "out of memory"}


def _timed(step: Step) -> float:
    _synchronise(step.device)
    start = time.perf_counter()
    step()
    _synchronise(step.device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _size(options: argparse.Namespace) -> tuple[int, int]:
    width, height = (int(side) for side in options.size.split("x"))
    return width, height


def _machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    day = datetime.now(UTC).date().isoformat()
    return {"device": name, "torch": torch.__version__, "date": day}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", default="512x320")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=RIVALS, help="names of rivals")
    parser.add_argument("--tiny", action="store_true", help="a network that a CPU can run")
    parser.add_argument("--out", help="JSON file to write")
    return parser.parse_args(arguments)


def _print(results: dict[str, Any]) -> None:
    machine, clip, rivals = results["machine"], results["clip"], results["rivals"]
    _say(f"{machine['device']}, torch {machine['torch']}, {machine['date']}: batches of "
         f"{clip['batch']} clips of {clip['frames']} frames, {clip['size']} pixels.\n")  # fmt: skip
    _say("| what | clips/s | median s | lowest | highest | first | peak GiB |")
    _say("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, found in rivals.items():
        if "refused" in found:
            _say(f"| {name} | {found['refused']} | | | | | |")
            continue
        numbers = (found[key] for key in ("clips_per_second", "median", "lowest", "highest",
                                          "first"))  # fmt: skip
        cells = " | ".join(f"{number:.3f}" for number in numbers)
        _say(f"| {name} | {cells} | {found['peak_gib']:.1f} |")
    speeds = [rivals.get(name, {}).get("clips_per_second") for name in RIVALS[:2]]
    if all(speeds):
        _say(f"\nkinema / published: {speeds[0] / speeds[1]:.2f}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))

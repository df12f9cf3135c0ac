"""How fast controlled Stable Video Diffusion is, against five baselines, in one process.

    python benchmarks/svd_gpu.py --device cuda --out svd.json

Random full-size weights, with the layers that start at zero filled with random values. The rivals
take turns (A, B, C, A, B, C, ...), so a drifting clock hits all alike; medians and spread are
reported, warm-up is reported beside them. ``--tiny`` runs the same on a network that a CPU can run.

* published fp32: the published graph; LoRA unmerged, encoder in every step and half, VAE chunk 1
* published bf16: the same in bfloat16
* diffusers: its own SVD pipeline in bfloat16, without control, eager
* diffusers compiled: with its U-Net compiled
* kinema: merged, folded, hoisted, compiled, the whole clip decoded as one chunk
* kinema without control
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image

from kinema import Drag, Motion
from kinema.session.session import Session
from kinema_backbones.control.checkpoint import save_controller
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.lora import new_lora_files
from kinema_backbones.svd.sizes import NetworkSizes, build_components
from kinema_backbones.svd.weights import load_components, save_components

Make = Callable[[], Any]

TINY = NetworkSizes(
    model_channels=32, channel_mult=(1, 2), num_head_channels=16, context_dim=48,
    addition_time_embed_dim=16,
).tiny()  # fmt: skip
MEMORY: dict[str, dict[str, Any]] = {
    "default": {"memory": "default", "decode_chunk": 8},
    "offload": {"memory": "offload", "decode_chunk": 4},
    "minimal": {"memory": "minimal", "decode_chunk": 1},
}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark, print its tables, and return what was measured."""
    options = _options(arguments)
    if options.compile_backend:
        torch.compile = functools.partial(torch.compile, backend=options.compile_backend)
    compile_as_given = torch.compile
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        try:
            results = {
                "machine": _machine(options.device),
                "clip": {"size": options.size, "frames": options.frames, "steps": options.steps},
                "seconds": bench.race(options.only, options.rounds),
                "memory": {} if options.skip_memory else bench.memory(),
            }
        finally:
            torch.compile = compile_as_given
    _print(results)
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


class Bench:
    """The networks on disk, and the rivals that load them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        width, height = (int(side) for side in options.size.split("x"))
        self.weights, self.controller = _write_weights(
            TINY if options.tiny else NetworkSizes(), folder
        )
        generator = np.random.default_rng(0)
        noise = generator.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
        self.photo = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        x, y = width // 3, height // 2
        self.motion = Motion(canvas=(width, height), drags=[Drag([(x, y), (x + width // 4, y)])])
        self.rivals: dict[str, Make] = {
            "published fp32": lambda: self.published("float32"),
            "published bf16": lambda: self.published("bfloat16"),
            "diffusers": lambda: self.diffusers(compiled=False),
            "diffusers compiled": lambda: self.diffusers(compiled=True),
            "kinema": lambda: self.controlled(self.controller, compile="on", decode_chunk=0),
            "kinema without control": lambda: self.controlled(None, compile="on", decode_chunk=0),
        }

    def race(self, only: Sequence[str], rounds: int) -> dict[str, Any]:
        """Seconds per video of each rival: warm-up, median, lowest and highest."""
        runs, warm = {}, {}
        for name, make in self.rivals.items():
            if only and name not in only:
                continue
            runs[name] = make()
            warm[name] = self._seconds(runs[name])
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                times[name].append(self._seconds(run))
        return {
            name: {
                "first": warm[name],
                "median": statistics.median(values),
                "lowest": min(values),
                "highest": max(values),
            }
            for name, values in times.items()
        }

    def memory(self) -> dict[str, Any]:
        """Peak device memory (0 on a CPU) and seconds of each memory mode."""
        found = {}
        for name, options in MEMORY.items():
            gc.collect()
            on_gpu = self.options.device.startswith("cuda")
            if on_gpu:
                torch.cuda.empty_cache()
            run = self.controlled(self.controller, "bfloat16", **options)
            self._seconds(run)
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
            seconds = self._seconds(run)
            peak = torch.cuda.max_memory_allocated() if on_gpu else 0
            found[name] = {**options, "gb": peak / 1e9, "seconds": seconds}
            del run
        return found

    # -- the rivals ---------------------------------------------------------------------------

    def controlled(self, controller: Path | None, dtype: str = "bfloat16", **options: Any) -> Make:
        """A session, as products use it."""
        session = self._session(controller, dtype, options)
        return lambda: self._animate(session)

    def published(self, dtype: str) -> Make:
        """The published graph: nothing merged, folded or hoisted."""
        plain = {"fold_cross_attention": False, "merge_lora": False, "channels_last": False,
                 "decode_chunk": 1}  # fmt: skip
        session = self._session(self.controller, dtype, plain)
        backbone, controller = session.backbone, session.controller
        assert isinstance(backbone, SvdBackbone)
        assert controller is not None
        inner = backbone.denoise
        seen: dict[str, Any] = {}
        actions = controller.actions

        def remember(signal: Any, sites: Any, scenes: Any) -> Any:
            seen["signal"], seen["scenes"] = signal, scenes
            return actions(signal, sites, scenes)

        def denoise(latents: Any, level: Any, embeddings: Sequence[Any]) -> Any:
            again = [
                attrs.evolve(
                    embedding,
                    actions=actions(seen["signal"], backbone.sites, seen["scenes"]),
                    batches={},
                )
                for embedding in embeddings
            ]
            return inner(latents, level, again)

        controller.actions = remember  # type: ignore[method-assign]
        backbone.denoise = denoise  # type: ignore[method-assign]
        return lambda: self._animate(session)

    def diffusers(self, *, compiled: bool) -> Make:
        """The pipeline of diffusers, without control."""
        from diffusers import EulerDiscreteScheduler, StableVideoDiffusionPipeline

        parts = load_components(str(self.weights), torch.bfloat16)
        scheduler = EulerDiscreteScheduler(
            prediction_type="v_prediction", use_karras_sigmas=True, sigma_min=0.002,
            sigma_max=700.0, timestep_spacing="leading", timestep_type="continuous",
        )  # fmt: skip
        pipeline = StableVideoDiffusionPipeline(
            vae=parts.vae, image_encoder=parts.image_encoder, unet=parts.unet,
            scheduler=scheduler, feature_extractor=_Normalise(),
        ).to(self.options.device)  # fmt: skip
        pipeline.set_progress_bar_config(disable=True)
        if compiled:
            pipeline.unet = torch.compile(pipeline.unet, fullgraph=True)
        width, height = self.motion.canvas

        def run() -> None:
            made = pipeline(
                self.photo, width=width, height=height, num_frames=self.options.frames,
                num_inference_steps=self.options.steps, min_guidance_scale=1.0,
                max_guidance_scale=2.5, motion_bucket_id=17,
                decode_chunk_size=self.options.frames, output_type="pt",
                generator=torch.Generator().manual_seed(0),
            )  # fmt: skip
            (made.frames * 255).round().to(torch.uint8).cpu()

        return run

    def _session(self, controller: Path | None, dtype: str, options: dict[str, Any]) -> Session:
        return Session(
            "svd",
            weights=self.weights,
            controller=controller,
            device=self.options.device,
            dtype=dtype,
            sample={"steps": self.options.steps},
            options=options,
        )

    def _animate(self, session: Session) -> None:
        session.animate(self.photo, self.motion, frames=self.options.frames, seed=0)

    def _seconds(self, run: Make) -> float:
        self._synchronise()
        start = time.perf_counter()
        run()
        self._synchronise()
        return time.perf_counter() - start

    def _synchronise(self) -> None:
        if self.options.device.startswith("cuda"):
            torch.cuda.synchronize()


class _Normalise:
    """What the pipeline needs of CLIP's image processor, which itself needs torchvision."""

    def __call__(self, images: torch.Tensor, **_: Any) -> SimpleNamespace:
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
        return SimpleNamespace(pixel_values=(images - mean) / std)


def _write_weights(sizes: NetworkSizes, folder: Path) -> tuple[Path, Path]:
    """A diffusers folder and a controller folder; no layer is left at zero."""
    components = build_components(sizes)
    generator = torch.Generator().manual_seed(1)
    backbone = SvdBackbone(components, SvdConfig(dtype="bfloat16", fold_cross_attention=False))
    controller = ModulationController()
    controller.prepare(backbone.sites)
    with torch.no_grad():
        for parameter in controller.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    rank = 4 if sizes is TINY else 32
    state = {}
    for path, module in components.unet.named_modules():
        if isinstance(module, torch.nn.Linear):
            down, up = (rank, module.in_features), (module.out_features, rank)
            for leaf, shape in (("lora_A", down), ("lora_B", up)):
                random = torch.randn(shape, generator=generator) * 0.02
                state[f"{path}.{leaf}.weight"] = random.bfloat16()
    lora = new_lora_files(state, "all-linear", rank, rank)
    controlled = save_controller(controller.bfloat16(), folder / "controller", lora=lora)
    return save_components(components, folder / "svd"), controlled


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", default="512x320")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=(), help="names of rivals")
    parser.add_argument("--tiny", action="store_true", help="a network that a CPU can run")
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--compile-backend", default="", help="of torch.compile")
    parser.add_argument("--out", help="JSON file to write")
    return parser.parse_args(arguments)


def _machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    day = datetime.now(UTC).date().isoformat()
    return {"device": name, "torch": torch.__version__, "date": day}


def _print(results: dict[str, Any]) -> None:
    _say(f"{results['machine']} {results['clip']}")
    _say("| what | median s | lowest | highest | first |\n|---|---|---|---|---|")
    for name, t in results["seconds"].items():
        cells = " | ".join(f"{t[key]:.3f}" for key in ("median", "lowest", "highest", "first"))
        _say(f"| {name} | {cells} |")
    if results["memory"]:
        _say("| memory | decode chunk | peak GB | s |\n|---|---|---|---|")
        for name, m in results["memory"].items():
            _say(f"| {name} | {m['decode_chunk']} | {m['gb']:.2f} | {m['seconds']:.3f} |")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
    sys.exit(0)

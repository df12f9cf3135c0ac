"""How fast Wan is here, against diffusers' own pipeline, in one process.

    python benchmarks/wan_gpu.py --device cuda --out wan.json

Random full-size weights; photo and motion in, uint8 frames out. The rivals take turns (A, B, A, B,
...), so a drifting clock hits all alike; medians and spread are reported, the first run beside
them. Every model is measured in its published form:

* wan2.1-i2v-14b: 832x480, 81 frames, 40 steps with guidance; at most 300 s on an H100
* wan2.2-ti2v-5b: 1280x704, 121 frames, 50 steps with guidance; at most 150 s on an H100

and its rivals are

* diffusers: its pipeline in bfloat16, eager
* kinema: attention measured per shape, blocks compiled
* kinema with latent-splat: the same, steered; its share above is the cost of control (14B only)

``--tiny`` runs the same on models that a CPU can run. Texts are random embeddings for all: a text
encoder of 11 GB would be measured once and say nothing about the model. ``--caches`` also measures
how far the approximate caches drift from the exact video, and what they save.

All steps of a video cost the same, so ``--brief`` runs few of them, twice over with different
counts, and reckons the whole from the line through both: minutes of a GPU instead of an hour. The
table says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.interfaces import Actions, Request
from kinema.sampling import sample
from kinema.signals import MotionSignal
from kinema_backbones.control.latent_splat import LatentSplat
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig, WanSample
from kinema_backbones.wan.counting import count_forward
from kinema_backbones.wan.families import family_of
from kinema_backbones.wan.weights import Components, cast

Run = Callable[[int], Tensor]
"""Steps to frames."""

BRIEF = (1, 3)
"""Steps of the two short runs."""

_I2V: dict[str, Any] = {"in_channels": 36, "out_channels": 16, "num_layers": 40,
                        "image_dim": 1280, "added_kv_proj_dim": 5120}  # fmt: skip
_TI2V: dict[str, Any] = {"in_channels": 48, "out_channels": 48, "num_layers": 30,
                         "num_attention_heads": 24, "ffn_dim": 14336}  # fmt: skip
_WIDE_VAE: dict[str, Any] = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12,
    "out_channels": 12, "patch_size": 2, "scale_factor_spatial": 16, "attn_scales": [],
    "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
}  # fmt: skip
_SMALL: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 2,
                          "ffn_dim": 32, "text_dim": 16, "freq_dim": 64}  # fmt: skip


@attrs.frozen(kw_only=True)
class Model:
    """A model and the form it is measured in."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    size: tuple[int, int]
    frames: int
    steps: int
    seconds: float


MODELS = {
    "wan2.1-i2v-14b": Model(
        transformer=_I2V, vae={}, size=(832, 480), frames=81, steps=40, seconds=300
    ),
    "wan2.2-ti2v-5b": Model(
        transformer=_TI2V, vae=_WIDE_VAE, size=(1280, 704), frames=121, steps=50, seconds=150
    ),
}


def tiny(model: Model) -> Model:
    """The same kind of model, small enough for a CPU."""
    thin = {"base_dim": 6, "dim_mult": [1, 1, 2, 2], "num_res_blocks": 1}
    if model.vae:
        thin = {**_WIDE_VAE, **thin, "decoder_base_dim": 6}
    transformer = {**model.transformer, **_SMALL}
    if "image_dim" in transformer:
        transformer |= {"image_dim": 20, "added_kv_proj_dim": 24}
    return attrs.evolve(
        model, transformer=transformer, vae=thin, size=(64, 64), frames=5, steps=2, seconds=60
    )


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark, print its tables, and return what was measured."""
    options = _options(arguments)
    results: dict[str, Any] = {"machine": _machine(options.device), "models": {}}
    for name in options.models or MODELS:
        model = tiny(MODELS[name]) if options.tiny else MODELS[name]
        results["models"][name] = Bench(model, options).results()
        if options.out:
            Path(options.out).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if options.device.startswith("cuda"):
            torch.cuda.empty_cache()
    _print(results)
    return results


class Bench:
    """One model with random weights, and its rivals, which share them."""

    def __init__(self, model: Model, options: argparse.Namespace) -> None:
        self.model, self.options = model, options
        self.device = torch.device(options.device)
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.parts = _components(model, self.device, self.dtype)
        generator = torch.Generator().manual_seed(0)
        width, height = model.size
        self.photo = torch.rand(1, 3, height, width, generator=generator)
        config = self.parts.transformer.config
        self.texts = torch.randn(2, 1, 512, config.text_dim, generator=generator).to(self.dtype)
        self.tokens = None
        if config.image_dim:
            self.tokens = torch.randn(1, 257, config.image_dim, generator=generator)
        shape = (1, *self.backbone(compiled=False).latent_shape(model.size, model.frames))
        self.noise = torch.randn(shape, generator=generator).to(self.device)
        self.tracks = _tracks(model)

    def results(self) -> dict[str, Any]:
        """Seconds of each rival, work per forward, and what caches save and cost."""
        shape = tuple(self.noise.shape[1:])
        work = count_forward(self.parts.transformer.config, shape, self.dtype)  # type: ignore[arg-type]
        found: dict[str, Any] = {
            "form": {
                "size": self.model.size, "frames": self.model.frames, "steps": self.model.steps,
                "goal_seconds": self.model.seconds,
            },
            "tera_per_forward": work.operations / 1e12,
            "reckoned": self.options.brief,
            "seconds": self._race(),
        }  # fmt: skip
        if self.options.caches:
            found["caches"] = self._caches()
        return found

    def _race(self) -> dict[str, dict[str, float]]:
        rivals: dict[str, Run] = {"diffusers": self._diffusers, "kinema": self._kinema(None)}
        if self.parts.family.condition == "channels":
            rivals["kinema with latent-splat"] = self._kinema(LatentSplat())
        first = {name: self._seconds(run, BRIEF[0]) for name, run in rivals.items()}
        times: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(self.options.rounds):
            for name, run in rivals.items():
                times[name].append(self._whole(run))
        return {
            name: {
                "first": first[name],
                "median": statistics.median(values),
                "lowest": min(values),
                "highest": max(values),
            }
            for name, values in times.items()
        }

    def _whole(self, run: Run) -> float:
        """Seconds of all steps: measured, or reckoned from two short runs."""
        steps = self.model.steps
        if not self.options.brief:
            return self._seconds(run, steps)
        few, more = (self._seconds(run, count) for count in BRIEF)
        return few + (more - few) / (BRIEF[1] - BRIEF[0]) * (steps - BRIEF[0])

    def _caches(self) -> dict[str, dict[str, float]]:
        exact = self._kinema(None, compiled=False)
        steps = self.model.steps
        wanted, seconds = exact(steps).float(), self._seconds(exact, steps)
        found = {}
        for cache in ("first-block", "pyramid"):
            run = self._kinema(None, compiled=False, cache=cache)
            made = run(steps).float()
            drift = (made - wanted).abs().mean()
            found[cache] = {"drift": float(drift), "share": self._seconds(run, steps) / seconds}
            self.parts.transformer.disable_cache()
        return found

    # -- the rivals ---------------------------------------------------------------------------

    def backbone(self, compiled: bool, cache: str = "off") -> WanBackbone:
        """The model behind kinema's protocol."""
        config = WanConfig(
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            compile="on" if compiled else "off",
            cache=cache,
        )
        made = WanBackbone(self.parts, config)
        made.texts = _Texts(self.texts)  # type: ignore[assignment]
        return made

    def _kinema(
        self, controller: LatentSplat | None, compiled: bool | None = None, cache: str = "off"
    ) -> Run:
        compiled = self.options.compile if compiled is None else compiled
        backbone = self.backbone(compiled, cache)

        def run(steps: int) -> Tensor:
            told: SampleConfig = backbone.completed(WanSample(steps=steps, spacing="unipc"))
            acts: Actions = {}
            if controller is not None:
                acts = controller.actions(self.tracks, backbone.sites)
            request = Request(
                image=self.photo,
                size=self.model.size,
                frames=self.model.frames,
                fps=16.0,
                terms={"conditional": acts, "unconditional": acts},
                prompts=["prompt"],
                negative_prompts=["negative"],
                cached={} if self.tokens is None else {"tokens": self.tokens},
            )
            embeddings = backbone.embed(request)
            latents = sample(backbone, embeddings, self.noise, told, solver=unipc(UniPCConfig()))
            with torch.no_grad():
                return _bytes(backbone.decode(latents))

        return run

    def _diffusers(self, steps: int) -> Tensor:
        from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline

        family = self.parts.family
        pipeline: Any = WanImageToVideoPipeline(
            tokenizer=None,
            text_encoder=None,
            vae=self.parts.vae,
            transformer=self.parts.transformer,
            expand_timesteps=family.condition == "first-frame",
            scheduler=UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=family.shift
            ),
        )
        tokens = self.tokens
        pipeline.encode_image = lambda *_: None if tokens is None else tokens.to(self.device)
        pipeline.set_progress_bar_config(disable=True)
        width, height = self.model.size
        with _eager(self.parts.transformer):
            frames = self._piped(pipeline, width, height, steps)
        return _bytes(frames)

    def _piped(self, pipeline: Any, width: int, height: int, steps: int) -> Tensor:
        frames: Tensor = pipeline(
            image=self.photo,
            height=height,
            width=width,
            num_frames=self.model.frames,
            num_inference_steps=steps,
            guidance_scale=self.parts.family.guidance,
            latents=self.noise.transpose(1, 2),
            prompt_embeds=self.texts[0].to(self.device),
            negative_prompt_embeds=self.texts[1].to(self.device),
            output_type="pt",
            return_dict=False,
        )[0]
        return frames

    def _seconds(self, run: Run, steps: int) -> float:
        _synchronise(self.device)
        start = time.perf_counter()
        run(steps)
        _synchronise(self.device)
        return time.perf_counter() - start


@contextmanager
def _eager(transformer: Any) -> Iterator[None]:
    """The blocks as diffusers runs them of itself: not compiled, attention of its own choice."""
    compiled = {block: block._compiled_call_impl for block in transformer.blocks}
    for module in transformer.modules():
        if hasattr(module, "processor"):
            module.processor._attention_backend = None
    for block in compiled:
        block._compiled_call_impl = None
    try:
        yield
    finally:
        for block, call in compiled.items():
            block._compiled_call_impl = call


class _Texts:
    """Random embeddings in place of a text encoder."""

    def __init__(self, texts: Tensor) -> None:
        self._texts = {"prompt": texts[0], "negative": texts[1]}

    def missing(self, texts: Sequence[str]) -> bool:
        return False

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.cat([self._texts[text] for text in texts])


def _components(model: Model, device: torch.device, dtype: torch.dtype) -> Components:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    torch.manual_seed(0)
    with torch.device("meta"):
        transformer = WanTransformer3DModel(**model.transformer)
    rope = transformer.rope
    transformer.rope = type(rope)(rope.attention_head_dim, rope.patch_size, rope.max_seq_len)
    vae = AutoencoderKLWan(**model.vae)
    for module in transformer.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                values = torch.randn(parameter.shape, device=device, dtype=dtype) * 0.02
                module._parameters[name] = torch.nn.Parameter(values, requires_grad=False)
    cast(transformer, dtype)
    transformer.to(device)
    for name, parameter in transformer.named_parameters():
        if any(part in name.split(".") for part in transformer._keep_in_fp32_modules):
            parameter.data = parameter.data.float()
    vae.to(device)
    family = family_of(transformer.config, {}, vae.config.z_dim)
    return Components(
        family=family,
        transformer=transformer.eval(),
        vae=vae.eval(),
        image_encoder=None,
        texts=lambda: (None, None),
    )


def _tracks(model: Model) -> MotionSignal:
    """A grid of 64 points that go to the right."""
    width, height = model.size
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    starts = torch.stack([(x + 0.5) * width / 8, (y + 0.5) * height / 8], dim=-1).view(1, 64, 2)
    moves = torch.linspace(0, width / 16, model.frames).view(-1, 1, 1) * torch.tensor([1.0, 0.0])
    places = starts + moves
    return MotionSignal(tracks=places, visible=torch.ones(places.shape[:2], dtype=torch.bool))


def _bytes(frames: Tensor) -> Tensor:
    return (frames.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _machine(device: str) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return {"device": name, "torch": torch.__version__}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="models that a CPU can run")
    parser.add_argument("--caches", action="store_true", help="measure the approximate caches too")
    parser.add_argument("--brief", action="store_true", help="few steps; reckon the rest")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--out", help="write the numbers as JSON")
    return parser.parse_args(arguments)


def _print(results: dict[str, Any]) -> None:
    print(f"{results['machine']['device']}, torch {results['machine']['torch']}")
    for name, found in results["models"].items():
        form = found["form"]
        width, height = form["size"]
        print(
            f"\n{name}: {width}x{height}x{form['frames']}, {form['steps']} steps, "
            f"{found['tera_per_forward']:.0f} TFLOP per forward, goal {form['goal_seconds']:.0f} s"
            + (
                f", reckoned from runs of {BRIEF[0]} and {BRIEF[1]} steps"
                if found["reckoned"]
                else ""
            )
        )
        print("| rival | median | lowest | highest | first |\n| --- | ---: | ---: | ---: | ---: |")
        for rival, seconds in found["seconds"].items():
            row = [f"{seconds[key]:.2f} s" for key in ("median", "lowest", "highest", "first")]
            print(f"| {rival} | {' | '.join(row)} |")
        for cache, told in found.get("caches", {}).items():
            print(
                f"cache {cache}: {told['share']:.2f} of the time, {told['drift']:.2f} grey levels "
                "off on average"
            )


if __name__ == "__main__":
    main()

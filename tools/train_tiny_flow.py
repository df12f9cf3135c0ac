"""Train the backbone ``tiny-flow`` and its controller from nothing, on clips drawn on the way.

One network learns all ways of control at once, so that they can be compared on it: a share of the
clips of every step is told nothing, a share its motion by ``modulation`` at the feature sites, and
a share each by ``latent-copy`` and ``latent-splat`` at the photo's latents. Run from the root of
the repository; needs no more than torch, numpy, safetensors, attrs and pluggy once the bank of
surfaces is drawn:

    python tools/train_tiny_flow.py --bank runs/tiny-flow/bank.safetensors --draw-bank
    python tools/train_tiny_flow.py --bank runs/tiny-flow/bank.safetensors --seeds 0 1 2 \
        --seconds 210 --out runs/tiny-flow
    python tools/train_tiny_flow.py --unpack runs/tiny-flow/seed-0.safetensors --out WEIGHTS

The number of steps follows from ``--seconds`` for all seeds, or is given with ``--steps``. A
training that was cut off goes on from its last state.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

ROOT = Path(__file__).parent.parent
# A machine that only trains need not have them installed.
sys.path[:0] = [str(ROOT / "tools"), *(str(p) for p in ROOT.glob("packages/*/src"))]

from tiny_flow_clips import FRAMES, Bank, Renderer  # noqa: E402
from tiny_flow_signals import (  # noqa: E402
    copied,
    draw_drags,
    region_maps,
    splatted,
    track_points,
)

from kinema.interfaces import Action  # noqa: E402
from kinema.levels import Level  # noqa: E402
from kinema.noise import seeded  # noqa: E402
from kinema.signals import MotionSignal  # noqa: E402
from kinema.training.optimizers import Muon  # noqa: E402
from kinema_backbones.control.config import ControllerConfig  # noqa: E402
from kinema_backbones.control.controllers import ModulationController  # noqa: E402
from kinema_backbones.tiny.autoencoder import PatchAutoencoder  # noqa: E402
from kinema_backbones.tiny_flow.network import (  # noqa: E402
    LATENT_STD,
    Block,
    Sizes,
    Transformer,
    clean_prediction,
    feature_sites,
)
from kinema_backbones.wan.network import SiteModule  # noqa: E402

#: Shares of the clips of a step: told nothing, by maps, by copied and by splatted latents.
WAYS = {"nothing": 0.16, "modulation": 0.34, "latent-copy": 0.2, "latent-splat": 0.3}

#: Options of the controller, as those of ``tiny``.
CONTROLLER: dict[str, Any] = {"norms": False, "scale": 0.0625, "waves": (128.0, 64.0, 32.0)}

#: ln(sigma / alpha) is normal with these: strong noise, where motion is decided.
LOGIT_MEAN, LOGIT_STD = 1.6, 1.2

#: The least sigma that is drawn, and the share of clips that are noise alone, or nearly.
LEAST_SIGMA, NOISE_ALONE = 0.02, 0.05

#: Learning rate of the first steps, how many warm up, and the mean of the weights that is kept.
RATE, WARMUP, AVERAGE = 4e-3, 100, 0.995


class Learner(nn.Module):
    """The network with its controller, and the loss of a batch.

    Args:
        seed: of the first weights.
        device: where all of it is.
    """

    def __init__(self, seed: int, device: torch.device, sizes: Sizes | None = None) -> None:
        super().__init__()
        sizes = sizes or Sizes()
        with seeded(seed):
            self.network = Transformer(sizes)
        self.controller = ModulationController(ControllerConfig(seed=seed, **CONTROLLER))
        self.sites = feature_sites(sizes)
        self.controller.prepare(self.sites)
        self.held: dict[str, SiteModule] = {}
        for site in self.sites:
            self.held[site.name] = SiteModule(self.network.get_submodule(site.module))
            self.network.set_submodule(site.module, self.held[site.name])
        self.to(device)

    def weights(self) -> dict[str, Tensor]:
        """All weights under the names of the parts alone."""
        return {name.replace(".inner.", "."): value for name, value in self.named_parameters()}

    @contextmanager
    def acting(self, acts: Mapping[str, Action], grid: tuple[int, int, int]) -> Iterator[None]:
        """The sites act while the body runs."""
        for name, site in self.held.items():
            site.act, site.grid = acts.get(name), grid
        yield
        for site in self.held.values():
            site.act = None

    def forward(self, clean: Tensor, level: Level, noise: Tensor, told: Told) -> Tensor:
        """The squared error of the velocity of each clip ``(B,)``."""
        photo = clean[:, :1]
        acts = self._acts(told, len(clean))
        frames, height, width = clean.shape[1], *clean.shape[-2:]
        with self.acting(acts, (frames, height, width)):
            predicted = clean_prediction(
                self.network, level.noisy(clean, noise), level, photo, told.condition
            )
        error = (predicted - clean).square().mean(dim=(1, 2, 3, 4))
        return error / level.sigma**2

    def _acts(self, told: Told, count: int) -> dict[str, Action]:
        """The controller's actions, which leave the clips alone that it says nothing of."""
        signal = MotionSignal(maps=told.maps, channels=("dx", "dy", "mask"))
        acts = self.controller.actions(signal, self.sites)
        rest = count - len(told.maps)
        return {name: _spread(act, rest, FRAMES) for name, act in acts.items()}


def _spread(act: Any, rest: int, frames: int) -> Action:
    before = act.scale.new_zeros(rest * frames, *act.scale.shape[1:])
    spread: Action = attrs.evolve(
        act, scale=torch.cat([before, act.scale]), bias=torch.cat([before, act.bias])
    )
    return spread


@attrs.frozen(eq=False)
class Told:
    """What is told of B clips.

    Attributes:
        condition: mask and the photo's latents of every frame, ``(B, T, 17, h, w)``.
        maps: for the controller, of the last of the clips ``(b, T, 3, H, W)``.
    """

    condition: Tensor
    maps: Tensor


class Batches:
    """Clips, what is told of them, and noise, without end.

    Args:
        bank: on the device.
        seed: of all chance.
        batch: B.
    """

    def __init__(self, bank: Bank, seed: int, batch: int) -> None:
        self.draw = Renderer(bank, seed)
        self.coder = PatchAutoencoder().to(self.draw.device)
        shares = torch.tensor(list(WAYS.values())).cumsum(0)
        self.nothing, maps, copy, self.batch = (shares * batch).round().long().tolist()
        self.maps, self.copy = maps - self.nothing, copy - maps
        self.splat = batch - copy

    @torch.no_grad()
    def next(self, regions: float) -> tuple[Tensor, Level, Tensor, Told]:
        """Clean latents, their level, noise and what is told: nothing, copies, splats, maps."""
        clips = self.draw.clips(self.batch)
        count = self.batch
        pixels = clips.frames.flatten(0, 1) * 2 - 1
        codes = self.coder.encode(pixels).latent_dist.mode() / LATENT_STD
        clean = codes.unflatten(0, (count, -1))
        drags = draw_drags(clips, self.draw)
        points = track_points(clips, drags, self.draw)
        latents = torch.zeros_like(clean)
        latents[:, 0] = clean[:, 0]
        mask = torch.zeros_like(clean[:, :, :1])
        mask[:, 0] = 1.0
        copies = slice(self.nothing, self.nothing + self.copy)
        splats = slice(copies.stop, copies.stop + self.splat)
        latents[copies] = copied(clean[copies, 0], points.chosen(copies))
        latents[splats], mask[splats] = splatted(clean[splats, 0], points.chosen(splats))
        last = slice(count - self.maps, count)
        maps = region_maps(clips, drags, self.draw, regions)[last]
        noise = torch.randn(clean.shape, generator=self.draw.generator, device=self.draw.device)
        told = Told(torch.cat([mask, latents], dim=2), maps)
        return clean, self._level(), noise, told

    def _level(self) -> Level:
        """Levels ``(B,)``."""
        draw = self.draw
        normal = torch.randn(self.batch, generator=draw.generator, device=draw.device)
        sigma = (LOGIT_MEAN + LOGIT_STD * normal).sigmoid().clamp(LEAST_SIGMA, 0.999)
        alone = draw.rand(self.batch, low=0.98, high=1.0)
        return Level.flow(torch.where(draw.rand(self.batch) < NOISE_ALONE, alone, sigma))

    def ways(self) -> dict[str, slice]:
        """Which clips of a batch are told in which way."""
        ends = {"nothing": self.nothing, "latent-copy": self.copy, "latent-splat": self.splat}
        found, start = {}, 0
        for name, count in {**ends, "modulation": self.maps}.items():
            found[name] = slice(start, start + count)
            start += count
        return found


class Run:
    """One training.

    Args:
        bank: on the device.
        seed: of the first weights and of all chance.
        options: of the command line.
    """

    def __init__(self, bank: Bank, seed: int, options: argparse.Namespace) -> None:
        self.seed, self.options = seed, options
        self.device = bank.boxes.device
        sizes = Sizes(width=options.width, depth=options.depth)
        self.learner = Learner(seed, self.device, sizes)
        self.batches = Batches(bank, 1000 + seed, options.batch)
        self.optimizer = Muon(
            list(self.learner.parameters()), RATE, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.average = {k: p.detach().clone() for k, p in self.learner.weights().items()}
        self.step = 0
        self.steps = options.steps

    @property
    def state_path(self) -> Path:
        """Where the state of a training lies that is not finished."""
        folder: Path = self.options.state or self.options.out
        return folder / f"state-{self.seed}.pt"

    def train(self, seconds: float) -> None:
        """Take all steps; without a number of them, as many as fit into these seconds."""
        begun, timed = time.perf_counter(), 0.0
        self._restore()
        losses: list[Tensor] = []
        ways = self.batches.ways()
        while self.steps is None or self.step < self.steps:
            losses.append(self._update())
            if self.steps is None and self.step == TIMED_FROM:
                timed = self._now()
            if self.steps is None and self.step == TIMED_TO:
                pace = (self._now() - timed) / (TIMED_TO - TIMED_FROM)
                left = seconds - (time.perf_counter() - begun)
                self.steps = self.step + max(1, int(left / pace))
                print(f"seed {self.seed}: {pace * 1000:.1f} ms a step, {self.steps} steps")
            if self.step % self.options.log == 0:
                mean = torch.stack(losses).mean(0)
                now = time.perf_counter() - begun
                told = ", ".join(f"{k} {float(mean[part].mean()):.4f}" for k, part in ways.items())
                print(f"seed {self.seed} step {self.step} {told}, {now:.0f} s", flush=True)
                if not bool(mean.isfinite().all()):
                    raise SystemExit("The loss is not finite.")
                losses.clear()
            if self.options.every and self.step % self.options.every == 0:
                self._keep()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _update(self) -> Tensor:
        progress = self.step / self.steps if self.steps else 0.0
        rate = RATE * min(1.0, (self.step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # At first much of the motion is told, then what a person draws.
        clean, level, noise, told = self.batches.next(regions=0.7 - 0.6 * progress)
        with torch.autocast(self.device.type, torch.bfloat16):
            losses: Tensor = self.learner(clean, level, noise, told)
        self.optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(AVERAGE, (1 + self.step) / (10 + self.step))
        values = [p.detach() for p in self.learner.weights().values()]
        torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)
        return losses.detach()

    @torch.no_grad()
    def measured(self, rounds: int) -> dict[str, float]:
        """The error of one prediction from nearly pure noise, over that of a still photo."""
        kept = {k: p.detach().clone() for k, p in self.learner.weights().items()}
        for name, parameter in self.learner.weights().items():
            parameter.copy_(self.average[name])
        unseen = Batches(self.batches.draw.bank, 77, self.options.batch)
        wrong: dict[str, list[float]] = {name: [] for name in unseen.ways()}
        torch.compiler.set_stance("force_eager")
        for _ in range(rounds):
            clean, _, noise, told = unseen.next(regions=0.0)
            sigma = torch.full((len(clean),), 0.97, device=self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                errors = self.learner(clean, Level.flow(sigma), noise, told) * 0.97**2
            still = (clean - clean[:, :1]).square().mean(dim=(1, 2, 3, 4))
            for name, part in unseen.ways().items():
                wrong[name].append(float(errors[part].sum() / still[part].sum()))
        torch.compiler.set_stance("default")
        for name, parameter in self.learner.weights().items():
            parameter.copy_(kept[name])
        return {name: round(sum(each) / len(each), 4) for name, each in wrong.items()}

    def save(self, path: Path, found: Mapping[str, float]) -> None:
        """Write the mean weights, in float16, with what made them."""
        about = {
            "sizes": attrs.asdict(self.learner.network.sizes),
            "controller": attrs.asdict(self.learner.controller.config),
            "seed": self.seed,
            "steps": self.step,
            "batch": self.options.batch,
            "errors": dict(found),
        }
        tensors = {k: v.half().contiguous().cpu() for k, v in self.average.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(tensors, path, {"about": json.dumps(about)})

    def _keep(self) -> None:
        state = {
            "step": self.step,
            "steps": self.steps,
            "weights": {k: p.detach() for k, p in self.learner.weights().items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "chance": self.batches.draw.generator.get_state(),
        }
        part = self.state_path.with_suffix(".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        part.replace(self.state_path)

    def _restore(self) -> None:
        if not self.state_path.is_file():
            return
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        with torch.no_grad():
            for name, parameter in self.learner.weights().items():
                parameter.copy_(state["weights"][name])
                self.average[name].copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.draw.generator.set_state(state["chance"].cpu())
        self.step, self.steps = state["step"], state["steps"]


#: The steps between which the pace is taken: what compiles has been compiled.
TIMED_FROM, TIMED_TO = 20, 60


def compile_blocks() -> None:
    """Compile the blocks of all networks to come; what acts between them stays outside."""
    import torch._dynamo

    # Where there is no compiler, blocks run as they are.
    torch._dynamo.config.suppress_errors = True
    Block.forward = torch.compile(Block.forward, dynamic=False)  # type: ignore[method-assign]


def unpack(path: Path, folder: Path) -> None:
    """Write what ``save`` wrote as a folder of weights with a controller in it."""
    from kinema_backbones.control.checkpoint import save_controller
    from kinema_backbones.control.config import SiteShape
    from kinema_backbones.tiny_flow.backbone import write_weights

    with safetensors.safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    tensors = safetensors.torch.load_file(path)
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "controller": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, Sizes(**about["sizes"]), parts["network"])
    given = about["controller"]
    given["sites"] = tuple(SiteShape(**site) for site in given["sites"])
    given["waves"] = tuple(given["waves"])
    controller = ModulationController(ControllerConfig(**given)).half()
    controller.load_state_dict(parts["controller"])
    manifest = {key: about[key] for key in ("seed", "steps", "batch", "errors")}
    conditions: dict[str, dict[str, Any]] = {
        "region-trajectory": {"k": 8, "drags": 2},
        "motion-mask": {"k": 8},
    }
    save_controller(
        controller,
        folder / "controller",
        conditions=conditions,
        manifest={"training": manifest},
        licence="Apache-2.0",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or unpack what was trained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/tiny-flow"))
    parser.add_argument("--bank", type=Path, default=Path("runs/tiny-flow/bank.safetensors"))
    parser.add_argument("--draw-bank", action="store_true", help="draw the bank and stop")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--seconds", type=float, default=210.0, help="for all seeds together")
    parser.add_argument("--steps", type=int, help="of each seed, instead of --seconds")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=Sizes().width, help="of the network")
    parser.add_argument("--depth", type=int, default=Sizes().depth, help="of the network")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--log", type=int, default=100)
    parser.add_argument("--every", type=int, default=0, help="steps between states; 0 keeps none")
    parser.add_argument("--state", type=Path, help="folder of the states; --out unless given")
    parser.add_argument("--measure", type=int, default=8, help="batches of the last measurement")
    parser.add_argument("--unpack", type=Path, help="make a folder of weights of this file")
    options = parser.parse_args(arguments)
    if options.unpack:
        unpack(options.unpack, options.out)
        return
    bank = Bank.read(options.bank)
    if options.draw_bank:
        return
    torch.set_float32_matmul_precision("high")
    if options.compile and options.device == "cuda":
        compile_blocks()
    end = time.perf_counter() + options.seconds
    for place, seed in enumerate(options.seeds):
        path = options.out / f"seed-{seed}.safetensors"
        if path.is_file():
            continue
        run = Run(bank.to(torch.device(options.device)), seed, options)
        run.train((end - time.perf_counter()) / (len(options.seeds) - place))
        found = run.measured(options.measure)
        print(f"seed {seed}: error over that of a still photo {found}", flush=True)
        run.save(path, found)
        run.state_path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

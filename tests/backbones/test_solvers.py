"""The solvers ``unipc`` and ``dpmpp-2m``, on published numbers and on an exact answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import Guidance, Step
from kinema.levels import Level, Schedule, edm_schedule, flow_schedule
from kinema.sampling import sample
from kinema.solvers import euler, heun
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import dpmpp_2m, unipc

REFERENCE = Path(__file__).parents[1] / "reference"


class Published:
    """The tiny Wan2.1 transformer of the reference, as far as the sampling loop needs it."""

    device = torch.device("cpu")

    def __init__(self, spacing: str) -> None:
        from diffusers import WanTransformer3DModel

        record = json.loads((REFERENCE / "wan21_solvers.json").read_text(encoding="utf-8"))
        self.given = load_file(REFERENCE / "wan21_solvers.safetensors")
        self.record, self.spacing = record, spacing
        self.network = WanTransformer3DModel(**record["transformer_config"]).eval()
        prefix = "transformer."
        self.network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in self.given.items() if k.startswith(prefix)}
        )
        self.exploding = False

    def schedule(self, config: SampleConfig) -> Schedule:
        flow = flow_schedule(config.steps, self.record["shift"], self.spacing)
        if not self.exploding:
            return flow
        clean = 1 - flow.sigmas.double()
        return Schedule(torch.ones(len(clean)), (flow.sigmas / clean).float(), flow.times)

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        return Guidance.constant(self.record["guidance"], schedule.steps)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        return noise * (level.alpha + level.sigma)

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Tensor]) -> Tensor:
        scale = level.alpha + level.sigma
        flow, sigma = latents / scale, level.sigma / scale
        seen = torch.cat([flow.transpose(1, 2), self.given["in.condition"]], dim=1)
        assert level.time is not None
        clean = []
        for text in embeddings:
            velocity = self.network(
                seen,
                level.time[None],
                text,
                encoder_hidden_states_image=self.given["in.image_embeds"],
                return_dict=False,
            )[0]
            clean.append(flow - sigma * velocity.transpose(1, 2))
        return torch.stack(clean)

    def run(self, solver: Any) -> list[Tensor]:
        """The latents after each step, in the variables of flow matching."""
        made: list[Tensor] = []

        def keep(step: Step, latents: Tensor, clean: Tensor) -> None:
            made.append(latents / (step.next.alpha + step.next.sigma))

        terms: Any = {
            "conditional": self.given["in.prompt_embeds"],
            "unconditional": self.given["in.negative_prompt_embeds"],
        }
        noise = self.given["in.initial_noise"].transpose(1, 2)
        config = SampleConfig(steps=self.record["steps"])
        backbone: Any = self
        sample(backbone, terms, noise, config, solver=solver, after_step=keep)
        return made


CASES: dict[str, tuple[str, Any]] = {
    "unipc": ("unipc", lambda: unipc(UniPCConfig())),
    "unipc_old_spacing": ("unipc-published", lambda: unipc(UniPCConfig())),
    "unipc_order1_no_corrector": ("unipc", lambda: unipc(UniPCConfig(order=1, corrector=False))),
    "euler": ("euler", lambda: euler),
}


@pytest.mark.parametrize("case", CASES)
def test_published_runs_are_repeated_step_by_step(case: str) -> None:
    spacing, solver = CASES[case]
    published = Published(spacing)
    wanted = published.given[f"out.{case}.step_latents"].transpose(2, 3)
    for made, step in zip(published.run(solver()), wanted, strict=True):
        assert torch.allclose(made, step, atol=3e-4)


def test_order_one_without_its_corrector_is_euler() -> None:
    published = Published("unipc")
    theirs = published.run(unipc(UniPCConfig(order=1, corrector=False)))
    for made, other in zip(published.run(euler), theirs, strict=True):
        assert torch.allclose(made, other, atol=2e-5)


SOLVERS: dict[str, Any] = {
    "unipc": lambda: unipc(UniPCConfig()),
    "dpmpp-2m": lambda: dpmpp_2m(None),
    "euler": lambda: euler,
    "heun": lambda: heun,
}


# Heun's rule is a mean of slopes, and those depend on the variables.
@pytest.mark.parametrize("name", ["unipc", "dpmpp-2m", "euler"])
def test_a_run_is_the_same_in_the_variables_of_exploding_noise(name: str) -> None:
    published = Published("unipc")
    flow = published.run(SOLVERS[name]())
    published.exploding = True
    for made, other in zip(published.run(SOLVERS[name]()), flow, strict=True):
        assert torch.allclose(made, other, atol=3e-4)


def exact(sigma: Tensor) -> Tensor:
    """Where the probability flow takes the start, for data that is normal with deviation 2."""
    return (4.0 + sigma**2).sqrt()


def solved(solver: Any, steps: int) -> float:
    """The error of the last level above zero, for normally distributed data."""
    schedule = Schedule.exploding(edm_schedule(steps, 80.0, 0.5, 3.0))
    x = exact(schedule.sigmas[0]).view(1, 1, 1, 1, 1)
    noise = torch.zeros_like(x)

    def predict(latents: Tensor, level: Level) -> Tensor:
        return latents * 4.0 / (4.0 + level.sigma**2)

    for index in range(steps - 1):
        step = Step(index=index, schedule=schedule, noise=noise)
        x = solver(x, predict(x, step.level), step, predict)
    return float((x - exact(schedule.sigmas[-2])).abs())


@pytest.mark.parametrize(
    ("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp-2m", 2), ("unipc", 2)]
)
def test_solvers_are_of_the_order_they_say(name: str, order: int) -> None:
    coarse, fine = solved(SOLVERS[name](), 40), solved(SOLVERS[name](), 80)
    assert coarse / fine > 2**order * 0.8


def test_an_order_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match=r"^The order of unipc is 1, 2 or 3, got 4\.$"):
        UniPCConfig(order=4)


def test_the_solvers_are_offered_and_made_anew_for_every_run() -> None:
    from kinema import Plugins, offers

    plugins = Plugins.installed()
    for name in ("unipc", "dpmpp-2m"):
        first, second = plugins.build(offers.SOLVER, name), plugins.build(offers.SOLVER, name)
        assert first is not second
    with pytest.raises(InputError, match=r"The order of unipc is 1, 2 or 3, got 4\."):
        plugins.build(offers.SOLVER, "unipc", {"order": "4"})

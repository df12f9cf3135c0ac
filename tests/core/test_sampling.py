"""The loop, its solvers and what acts in it, against closed forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from kinema.config import SampleConfig, from_mapping
from kinema.errors import Cancelled, InputError
from kinema.interfaces import Guidance, Step, StepAction
from kinema.levels import Level, Schedule, edm_schedule
from kinema.noise import draw_noise
from kinema.sampling import sample
from kinema.testing import ToyBackbone

MEAN, STD = 0.4, 0.5
SHAPE = (2, 3, 4, 4)

Levels = Callable[[int], Schedule]


def exploding(steps: int) -> Schedule:
    return Schedule.exploding(edm_schedule(steps, sigma_max=80.0))


def flow(steps: int) -> Schedule:
    """From noise alone, alpha 0, to clean."""
    sigmas = torch.linspace(1.0, 0.0, steps + 1)
    return Schedule(1.0 - sigmas, sigmas)


class Gaussian(ToyBackbone):
    """A backbone that knows the exact denoiser of N(mean, std^2) per term."""

    def __init__(self, levels: Levels = exploding, guidance: Any = None) -> None:
        super().__init__()
        self.levels = levels
        self.guided = guidance or (lambda config, schedule: Guidance.none(schedule.steps))
        self.calls: list[list[Any]] = []
        self.seen: list[Tensor] = []

    def schedule(self, config: SampleConfig) -> Schedule:
        return self.levels(config.steps)

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        made: Guidance = self.guided(config, schedule)
        return made

    def start(self, noise: Tensor, level: Level) -> Tensor:
        return noise * (level.alpha**2 + level.sigma**2).sqrt()

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        self.calls.append(list(embeddings))
        self.seen.append(latents)
        ratio = level.alpha * STD**2 / (level.alpha**2 * STD**2 + level.sigma**2)
        means: list[float] = [MEAN * item for item in embeddings]
        terms = [mean + ratio * (latents - level.alpha * mean) for mean in means]
        return torch.stack(terms)


def exact(noise: Tensor, level: Level) -> Tensor:
    """The probability-flow ODE of a Gaussian keeps the latents' distance in deviations."""
    spread = (level.alpha**2 * STD**2 + level.sigma**2).sqrt()
    start = noise * (level.alpha**2 + level.sigma**2).sqrt()
    return MEAN + STD * (start - level.alpha * MEAN) / spread


def run(backbone: Gaussian, config: SampleConfig, **more: Any) -> Tensor:
    more.setdefault("embeddings", {"conditional": 1.0})
    return sample(backbone, noise=draw_noise(SHAPE, [0]), config=config, **more)


# -- solvers --------------------------------------------------------------------------------------


def error_of(solver: str, steps: int, levels: Levels = exploding) -> float:
    found = run(Gaussian(levels), SampleConfig(steps=steps, solver=solver))
    return float((found - exact(draw_noise(SHAPE, [0]), levels(steps)[0])).abs().max())


@pytest.mark.parametrize("levels", [exploding, flow])
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_the_solvers_solve_the_ode_at_their_order(solver: str, order: int, levels: Levels) -> None:
    coarse, fine = error_of(solver, 40, levels), error_of(solver, 80, levels)
    assert coarse / fine == pytest.approx(2**order, rel=0.15)
    assert fine < 0.1


@pytest.mark.parametrize("levels", [exploding, flow])
def test_heun_is_more_accurate_than_euler_at_equal_cost(levels: Levels) -> None:
    assert error_of("heun", 20, levels) < error_of("euler", 40, levels)


def test_sampling_begins_at_noise_alone_without_infinities() -> None:
    assert float(flow(4)[0].alpha) == 0.0
    for solver in ("euler", "heun"):
        assert bool(torch.isfinite(run(Gaussian(flow), SampleConfig(steps=4, solver=solver))).all())


def almost_flow(steps: int) -> Schedule:
    """Flow matching from just below noise alone, where the change of variables is defined."""
    sigmas = torch.linspace(0.99, 0.0, steps + 1, dtype=torch.float64)
    return Schedule((1 - sigmas).float(), sigmas.float())


def as_exploding(steps: int) -> Schedule:
    """The same levels in the variables ``latents / alpha``."""
    sigmas = torch.linspace(0.99, 0.0, steps + 1, dtype=torch.float64)
    return Schedule.exploding((sigmas / (1 - sigmas)).float())


class FromNoise(Gaussian):
    def start(self, noise: Tensor, level: Level) -> Tensor:
        return noise * level.sigma


def between_variables(solver: str, steps: int) -> float:
    config = SampleConfig(steps=steps, solver=solver)
    here, there = run(FromNoise(almost_flow), config), run(FromNoise(as_exploding), config)
    return float((here - there).abs().max())


def test_euler_is_the_same_in_both_variables() -> None:
    assert between_variables("euler", 12) < 1e-5


def test_heun_is_the_same_in_both_variables_up_to_its_order() -> None:
    # It averages slopes, which depend on the variables.
    coarse, fine = between_variables("heun", 80), between_variables("heun", 160)
    assert coarse / fine == pytest.approx(4, rel=0.2)


def test_the_last_step_gives_the_clean_prediction_itself() -> None:
    made: list[Tensor] = []
    found = run(
        Gaussian(flow),
        SampleConfig(steps=3),
        after_step=lambda step, latents, clean: made.append(clean),
    )
    assert torch.equal(found, made[-1])


def test_a_solver_that_core_does_not_have_is_named() -> None:
    with pytest.raises(InputError, match=r"^Core has no solver 'ddim', only euler, heun; a sessi"):
        run(Gaussian(), SampleConfig(solver="ddim"))


def test_a_solver_of_ones_own_takes_every_step() -> None:
    taken: list[tuple[int, float, float]] = []

    def to_clean(latents: Tensor, clean: Tensor, step: Step, predict: Any) -> Tensor:
        again = predict(latents, step.level)
        assert torch.equal(again, clean)
        taken.append((step.index, float(step.level.sigma), float(step.next.sigma)))
        return clean

    backbone = Gaussian()
    run(backbone, SampleConfig(steps=3, solver="of no meaning here"), solver=to_clean)
    sigmas = exploding(3).sigmas.tolist()
    assert taken == [(i, sigmas[i], sigmas[i + 1]) for i in range(3)]
    assert len(backbone.calls) == 6


# -- guidance -------------------------------------------------------------------------------------


def test_all_terms_are_evaluated_in_one_call_per_step() -> None:
    backbone = Gaussian(guidance=lambda c, s: Guidance.constant(2.0, s.steps, c.motion_guidance))
    embeddings = {"conditional": 1.0, "unconditional": 0.0, "motion-free": 0.5}
    run(backbone, SampleConfig(steps=6, motion_guidance=1.5), embeddings=embeddings)
    assert backbone.calls == [[1.0, 0.0, 0.5]] * 6


def test_outside_the_guidance_interval_the_unconditional_term_is_not_evaluated() -> None:
    backbone = Gaussian(guidance=lambda c, s: Guidance.over(2.0, s.steps, 0.2, 0.6))
    embeddings = {"conditional": 1.0, "unconditional": 0.0}
    run(backbone, SampleConfig(steps=10), embeddings=embeddings)
    assert [len(call) for call in backbone.calls] == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1]


def test_an_interval_counts_the_schedules_steps_not_the_configs() -> None:
    def half(steps: int) -> Schedule:
        return exploding(steps // 2)

    backbone = Gaussian(half, lambda c, s: Guidance.over(2.0, s.steps, 0.5, 1.0))
    run(backbone, SampleConfig(steps=8), embeddings={"conditional": 1.0, "unconditional": 0.0})
    assert [len(call) for call in backbone.calls] == [1, 1, 2, 2]


def test_the_terms_follow_the_config() -> None:
    toy = ToyBackbone()
    schedule = toy.schedule(SampleConfig())
    assert toy.guidance(SampleConfig(), schedule, 4).terms == ("conditional", "unconditional")
    turned_up = SampleConfig(motion_guidance=2.0)
    assert toy.guidance(turned_up, schedule, 4).terms[-1] == "motion-free"


# -- what a step sees -----------------------------------------------------------------------------


def recording(seen: list[Step], change: float = 0.0) -> StepAction:
    def act(latents: Tensor, step: Step) -> Tensor:
        seen.append(step)
        return latents + change

    return StepAction(act)


def test_a_step_knows_where_it_is() -> None:
    seen: list[Step] = []
    noise = draw_noise(SHAPE, [0])
    run(Gaussian(), SampleConfig(steps=3), at_step=[recording(seen)])
    sigmas = [*exploding(3).sigmas.tolist(), 0.0]
    assert [(step.index, step.count) for step in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [float(step.level.sigma) for step in seen] == sigmas[:4]
    # The clean level has none after it.
    assert [float(step.next.sigma) for step in seen] == [*sigmas[1:4], 0.0]
    assert all(torch.equal(step.noise, noise) for step in seen)


def test_sampler_steps_act_on_what_the_solver_keeps() -> None:
    plain, kept = Gaussian(), Gaussian()
    run(plain, SampleConfig(steps=2))
    ended = run(kept, SampleConfig(steps=2), at_step=[recording([], 1.0)])
    assert torch.equal(kept.seen[0], plain.seen[0] + 1.0)
    # What was added before the first step is still there in the second one.
    second = run_two_steps_by_hand(plain.seen[0] + 1.0) + 1.0
    assert torch.allclose(kept.seen[1], second, atol=1e-5)
    # The action has the last word, at the clean level.
    clean = Gaussian().denoise(kept.seen[1], exploding(2)[1], [1.0])[0]
    assert torch.allclose(ended, clean + 1.0, atol=1e-5)


def run_two_steps_by_hand(latents: Tensor) -> Tensor:
    """One Euler step of two, from ``latents``."""
    first, second = exploding(2)[0], exploding(2)[1]
    clean = Gaussian().denoise(latents, first, [1.0])[0]
    return clean + (latents - clean) * second.sigma / first.sigma


def test_network_inputs_act_on_what_the_network_sees_alone() -> None:
    plain, told = Gaussian(), Gaussian()
    run(plain, SampleConfig(steps=2))
    seen: list[Step] = []
    run(told, SampleConfig(steps=2), at_input=[recording(seen, 1.0)])
    assert torch.equal(told.seen[0], plain.seen[0] + 1.0)
    # The sample itself is not moved; only the prediction differs.
    sample_kept = plain.seen[0]
    clean = Gaussian().denoise(sample_kept + 1.0, exploding(2)[0], [1.0])[0]
    ratio = exploding(2)[1].sigma / exploding(2)[0].sigma
    assert torch.allclose(told.seen[1], clean + (sample_kept - clean) * ratio + 1.0, atol=1e-5)
    # Once per network call, never at the end.
    assert [step.index for step in seen] == [0, 1]


def test_network_inputs_act_in_every_network_call_of_a_step() -> None:
    seen: list[Step] = []
    run(Gaussian(), SampleConfig(steps=2, solver="heun"), at_input=[recording(seen)])
    assert [step.index for step in seen] == [0, 0, 1]


def test_actions_follow_one_another() -> None:
    order: list[str] = []

    def named(name: str) -> StepAction:
        def act(latents: Tensor, step: Step) -> Tensor:
            order.append(f"{name}{step.index}")
            return latents

        return StepAction(act)

    run(
        Gaussian(),
        SampleConfig(steps=1),
        at_step=[named("a"), named("b")],
        at_input=[named("c"), named("d")],
    )
    assert order == ["a0", "b0", "c0", "d0", "a1", "b1"]


def test_an_action_may_begin_the_sampling_later() -> None:
    begun = torch.full((1, *SHAPE), 2.0)
    indices: list[int] = []

    def begin(latents: Tensor, step: Step) -> Tensor:
        indices.append(step.index)
        return step.level.noisy(begun, step.noise) if step.index == 3 else latents

    backbone = Gaussian()
    finished: list[int] = []
    run(
        backbone,
        SampleConfig(steps=5),
        at_step=[StepAction(begin, first=3), StepAction(lambda latents, step: latents, first=1)],
        after_step=lambda step, latents, clean: finished.append(step.index),
    )
    # The latest first step is the one.
    assert indices == [3, 4, 5]
    assert finished == [3, 4]
    assert torch.equal(backbone.seen[0], begun + exploding(5).sigmas[3] * draw_noise(SHAPE, [0]))


def test_observers_of_a_step_see_level_and_prediction() -> None:
    told: list[tuple[int, float, float]] = []
    run(
        Gaussian(),
        SampleConfig(steps=2),
        after_step=lambda step, latents, clean: told.append(
            (step.index, float(step.next.sigma), float((latents - clean).abs().max()))
        ),
    )
    assert [each[:2] for each in told] == [(0, exploding(2).sigmas[1]), (1, 0.0)]
    assert told[0][2] > 0
    assert told[1][2] == 0


def test_a_run_is_cancelled_between_steps() -> None:
    steps: list[int] = []
    with pytest.raises(Cancelled, match=r"^The run was cancelled after 3 of 8 steps\.$"):
        run(
            Gaussian(),
            SampleConfig(steps=8),
            after_step=lambda step, latents, clean: steps.append(step.index),
            cancel=lambda: len(steps) == 3,
        )
    assert steps == [0, 1, 2]


# -- options --------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Own(SampleConfig):
    """A backbone's own sampling options."""

    steps: int = 4
    shift: float = 3.0


def test_a_plain_config_leaves_a_backbones_own_options_at_their_defaults() -> None:
    own = Own(shift=5.0)
    assert Own.of(own) is own
    assert Own.of(SampleConfig(steps=7, solver="heun", motion_guidance=2.0)) == Own(
        steps=7, solver="heun", motion_guidance=2.0, shift=3.0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1 and at most 10000, got 0"),
        ({"motion_guidance": float("nan")}, "must be finite numbers: motion_guidance"),
        ({"shift": float("inf")}, "must be finite numbers: shift"),
        ({"step": 3}, r"The config of sampling has no option 'step'\. Did you mean 'steps'\?"),
        ({"steps": "many"}, "invalid value for type, expected int"),
    ],
)
def test_bad_sampling_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(Own, options, "The config of sampling")


@attrs.frozen(kw_only=True)
class Several:
    widths: tuple[int, ...] = ()
    name: str = ""


@pytest.mark.parametrize(
    ("given", "expected"), [("32, 64", (32, 64)), ("32", (32,)), ("", ()), ([1, 2], (1, 2))]
)
def test_words_are_split_where_several_are_asked_for(
    given: object, expected: tuple[int, ...]
) -> None:
    assert from_mapping(Several, {"widths": given, "name": "a,b"}, "It") == Several(
        widths=expected, name="a,b"
    )

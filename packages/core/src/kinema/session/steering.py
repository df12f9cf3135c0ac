"""What steers a backbone, put together in one place for sampling, validation and training alike.

Conditions turn motions into signals, a controller turns a signal into actions, and a backbone
embeds both once per guidance term. Nothing of a run is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema import signals
from kinema.errors import PluginError
from kinema.interfaces import (
    Action,
    Actions,
    ActsInTerms,
    Backbone,
    Condition,
    Controller,
    Renders,
    Request,
    Scene,
    SiteKind,
    Solver,
    StepAction,
    Term,
)
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion
from kinema.noise import Streams, draw_noise
from kinema.offers import ConditionOffer, Offer
from kinema.sampling import AfterStep, check_finite, sample
from kinema.session.finite import check_embeddings
from kinema.session.parts import Part
from kinema.session.rendering import rendered
from kinema.session.together import Guide, merged
from kinema.signals import MotionSignal, Observation


@attrs.frozen(eq=False, kw_only=True)
class Shot:
    """One video to be made, on a canvas of the video's size.

    Attributes:
        motion: what should move.
        scene: the photo, float32 ``(3, H, W)``, and what can be known of it.
        seed: of all randomness.
        prompt, negative_prompt: texts; a negative one of None is the backbone's own.
        last_image: ``(3, H, W)``, the frame to end at, or None.
        references: further pictures ``(3, H, W)``.
        plate: ``(3, H, W)``, what is behind all that moves, or None.
    """

    motion: Motion
    scene: Scene
    seed: int = 0
    prompt: str = ""
    negative_prompt: str | None = None
    last_image: Tensor | None = None
    references: Sequence[Tensor] = ()
    plate: Tensor | None = None


@attrs.frozen(eq=False, kw_only=True)
class Made:
    """Videos as they were sampled.

    Attributes:
        latents: clean, ``(B, T', C, h, w)``; of a backbone that renders, a view of the frames.
        frames: uint8 ``(B, T, H, W, 3)`` where there are no latents to decode, or None.
        embeddings: one per guidance term.
        notes: of each video, what its conditions had to assume.
    """

    latents: Tensor
    embeddings: Mapping[Term, Any]
    notes: Sequence[tuple[str, ...]]
    frames: Tensor | None = None


@attrs.frozen(eq=False, kw_only=True)
class Steering:
    """A backbone and what steers it.

    Attributes:
        backbone: the video model, with the controller attached.
        own: the conditions that the backbone reads itself.
        controller: None if there is none.
        control: the conditions of the controller, in channel order.
        more: further controllers, which act after that one in this order.
    """

    backbone: Part[Backbone]
    own: Sequence[Part[Condition]] = ()
    controller: Part[Controller] | None = None
    control: Sequence[Part[Condition]] = ()
    more: Sequence[Guide] = ()

    @property
    def guides(self) -> tuple[Guide, ...]:
        """All controllers with their conditions, in order."""
        if self.controller is None:
            return ()
        return (Guide(controller=self.controller, control=self.control), *self.more)

    @property
    def reads_motion(self) -> bool:
        """Whether anything here reads a motion."""
        return bool(self.own or any(guide.control for guide in self.guides))

    # -- signals and actions ------------------------------------------------------------------

    def told(self, parts: Sequence[Part[Condition]], shot: Shot) -> MotionSignal | None:
        """What the conditions make of a motion; None without conditions.

        Raises:
            MotionError: the motion cannot be expressed.
            PluginError: a condition broke.
        """
        made = []
        for part in parts:
            motion = told_motion(part.found.offer, shot.motion, shot.scene.frames)
            with part.calling("from_motion()") as condition:
                signal = condition.from_motion(motion, shot.scene)
            if signal.is_still and not shot.motion.is_empty:
                signal = attrs.evolve(signal, notes=(*signal.notes, empty_signal(part.name)))
            made.append(signal)
        return signals.concatenate(made) if made else None

    def seen(
        self,
        parts: Sequence[Part[Condition]],
        clips: Sequence[tuple[Observation, torch.Generator, bool]],
    ) -> MotionSignal | None:
        """What the conditions make of observed clips, batched; None without conditions.

        Args:
            clips: of each, what was observed, where all chance comes from, and whether its motion
                is not told.
        """
        if not parts:
            return None
        batch = []
        for observation, generator, still in clips:
            made = []
            for part in parts:
                with part.calling("from_observation()") as condition:
                    made.append(condition.from_observation(observation, generator))
            signal = signals.concatenate(made)
            batch.append(signal.without_motion() if still else signal)
        return signals.stack(batch).to(self.backbone.built.device)

    def actions(self, signal: MotionSignal | None, scenes: Sequence[Scene]) -> Actions:
        """What the controller does at the backbone's sites; nothing without a controller or signal.

        Raises:
            InputError: the controller, the signal and the sites do not fit.
            PluginError: the controller broke, now or when an action of it is called.
        """
        part = self.controller
        if part is None or signal is None:
            return {}
        return self._asked(part, signal, scenes)

    def _asked(
        self, part: Part[Controller], signal: MotionSignal, scenes: Sequence[Scene]
    ) -> Actions:
        with part.calling("actions()") as controller:
            acts = controller.actions(signal, self.backbone.built.sites, scenes)
        return {name: _guarded(part, name, action) for name, action in acts.items()}

    def terms(
        self,
        signals: Sequence[MotionSignal | None],
        scenes: Sequence[Scene],
        wanted: Sequence[Term],
    ) -> Mapping[Term, Actions]:
        """The actions of each guidance term; ``motion-free`` has those of the zero signal.

        Terms in which the same controllers act share their actions.

        Args:
            signals: of each controller; None where it has no conditions.

        Raises:
            InputError: two controllers act at one site that they cannot share.
        """
        told = [
            (guide.controller, signal)
            for guide, signal in zip(self.guides, signals, strict=True)
            if signal is not None
        ]
        moving = [self._asked(part, signal, scenes) for part, signal in told]
        still: list[Actions] = []
        if "motion-free" in wanted:
            still = [self._asked(part, signal.without_motion(), scenes) for part, signal in told]
        made: dict[tuple[bool, ...], Actions] = {}
        terms: dict[Term, Actions] = {}
        for term in wanted:
            acts_of = still if term == "motion-free" else moving
            active = tuple(_acts_in(part.built, term) for part, _ in told)
            key = (term == "motion-free", *active)
            if key not in made:
                parts = [part for (part, _), on in zip(told, active, strict=True) if on]
                acts = [acts for acts, on in zip(acts_of, active, strict=True) if on]
                made[key] = acts[0] if len(acts) == 1 else merged(parts, acts)
            terms[term] = made[key]
        return terms

    def at(self, kind: SiteKind, actions: Actions) -> list[Action]:
        """The actions at the backbone's sites of a kind, in the order of the sites."""
        sites = [site for site in self.backbone.built.sites if site.kind == kind]
        return [actions[site.name] for site in sites if site.name in actions]

    # -- videos -------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self,
        shots: Sequence[Shot],
        size: Size,
        fps: float,
        config: Any,
        solver: Solver | None = None,
        after_step: AfterStep | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Made:
        """Sample the latents of videos of one form, in one pass.

        Args:
            size: (width, height); all shots have as many frames as the first.
            config: the sampling options, of the class that the backbone's offer names.
            solver: made for this run; the one of core that ``config`` names unless given.

        Raises:
            InputError: something does not fit something else.
            Cancelled: ``cancel`` said so.
            NotFiniteError: a network gives a number that is not finite.
            PluginError: a condition, a controller or an action broke.
        """
        backbone = self.backbone.built
        request, notes = self.request(shots, size, fps, config)
        embeddings = backbone.embed(request)
        check_embeddings(embeddings)
        if isinstance(backbone, Renders):
            frames = rendered(backbone, embeddings, request, config, after_step, cancel)
            latents = frames.permute(0, 1, 4, 2, 3)
            return Made(latents=latents, embeddings=embeddings, notes=notes, frames=frames)
        shape = backbone.latent_shape(size, request.frames)
        noise = draw_noise(shape, [shot.seed for shot in shots]).to(backbone.device)
        acts = request.terms["conditional"]
        for action in self.at("noise", acts):
            noise = action(noise)
        latents = sample(
            backbone,
            embeddings,
            noise,
            config,
            solver=solver,
            at_step=[_step_action(action) for action in self.at("sampler-step", acts)],
            at_input=[_step_action(action) for action in self.at("network-input", acts)],
            after_step=after_step,
            cancel=cancel,
        )
        return Made(latents=latents, embeddings=embeddings, notes=notes)

    @torch.no_grad()
    def request(
        self, shots: Sequence[Shot], size: Size, fps: float, config: Any
    ) -> tuple[Request, list[tuple[str, ...]]]:
        """What the backbone is to embed for videos of one form, and of each what was assumed."""
        backbone = self.backbone.built
        frames = shots[0].scene.frames
        scenes = [shot.scene for shot in shots]
        shape = backbone.latent_shape(size, frames)
        guidance = backbone.guidance(config, backbone.schedule(config), shape[0])
        own = [self.told(self.own, shot) for shot in shots]
        control = [[self.told(guide.control, shot) for shot in shots] for guide in self.guides]
        signals = [_batch(told, backbone.device) for told in control]
        request = Request(
            image=_pictures([scene.image for scene in scenes], backbone.device),
            size=size,
            frames=frames,
            fps=fps,
            terms=self.terms(signals, scenes, guidance.terms),
            signal=_batch(own, backbone.device),
            streams=[Streams(shot.seed) for shot in shots],
            prompts=[shot.prompt for shot in shots] if any(s.prompt for s in shots) else (),
            negative_prompts=_negatives(shots),
            last_image=_pictures([shot.last_image for shot in shots], backbone.device),
            plate=_pictures([shot.plate for shot in shots], backbone.device),
            references=[
                torch.stack(alike).to(backbone.device)
                for alike in zip(*(shot.references for shot in shots), strict=True)
            ],
        )
        notes = [
            tuple(dict.fromkeys(note for signal in every if signal for note in signal.notes))
            for every in zip(own, *control, strict=True)
        ]
        return request, notes

    @torch.no_grad()
    def decode(self, made: Made) -> Tensor:
        """uint8 frames ``(B, T, H, W, 3)`` on the CPU."""
        if made.frames is not None:
            return made.frames
        videos = []
        for video in made.latents.split(1):
            # Frame by frame, so that no second copy of the whole video is held in floating point.
            decoded = self.backbone.built.decode(video)[0]
            check_finite(decoded, "The decoder gave {found} of finite latents")
            rounded = [(f.float().clamp(0, 1) * 255).round().to(torch.uint8) for f in decoded]
            videos.append(torch.stack(rounded).permute(0, 2, 3, 1).contiguous().cpu())
        return torch.stack(videos)


def empty_signal(condition: str) -> str:
    """The note of a condition that makes nothing of a motion."""
    return f"the condition {condition!r} gives an empty signal: nothing in it moves"


def told_motion(offer: Offer, motion: Motion, frames: int) -> Motion:
    """The motion as the condition of an ``offer`` is to be given it.

    Raises:
        MotionError: it cannot be written out, see :func:`kinema.motion.written.written_out`.
    """
    plain = not isinstance(offer, ConditionOffer) or offer.plain
    return motion.written_out(frames) if plain else motion


def _guarded(part: Part[Controller], site: str, action: Action) -> Action:
    if isinstance(action, StepAction):
        return attrs.evolve(action, act=_guarded(part, site, action.act))
    if type(action).__module__.startswith("kinema.interfaces"):
        return action  # a record that a backbone looks into

    def act(*inputs: Any) -> Tensor:
        if torch.compiler.is_compiling():
            return action(*inputs)  # a guard would break the graph
        with part.calling(f"its action at the site {site!r}"):
            acted = action(*inputs)
        wanted = tuple(inputs[0].shape)
        made = tuple(getattr(acted, "shape", (repr(acted),)))
        if made != wanted:
            raise PluginError(
                f"The controller {part.name!r} of {part.found.source} makes {made!r} of {wanted!r} "
                f"at the site {site!r}; an action gives a tensor of the same shape."
            )
        return acted

    return act


def _acts_in(controller: Controller, term: Term) -> bool:
    return not isinstance(controller, ActsInTerms) or term in controller.acts_in


def _step_action(action: Action) -> StepAction:
    return action if isinstance(action, StepAction) else StepAction(action)


def _batch(told: Sequence[MotionSignal | None], device: torch.device) -> MotionSignal | None:
    made = [signal for signal in told if signal is not None]
    if not made:
        return None
    return (made[0] if len(made) == 1 else signals.stack(made)).to(device)


def _pictures(pictures: Sequence[Tensor | None], device: torch.device) -> Tensor | None:
    given = [picture for picture in pictures if picture is not None]
    if len(given) == 1:
        return given[0][None].to(device)
    return torch.stack(given).to(device) if given else None


def _negatives(shots: Sequence[Shot]) -> Sequence[str | None]:
    texts = [shot.negative_prompt for shot in shots]
    return () if all(text is None for text in texts) else texts

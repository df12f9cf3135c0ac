"""What a session is about to do: jobs checked, given a form and a scene, and put into passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.events import Run
from kinema.interfaces import Completes, HasNativeForm, Scene
from kinema.media.fit import Fit
from kinema.motion.motion import Motion
from kinema.offers import BackboneOffer, NativeForm
from kinema.session.building import Depths, sample_config
from kinema.session.form import VideoForm, choose_form, whole
from kinema.session.job import Job
from kinema.session.steering import Shot, Steering


@attrs.frozen(eq=False, kw_only=True)
class Planned:
    """A job, its run, and the shot to be sampled."""

    job: Job
    run: Run
    shot: Shot
    notes: tuple[str, ...]

    @property
    def form(self) -> tuple[Any, ...]:
        """What videos of one pass have in common."""
        job = self.job
        pictures = job.last_image is None, job.plate is None, len(job.references)
        sample = repr(self.run.sample)
        return self.run.size, self.run.frames, self.run.fps, pictures, sample


@attrs.frozen(eq=False)
class Planner:
    """Turns jobs into shots for one backbone and what steers it.

    Attributes:
        offer: of the backbone.
        steering: the backbone and what steers it.
        controller: name of its controller, or empty.
        depths: finds the depth of photos.
        sample: the sampling options, as they were asked for.
    """

    offer: BackboneOffer
    steering: Steering
    controller: str
    depths: Depths
    sample: Any

    @property
    def native(self) -> NativeForm | None:
        """The form that the backbone makes best."""
        backbone: object = self.steering.backbone.built
        return backbone.native if isinstance(backbone, HasNativeForm) else self.offer.native

    def completed(self, sample: Any) -> Any:
        """The options with a number for everything that was left open."""
        backbone: object = self.steering.backbone.built
        return backbone.completed(sample) if isinstance(backbone, Completes) else sample

    def form(self, motion: Motion, size: Any, frames: Any, fps: Any) -> VideoForm:
        """The form of a video of ``motion``; see :func:`choose_form`."""
        return choose_form(
            self.steering.backbone.built,
            self.offer.name,
            self.native,
            motion,
            size=size,
            frames=frames,
            fps=fps,
            any_rate=self.offer.any_rate,
        )

    def rehearsal(self, size: Any, frames: int) -> tuple[Shot, VideoForm]:
        """A grey photo in which nothing moves."""
        motion = Motion(canvas=size)
        form = self.form(motion, size, frames, None)
        grey = torch.full((3, form.size[1], form.size[0]), 0.5)
        return Shot(motion=motion, scene=Scene(frames=form.frames, image=grey)), form

    def passes(
        self, planned: Sequence[Planned], at_once: int | None, exact: bool
    ) -> list[list[int]]:
        """Which jobs are made together, by their places.

        Args:
            exact: whether every video has to be, to the bit, what it would be alone.

        Raises:
            InputError: ``at_once`` is no whole number of at least 1.
        """
        most = max(1, len(planned)) if at_once is None else whole(at_once, "at_once", 1)
        if self.offer.batches == "no" or (exact and self.offer.batches != "exact"):
            most = 1
        alike: dict[tuple[Any, ...], list[int]] = {}
        for index, each in enumerate(planned):
            alike.setdefault(each.form, []).append(index)
        return [
            places[first : first + most]
            for places in alike.values()
            for first in range(0, len(places), most)
        ]

    def plan(self, job: Job) -> Planned:
        """A job with its form, its motion and its pictures on the video's canvas.

        Raises:
            InputError: it is no job, the form cannot be made, or nothing reads a picture that the
                job has.
            MotionError: the motion does not fit the canvas.
        """
        if not isinstance(job, Job):
            raise InputError(f"animate_all takes kinema.Job, got {type(job).__name__}.")
        form = self.form(job.motion, job.size, job.frames, job.fps)
        motion = job.motion.fitted(form.size)
        fit = Fit.of(job.photo.size, form.size, job.motion.canvas)
        picture = job.photo.on(fit)
        run = Run(
            backbone=self.offer.name,
            controller=self.controller,
            motion=motion,
            size=form.size,
            frames=form.frames,
            fps=form.fps,
            seed=job.seed,
            sample=self._sample(job),
            prompt=job.prompt,
        )
        scene = Scene(
            frames=form.frames,
            image=picture.tensor(),
            depth=cache(partial(self.depths.of, picture, fit)),
            encode=self._encode,
            fit=fit,
        )
        shot = Shot(
            motion=motion,
            scene=scene,
            seed=job.seed,
            prompt=job.prompt,
            negative_prompt=job.negative_prompt,
            last_image=job.last_image.fitted(form.size).tensor() if job.last_image else None,
            references=[photo.fitted(form.size).tensor() for photo in job.references],
            plate=self._plate(job, form),
        )
        notes = (*form.notes, *self._unread(job))
        return Planned(job=job, run=run, shot=shot, notes=notes)

    def _sample(self, job: Job) -> Any:
        if not job.sample:
            return self.completed(self.sample)
        # What the session left open is filled in anew: it may depend on what the job says.
        kept = attrs.asdict(self.sample, recurse=False)
        sample = self.completed(sample_config(self.offer, {**kept, **job.sample}))
        if getattr(sample, "solver", "") != kept.get("solver", ""):
            raise InputError(
                f"A job asks for the solver {sample.solver!r}, the session has "
                f"{kept['solver']!r}. Open a session with sample={{'solver': {sample.solver!r}}}."
            )
        return sample

    @staticmethod
    def _plate(job: Job, form: VideoForm) -> Tensor | None:
        """The plate on the video's canvas, laid exactly over the photo."""
        if job.plate is None:
            return None
        return job.plate.on(Fit.of(job.plate.size, form.size, job.motion.canvas)).tensor()

    def _encode(self, frames: Tensor) -> Tensor:
        return self.steering.backbone.built.encode(
            frames[None].to(self.steering.backbone.built.device)
        )[0]

    def _unread(self, job: Job) -> list[str]:
        """What of a job nothing reads, in words.

        Raises:
            InputError: it has pictures that the backbone does not read, or regions that appear or
                vanish where it cannot say that.
        """
        name, reads = self.offer.name, self.offer.reads
        pictures = {
            "last-image": job.last_image is not None,
            "references": bool(job.references),
            "plate": job.plate is not None,
        }
        for what, given in pictures.items():
            if given and what not in reads:
                raise InputError(
                    f"The backbone {name!r} reads no {what.replace('-', ' ')}; leave it out, or "
                    "choose another backbone."
                )
        passing = [region for region in job.motion.regions if not region.is_always_seen]
        if passing and "vanishing" not in reads:
            raise InputError(
                f"The region {passing[0].label()} appears or vanishes during the clip, which the "
                f"backbone {name!r} cannot show. Leave its times out, or choose another backbone."
            )
        notes = []
        if not job.motion.is_empty and not self.steering.reads_motion:
            notes.append(
                f"nothing reads the motion: the backbone {name!r} reads none by itself, and no "
                "controller is named"
            )
        texts = {"prompt": job.prompt, "negative-prompt": job.negative_prompt}
        notes += [
            f"the backbone {name!r} reads no {what.replace('-', ' ')}, so that text is left aside"
            for what, text in texts.items()
            if text and what not in reads
        ]
        return notes

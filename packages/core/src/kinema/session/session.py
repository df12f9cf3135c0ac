"""The facade that products call: a Session keeps a backbone loaded, animate() makes one video."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from torch import Tensor

from kinema.device import pick_device
from kinema.errors import InputError
from kinema.events import notify
from kinema.interfaces import Backbone, Controller, Rehearses, Step
from kinema.media.video import Video
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion
from kinema.offers import BACKBONE, CONDITION, NativeForm
from kinema.plugins import Plugins
from kinema.session import building
from kinema.session.choices import Controllers, choices_of, names_of
from kinema.session.form import VideoForm, native_size
from kinema.session.job import Job
from kinema.session.parts import Part, Parts
from kinema.session.planning import Planned, Planner
from kinema.session.record import record
from kinema.session.steering import Steering
from kinema.session.together import Guide, Together, options_of
from kinema.session.turns import Turns

OnProgress = Callable[[int, int], None]
Cancel = Callable[[], bool]


class Session:
    """A backbone, a controller and their conditions, loaded once for many videos.

    A session makes one video at a time. It may be used from several threads: each waits its turn,
    and gets what it would have got alone. Two sessions are independent.

    Args:
        backbone: name of a backbone; None takes the one that is the default where none is named.
        weights: folder or file of the backbone's weights, if it has any.
        controller: name of a controller, or the folder of a trained one; empty for none. None
            takes the one that comes along with the backbone's own weights, if there is one. A list
            of them acts in this order.
        controller_options: options of that controller; they win over its folder's. Of several, a
            table for each by its name or folder.
        conditions: names of the conditions that feed the controller, in channel order, instead of
            those it was trained on or asks for; they must give the same channels.
        condition_options: options of conditions, by name: of the controller's and of those that
            the backbone reads itself.
        depth: name of a depth estimator, or path of a depth file; for camera paths.
        depth_options: options of that depth estimator.
        device: ``"auto"`` takes CUDA, then MPS, then the CPU.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; None leaves it to the backbone.
        sample: options of the sampling, of the backbone's own; a mapping is laid over its defaults.
        solver_options: options of the solver that ``sample`` names.
        options: options of the backbone.
        events: names of the plugins that observe the runs.
        plugins: where names are looked up; the installed plugins unless given.

    Raises:
        InputError: a name or an option is unknown.
        WeightsError: weights are absent.
        PluginError: a plugin broke.
    """

    def __init__(
        self,
        backbone: str | None = None,
        *,
        weights: str | os.PathLike[str] | None = None,
        controller: Controllers = None,
        controller_options: Mapping[str, Any] | None = None,
        conditions: Sequence[str] | None = None,
        condition_options: Mapping[str, Mapping[str, Any]] | None = None,
        depth: str | os.PathLike[str] | None = None,
        depth_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        dtype: str | None = None,
        sample: Any = None,
        solver_options: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        events: Sequence[str] = (),
        plugins: Plugins | None = None,
    ) -> None:
        self.plugins = plugins or Plugins.installed()
        named = self.plugins.find(BACKBONE, backbone) if backbone else None
        offer = (named or self.plugins.default(BACKBONE)).offer
        self._offer = offer
        self.sample = building.sample_config(offer, sample)
        self._parts = Parts(self.plugins)
        self._events = self.plugins.observers(events)
        self._turns = Turns()
        self._closed = False
        self._solver_options = dict(solver_options or {})
        self._solver(record=True)
        where = {"device": pick_device(device), "weights": weights, "dtype": dtype}
        built = building.build_backbone(self._parts, offer.name, where, dict(options or {}))
        depth = None if depth is None else os.fspath(depth)
        device = str(built.built.device)
        depths = building.Depths(self._parts, depth, depth_options or {}, device)
        if controller is None and not weights and not (options or {}).get("weights"):
            controller = offer.controller
        self.controller_name = ""
        self._detach: Callable[[], None] = lambda: None
        self.steering = self._steered(
            built,
            choices_of(controller),
            dict(controller_options or {}),
            names_of(conditions),
            {name: dict(values) for name, values in (condition_options or {}).items()},
        )
        self._planner = Planner(
            self._offer, self.steering, self.controller_name, depths, self.sample
        )
        self.sample = self._planner.completed(self.sample)

    def _steered(
        self,
        backbone: Part[Backbone],
        choices: Sequence[str],
        controller_options: Mapping[str, Any],
        names: Sequence[str] | None,
        options: Mapping[str, Mapping[str, Any]],
    ) -> Steering:
        parts = self._parts
        mine = {name: options.get(name, {}) for name in self._offer.conditions}
        own = building.build_conditions(parts, mine, building.OWN)
        if not choices and (names or controller_options):
            raise InputError(
                f"{'The conditions ' + ', '.join(names) if names else 'Options of a controller'} "
                "are named, but no controller that would read them."
            )
        if len(choices) > 1 and names:
            raise InputError(
                f"The conditions {', '.join(names)} are named, but several controllers that would "
                "read them. Several take those that they were trained on, or ask for."
            )
        guides: list[Guide] = []
        read = list(mine)
        for place, (choice, own_options) in enumerate(
            zip(choices, options_of(choices, controller_options), strict=True)
        ):
            part, trained = building.build_controller(parts, choice, own_options)
            wanted = building.wanted_conditions(parts, part.name, trained, names, options)
            read += wanted
            role = building.control_role(place)
            control = building.build_conditions(parts, wanted, role)
            guides.append(Guide(controller=part, control=control))
        unread = [name for name in options if name not in read]
        if unread:
            self.plugins.find(CONDITION, unread[0])
            raise InputError(
                f"Options of the condition {unread[0]!r} are given, but nothing reads it. The "
                f"conditions in use: {', '.join(dict.fromkeys(read)) or 'none'}."
            )
        if not guides:
            return Steering(backbone=backbone, own=own)
        for guide in guides:
            building.place(guide.controller.built, backbone.built)
        built = [guide.controller.built for guide in guides]
        self._detach = backbone.built.attach(built[0] if len(built) == 1 else Together(built))
        self.controller_name = " + ".join(guide.controller.name for guide in guides)
        first, *more = guides
        return Steering(
            backbone=backbone,
            own=own,
            controller=first.controller,
            control=first.control,
            more=more,
        )

    # -- what it holds ------------------------------------------------------------------------

    @property
    def backbone_name(self) -> str:
        """Of its offer."""
        return self._offer.name

    @property
    def backbone(self) -> Backbone:
        """The video model."""
        return self.steering.backbone.built

    @property
    def controller(self) -> Controller | None:
        """What steers it, or None."""
        return self.steering.controller.built if self.steering.controller else None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach the controller; the backbone's model is then as it was loaded.

        Waits for a video that is being made. Nothing can be made afterwards.
        """
        with self._turns.taken():
            self._closed = True
            self._detach()
            self._detach = lambda: None

    # -- making videos ------------------------------------------------------------------------

    def animate(
        self,
        photo: Any,
        motion: Motion,
        *,
        prompt: str = "",
        negative_prompt: str | None = None,
        last_image: Any = None,
        references: Sequence[Any] = (),
        plate: Any = None,
        size: Any = None,
        frames: int | None = None,
        fps: float | None = None,
        seed: int = 0,
        sample: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> Video:
        """Make one video; :class:`Job` says what the arguments are.

        Args:
            on_progress: called with (step, steps) after every step.
            cancel: asked before every step, and while another thread has its turn; True ends it.

        Raises:
            InputError: the photo, the size or an option cannot be used, or the session is closed.
            MotionError: the motion cannot be expressed on this size.
            Cancelled: ``cancel`` said so.
            PluginError: a plugin broke.
        """
        job = Job(
            photo=photo,
            motion=motion,
            prompt=prompt,
            negative_prompt=negative_prompt,
            last_image=last_image,
            references=references,
            plate=plate,
            size=size,
            frames=frames,
            fps=fps,
            seed=seed,
            sample=sample,
        )
        return self.animate_all([job], on_progress=on_progress, cancel=cancel)[0]

    def animate_all(
        self,
        jobs: Sequence[Job],
        *,
        at_once: int | None = None,
        exact: bool = True,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> list[Video]:
        """Make several videos, those of one form in one pass where the backbone can.

        All jobs are checked before the first is begun.

        Args:
            at_once: how many a pass makes at most; all of one form unless given.
            exact: False lets a backbone make several in a pass although they then differ from what
                each would be alone by rounding, such as a grey level here and there.
            on_progress: called with (step, steps) after every step, counted over all passes.
            cancel: as in :meth:`animate`.

        Raises:
            InputError, MotionError, Cancelled, PluginError: as :meth:`animate`.
        """
        with self._turn(cancel):
            planned = [self._planner.plan(job) for job in jobs]
            passes = self._planner.passes(planned, at_once, exact)
            made: dict[int, Video] = {}
            for number, numbers in enumerate(passes):
                progress = on_progress and partial(_overall, on_progress, number, len(passes))
                group = [planned[index] for index in numbers]
                videos = self._observed(group, progress, cancel)
                made.update(zip(numbers, videos, strict=True))
        return [made[index] for index in range(len(jobs))]

    def form(
        self, motion: Motion, size: Any = None, frames: Any = None, fps: Any = None
    ) -> VideoForm:
        """The form that a video of ``motion`` will have; see :mod:`kinema.session.form`."""
        return self._planner.form(motion, size, frames, fps)

    def native_size(self, motion: Motion, otherwise: NativeForm | None = None) -> Size:
        """The (width, height) of the backbone's own liking for the shape of a motion's canvas.

        Args:
            otherwise: what a backbone is taken to like that does not say.
        """
        native = self._planner.native or otherwise
        return native_size(self.backbone, native, motion.canvas, motion.frames)

    def warm_up(self, size: Any, frames: int) -> None:
        """Compile for videos of this size and T, where the backbone does that.

        Raises:
            InputError: it does not, or cannot make such videos, or the session is closed.
        """
        backbone = self.backbone
        if not isinstance(backbone, Rehearses):
            raise InputError(f"The backbone {self.backbone_name!r} has nothing to warm up.")
        with self._turn():
            shot, form = self._planner.rehearsal(size, frames)
            request, _ = self.steering.request([shot], form.size, form.fps, self.sample)
            backbone.warm_up(request)

    # -- one pass -----------------------------------------------------------------------------

    @contextmanager
    def _turn(self, cancel: Cancel | None = None) -> Iterator[None]:
        with self._turns.taken(cancel):
            if self._closed:
                raise InputError("The session is closed; open another one to make videos.")
            yield

    def _observed(
        self, group: Sequence[Planned], progress: OnProgress | None, cancel: Cancel | None
    ) -> list[Video]:
        for each in group:
            notify(self._events, "kinema_run_started", run=each.run)
        try:
            videos = self._make(group, progress, cancel)
        except BaseException as error:
            for each in group:
                notify(self._events, "kinema_run_failed", run=each.run, error=error)
            raise
        for each, video in zip(group, videos, strict=True):
            notify(self._events, "kinema_sample_finished", run=each.run, video=video)
        return videos

    def _make(
        self, group: Sequence[Planned], progress: OnProgress | None, cancel: Cancel | None
    ) -> list[Video]:
        def after_step(step: Step, latents: Tensor, clean: Tensor) -> None:
            for place, each in enumerate(group):
                notify(
                    self._events,
                    "kinema_step_finished",
                    run=each.run,
                    step=step.index + 1,
                    steps=step.count,
                    latents=latents[place : place + 1],
                    level=step.next,
                    clean=clean[place : place + 1],
                )
            if progress is not None:
                progress(step.index + 1, step.count)

        first = group[0].run
        made = self.steering.sample(
            [each.shot for each in group],
            first.size,
            first.fps,
            first.sample,
            self._solver(record=False),
            after_step,
            cancel,
        )
        frames = self.steering.decode(made)
        choices = self.backbone.choices(made.embeddings)
        videos = []
        for each, pixels, told in zip(group, frames.numpy(), made.notes, strict=True):
            notes = tuple(dict.fromkeys((*each.notes, *told)))
            manifest = record(
                each.job, each.run, self._parts, self.backbone, choices, notes, pixels
            )
            videos.append(Video(frames=pixels, fps=each.run.fps, manifest=manifest))
        return videos

    def _solver(self, record: bool) -> Any:
        return building.build_solver(self._parts, self.sample, self._solver_options, record)


def _overall(on_progress: OnProgress, number: int, passes: int, step: int, steps: int) -> None:
    on_progress(number * steps + step, passes * steps)

"""The facade that products call: a Session keeps a backbone loaded, animate() makes one video."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema import signals
from kinema.checkpoints import RECORD, ControllerRecord
from kinema.config import SampleConfig, from_mapping
from kinema.device import pick_device
from kinema.errors import InputError
from kinema.events import Run, notify
from kinema.files import sha256_of, sha256_of_file
from kinema.interfaces import (
    Actions,
    Backbone,
    Condition,
    Controller,
    DepthEstimator,
    DepthMap,
    Request,
    Scene,
    Term,
)
from kinema.media.video import Photo, Video, read_photo
from kinema.motion.canvas import as_size
from kinema.motion.motion import Motion
from kinema.offers import BackboneOffer, ControllerOffer
from kinema.plugins import Plugins
from kinema.sampling import draw_noise, guidance_terms, sample
from kinema.session.manifest import Manifest
from kinema.session.parts import Parts, is_path
from kinema.signals import MotionSignal

OnProgress = Callable[[int, int], None]
Cancel = Callable[[], bool]

#: The depth estimator of a camera path for which none is named; never silent, see Manifest.notes.
DEFAULT_DEPTH = "plane-prior"


class Session:
    """A backbone, a controller and their conditions, loaded once for many videos.

    Args:
        backbone: name of a backbone.
        weights: folder or file of the backbone's weights, if it has any.
        controller: name of a controller, or the folder of a trained one; empty for none. None
            takes the one that comes along with the backbone's own weights, if there is one.
        controller_options: options of that controller; they win over its folder's.
        conditions: which conditions feed the controller, by name with their options; overrides
            what the controller asks for, and must give the same channels. Options named for a
            condition that the backbone reads itself configure that one.
        depth: name of a depth estimator, or path of a depth file; for camera paths.
        depth_options: options of that depth estimator.
        device: ``"auto"`` takes CUDA, then MPS, then the CPU.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; None leaves it to the backbone.
        sample: options of the sampling loop; a mapping is laid over the backbone's own defaults.
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
        backbone: str = "preview",
        *,
        weights: str | os.PathLike[str] | None = None,
        controller: str | os.PathLike[str] | None = None,
        controller_options: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Mapping[str, Any]] | Sequence[str] | None = None,
        depth: str | os.PathLike[str] | None = None,
        depth_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        dtype: str | None = None,
        sample: SampleConfig | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        events: Sequence[str] = (),
        plugins: Plugins | None = None,
    ) -> None:
        self.plugins = plugins or Plugins.installed()
        offer = self.plugins.find("backbone", backbone).offer
        assert isinstance(offer, BackboneOffer)
        if not isinstance(sample, SampleConfig):
            sample = from_mapping(
                SampleConfig, {**offer.sample, **(sample or {})}, "The config of sampling"
            )
        self.sample = sample
        self._parts = Parts(self.plugins)
        self._events = self.plugins.observers(events)
        self.backbone_name = backbone
        self._depth_choice = None if depth is None else os.fspath(depth)
        self._depth_options = dict(depth_options or {})
        self._depth: DepthEstimator | None = None
        self._parts.check_depth(self._depth_choice)

        given = {"device": pick_device(device), "weights": weights, "dtype": dtype}
        self.backbone: Backbone = self._parts.build(
            "backbone", backbone, self._backbone_options(backbone, given, dict(options or {}))
        )
        options_of = dict(conditions) if isinstance(conditions, Mapping) else {}
        self._own = [
            self._parts.build("condition", name, options_of.pop(name, {}))
            for name in offer.conditions
        ]

        self.controller_name = ""
        self.controller: Controller | None = None
        self._conditions: list[Condition] = []
        self._detach: Callable[[], None] = lambda: None
        if controller is None and not weights and not (options or {}).get("weights"):
            controller = offer.controller
        if controller:
            override = options_of if isinstance(conditions, Mapping) else conditions
            self._load_controller(os.fspath(controller), dict(controller_options or {}), override)
        elif options_of or (conditions and not isinstance(conditions, Mapping)):
            raise InputError(
                f"The conditions {', '.join(conditions or ())} are named, but no controller that "
                "would read them."
            )

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
        """Detach the controller; the backbone's model is then as it was loaded."""
        self._detach()
        self._detach = lambda: None

    def animate(
        self,
        photo: Any,
        motion: Motion,
        *,
        size: Any = None,
        frames: int | None = None,
        fps: float | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> Video:
        """Make one video.

        Args:
            photo: path, PIL image, numpy array or tensor; resized to cover the motion's canvas and
                cropped at its centre.
            motion: what should move, and how.
            size: (width, height) of the video; the motion's canvas unless given.
            frames: T; wins over the motion's duration.
            fps: wins over the motion's.
            seed: of all randomness.
            on_progress: called with (step, steps) after every step.
            cancel: asked before every step; True ends the run.

        Raises:
            InputError: the photo, the size or an option cannot be used.
            MotionError: the motion cannot be expressed on this size.
            Cancelled: ``cancel`` said so.
        """
        chosen = motion.canvas if size is None else as_size(size, "The size")
        source = read_photo(photo)
        run = Run(
            backbone=self.backbone_name,
            controller=self.controller_name,
            motion=motion.fitted(chosen),
            size=chosen,
            frames=motion.frames if frames is None else frames,
            fps=motion.fps if fps is None else float(fps),
            seed=seed,
            sample=self.sample,
        )
        self.backbone.check(run.size, run.frames)
        picture = source.fitted(chosen, motion.canvas)
        notify(self._events, "kinema_run_started", run=run)
        try:
            video = self._make(run, source, picture, motion, on_progress, cancel)
        except BaseException as error:
            notify(self._events, "kinema_run_failed", run=run, error=error)
            raise
        notify(self._events, "kinema_sample_finished", run=run, video=video)
        return video

    # -- one run ------------------------------------------------------------------------------

    @torch.no_grad()
    def _make(
        self,
        run: Run,
        source: Photo,
        picture: Photo,
        motion: Motion,
        on_progress: OnProgress | None,
        cancel: Cancel | None,
    ) -> Video:
        image = picture.tensor()
        scene = Scene(frames=run.frames, image=image, depth=self._depth_of(image))
        own = self._signal(self._own, run.motion, scene)
        control = self._signal(self._conditions, run.motion, scene)
        terms = self._actions(control)
        embeddings = self.backbone.embed(
            Request(
                image=image[None].to(self.backbone.device),
                size=run.size,
                frames=run.frames,
                fps=run.fps,
                terms=terms,
                signal=own,
                generator=torch.Generator().manual_seed(run.seed),
            )
        )
        shape = self.backbone.latent_shape(run.size, run.frames)
        noise = draw_noise(shape, [run.seed]).to(self.backbone.device)
        for action in self._at("noise", terms["conditional"]):
            noise = action(noise)

        def after_step(step: int, steps: int, latents: Tensor) -> None:
            at = {"step": step, "steps": steps, "latents": latents}
            notify(self._events, "kinema_step_finished", run=run, **at)
            if on_progress is not None:
                on_progress(step, steps)

        latents = sample(
            self.backbone,
            embeddings,
            noise,
            run.sample,
            before_step=self._at("sampler-step", terms["conditional"]),
            after_step=after_step,
            cancel=cancel,
        )
        # Frame by frame, so that no second copy of the whole video is held in floating point.
        decoded = self.backbone.decode(latents)[0]
        rounded = [(f.float().clamp(0, 1) * 255).round().to(torch.uint8) for f in decoded]
        frames = torch.stack(rounded).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        notes = [note for signal in (own, control) if signal for note in signal.notes]
        manifest = self._manifest(run, source, motion, tuple(dict.fromkeys(notes)))
        manifest = attrs.evolve(manifest, frames_sha256=sha256_of(frames.tobytes()))
        return Video(frames=frames, fps=run.fps, manifest=manifest)

    def _signal(
        self, conditions: Sequence[Condition], motion: Motion, scene: Scene
    ) -> MotionSignal | None:
        if not conditions:
            return None
        made = signals.concatenate([item.from_motion(motion, scene) for item in conditions])
        return made.to(self.backbone.device)

    def _actions(self, signal: MotionSignal | None) -> Mapping[Term, Actions]:
        acts: Actions = {}
        still: Actions = {}
        wanted = guidance_terms(self.sample)
        if self.controller is not None and signal is not None:
            acts = self.controller.actions(signal, self.backbone.sites)
            if "motion-free" in wanted:
                still = self.controller.actions(signal.without_motion(), self.backbone.sites)
        return {term: still if term == "motion-free" else acts for term in wanted}

    def _at(self, kind: str, actions: Actions) -> list[Callable[[Tensor], Tensor]]:
        sites = [site for site in self.backbone.sites if site.kind == kind]
        return [actions[site.name] for site in sites if site.name in actions]

    def _depth_of(self, image: Tensor) -> Callable[[], DepthMap]:
        found: list[DepthMap] = []

        def depth() -> DepthMap:
            if not found:
                found.append(self._depth_estimator().estimate(image))
            return found[0]

        return depth

    # -- building -----------------------------------------------------------------------------

    def _backbone_options(
        self, name: str, given: Mapping[str, Any], options: dict[str, Any]
    ) -> dict[str, Any]:
        known = self._parts.options_of("backbone", name)
        for key, value in given.items():
            if key in known and value is not None:
                options.setdefault(key, os.fspath(value) if key == "weights" else value)
            elif value is not None and key != "device":
                raise InputError(f"The backbone {name!r} has no {key} to choose, got {value!r}.")
        return options

    def _depth_estimator(self) -> DepthEstimator:
        if self._depth is None:
            options = self._depth_options
            name = self._depth_choice or DEFAULT_DEPTH
            if is_path(name):
                name, options = "depth-file", {**options, "path": name}
                self._parts.read(Path(options["path"]))
            if "device" in self._parts.options_of("depth estimator", name):
                options = {"device": str(self.backbone.device), **options}
            self._depth = self._parts.build("depth estimator", name, options)
        return self._depth

    def _load_controller(
        self,
        choice: str,
        options: dict[str, Any],
        override: Mapping[str, Mapping[str, Any]] | Sequence[str] | None,
    ) -> None:
        trained: Mapping[str, Mapping[str, Any]] = {}
        name = choice
        if Path(choice).is_dir() or os.sep in choice:
            folder = Path(choice)
            record = ControllerRecord.read(folder)
            name, trained = record.controller, record.conditions
            options = {**record.config, **options, "weights": str(folder)}
            self._parts.read(folder / RECORD, *sorted(folder.rglob("*.safetensors")))
            if record.licence:
                self._parts.licences.append(f"{folder.name}: {record.licence}")
        self.controller = self._parts.build("controller", name, options)
        self.controller_name = name
        offer = self.plugins.find("controller", name).offer
        assert isinstance(offer, ControllerOffer)
        wanted = trained or {condition: {} for condition in offer.conditions}
        if override:
            wanted = override if isinstance(override, Mapping) else {key: {} for key in override}
        self._conditions = [
            self._parts.build("condition", key, value, "control condition")
            for key, value in wanted.items()
        ]
        if isinstance(self.controller, torch.nn.Module):
            self.controller.to(self.backbone.device, self.backbone.dtype).eval()
        self._detach = self.backbone.attach(self.controller)

    def _manifest(
        self, run: Run, source: Photo, motion: Motion, notes: tuple[str, ...]
    ) -> Manifest:
        masks = {r.mask: sha256_of_file(Path(r.mask)) for r in motion.regions if r.mask}
        return Manifest(
            offers=self._parts.used,
            sample=attrs.asdict(run.sample),
            motion=motion.embedded().to_dict(),
            photo={"path": source.path, "sha256": source.sha256},
            size=run.size,
            frames=run.frames,
            fps=run.fps,
            seed=run.seed,
            files={**masks, **self._parts.files},
            choices={
                "device": str(self.backbone.device),
                "dtype": str(self.backbone.dtype).removeprefix("torch."),
                **self.backbone.choices(),
            },
            notes=notes,
            licences=tuple(dict.fromkeys(self._parts.licences)),
        )


def animate(
    photo: Any,
    motion: Motion,
    backbone: str = "preview",
    *,
    size: Any = None,
    frames: int | None = None,
    fps: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
    **session: Any,
) -> Video:
    """Make one video: a :class:`Session` of one call.

    ``session`` takes the options of :class:`Session`; the rest is as in :meth:`Session.animate`.
    """
    with Session(backbone, **session) as opened:
        return opened.animate(
            photo,
            motion,
            size=size,
            frames=frames,
            fps=fps,
            seed=seed,
            on_progress=on_progress,
            cancel=cancel,
        )

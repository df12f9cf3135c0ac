"""``kinema doctor``: what works on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import attrs
import click

from kinema.plugins import Plugins
from kinema_apps.weights import offers_with_weights, size_of, states

_PACKAGES = (
    "kinema",
    "kinema-conditions",
    "kinema-backbones",
    "kinema-apps",
    "torch",
    "numpy",
    "kornia",
    "diffusers",
    "transformers",
    "peft",
    "xformers",
    "av",
    "pillow",
)


@attrs.frozen
class Line:
    """One finding; ``good`` is None for a fact that is neither good nor bad."""

    what: str
    value: str
    good: bool | None = None


@click.command()
def command() -> None:
    """Say what works here: devices, attention kernels, codecs, weights, plugins.

    The exit code is 1 if an installed plugin is broken or collides with another; whatever is merely
    absent leaves it 0.
    """
    sections: dict[str, Callable[[], Iterable[Line]]] = {
        "Versions": _versions,
        "Devices": _devices,
        "Attention kernels": _attention,
        "Codecs": _codecs,
        "Weights": _weights,
        "Plugins": _plugins,
    }
    broken = False
    for title, section in sections.items():
        click.secho(title, bold=True)
        for line in section():
            mark = {True: "yes", False: "NO ", None: "   "}[line.good]
            click.echo(f"  {mark} {line.what}: {line.value}")
            broken = broken or (title == "Plugins" and line.good is False)
    if broken:
        raise click.exceptions.Exit(1)


def _versions() -> Iterator[Line]:
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Line("python", f"{platform.python_version()} on {system}")
    for name in _PACKAGES:
        try:
            yield Line(name, version(name))
        except PackageNotFoundError:
            yield Line(name, "not installed")


def _devices() -> Iterator[Line]:
    import torch

    yield Line("cpu", f"{torch.get_num_threads()} threads", True)
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        memory = f"{found.total_memory / 2**30:.0f} GiB"
        yield Line(
            f"cuda:{index}", f"{found.name}, {memory}, capability {found.major}.{found.minor}", True
        )
    if not torch.cuda.is_available():
        yield Line("cuda", "none; big video models need one, preview does not")
    if torch.backends.mps.is_available():
        yield Line("mps", "Apple GPU", True)


def _attention() -> Iterator[Line]:
    import torch

    cuda = torch.backends.cuda
    if torch.cuda.is_available():
        yield Line("flash", "enabled" if cuda.flash_sdp_enabled() else "off", True)
        yield Line(
            "memory-efficient", "enabled" if cuda.mem_efficient_sdp_enabled() else "off", True
        )
        yield Line("cudnn", "enabled" if cuda.cudnn_sdp_enabled() else "off", True)
    yield Line("math", "works everywhere", True)
    if find_spec("xformers") is None:
        yield Line("xformers", "not installed")
    elif not torch.cuda.is_available():
        yield Line("xformers", "installed, but needs CUDA")
    else:
        yield _xformers()


def _xformers() -> Line:
    try:
        ops = import_module("xformers.ops")
        return Line("xformers", ops.memory_efficient_attention.__name__, True)
    except Exception as error:  # a compiled extension can fail in any way
        return Line("xformers", f"does not load ({type(error).__name__}: {error})", False)


def _codecs() -> Iterator[Line]:
    import av
    from PIL import features

    for what, codec in (("mp4 (H.264)", "libx264"), ("webm (VP9)", "libvpx-vp9")):
        present = codec in av.codecs_available
        yield Line(what, codec if present else f"this PyAV has no {codec}", present)
    webp = bool(features.check("webp"))
    yield Line("webp", "Pillow" if webp else "this Pillow has no webp", webp)
    yield Line("gif, png", "Pillow", True)


def _weights() -> Iterator[Line]:
    needed = offers_with_weights(Plugins.installed())
    for item in needed:
        for state in states(item):
            file = state.file
            what = f"{item.offer.name}: {file.path} of {file.hub}, {size_of(file)}"
            if state.path is None:
                yield Line(what, "not in the local cache (a folder you name works as well)")
            else:
                yield Line(what, state.fault or str(state.path), not state.fault)
    if not needed:
        yield Line("none", "no installed offer needs weights")


def _plugins() -> Iterator[Line]:
    plugins = Plugins.installed()
    for source in plugins.sources():
        counts = {
            "offer": sum(item.source == source for item in plugins.all()),
            "event": sum(len(o.events) for o in plugins.event_plugins() if o.source == source),
        }
        brought = [f", {n} {what}{'' if n == 1 else 's'}" for what, n in counts.items() if n]
        yield Line(source.plugin, f"{source}{''.join(brought)}", True)
    for dormant in plugins.dormant.values():
        yield Line(dormant.source.plugin, f"{dormant.source}: {dormant.reason}")
    for broken in plugins.broken.values():
        yield Line(broken.source.plugin, f"{broken.source} is broken: {broken.reason}", False)
    for collision in plugins.collisions():
        yield Line("collision", str(collision), False)

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from kinema import hookimpl, offers
from kinema.plugins import Plugins
from kinema.testing import toy_plugin


@attrs.frozen(kw_only=True)
class Options:
    """Options of the ripple."""

    width: float = 2.5
    """How wide a ring is,
    in pixels."""
    rings: int
    """How many rings."""
    names: tuple[str, ...] = attrs.field(factory=tuple)
    undocumented: bool = False


@attrs.frozen(kw_only=True)
class MoreOptions(Options):
    colour: str | None = None
    """Any colour."""


def nothing(_: Any) -> Any:
    raise AssertionError("listing offers builds nothing")


class Ripple:
    @hookimpl
    def kinema_conditions(self) -> Iterator[offers.ConditionOffer]:
        yield offers.ConditionOffer(
            name="ripple", summary="Rings.", factory=nothing, config=MoreOptions
        )

    @hookimpl
    def kinema_metrics(self) -> Iterator[offers.MetricOffer]:
        yield offers.MetricOffer(
            name="ripple",
            summary="Counts rings.",
            factory=nothing,
            weights=(
                offers.WeightFile(
                    path="rings.safetensors",
                    hub="someone/rings",
                    licence="MIT",
                    bytes=1_500_000_000,
                ),
            ),
        )


class Watcher:
    """Looks on.

    At everything.
    """

    observes_trainings = True

    @hookimpl
    def kinema_training_finished(self) -> None: ...

    @hookimpl
    def kinema_run_started(self) -> None: ...


class Halves:
    @hookimpl
    def kinema_solvers(self) -> Iterator[offers.SolverOffer]:
        yield offers.SolverOffer(name="halves", summary="Half of the way.", factory=nothing)


class Misspelt:
    @hookimpl
    def kinema_conditons(self) -> Iterator[offers.ConditionOffer]:
        yield from ()


Run = Callable[..., Any]


def test_plugins_lists_offers_by_kind_with_their_source(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Ripple(), "ripple", "kinema-ripple", "0.3.0")
    lines = toy("plugins").stdout.splitlines()
    assert lines[0] == "conditions"
    assert lines[1].split() == ["ripple", "Rings.", "[kinema-ripple", "0.3.0]"]
    assert "  ripple         Counts rings.  [kinema-ripple 0.3.0]" in lines
    assert "  toy            Two convolutions, for tests.  [kinema-toys 1.2.3]" in lines
    assert "commands" in lines
    assert "event plugins" not in lines


def test_plugins_lists_event_plugins_with_their_events(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Watcher(), "watcher", "kinema-watcher", "0.1.0")
    assert toy("plugins").stdout.splitlines()[-4:] == [
        "event plugins",
        "  watcher        Looks on.  [kinema-watcher 0.1.0]",
        "                 kinema_run_started",
        "                 kinema_training_finished",
    ]
    assert json.loads(toy("plugins", "--json").stdout)["event_plugins"] == [
        {
            "plugin": "watcher",
            "distribution": "kinema-watcher",
            "version": "0.1.0",
            "summary": "Looks on.",
            "events": ["kinema_run_started", "kinema_training_finished"],
            "by_default": True,
        }
    ]


def test_plugins_shows_what_is_broken_and_what_collides(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Misspelt(), "misspelt", "kinema-misspelt", "9")
    kinema_plugins.register(type(toy_plugin)(), "more-toys", "kinema-more-toys", "2.0")
    text = toy("plugins").stdout
    assert "broken: misspelt [kinema-misspelt 9]" in text
    assert "unknown hook 'kinema_conditons'" in text
    assert (
        "collision: The backbone 'toy' is offered by kinema-toys 1.2.3 and by kinema-more-toys 2.0."
        in text
    )


def test_plugins_as_json(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Misspelt(), "misspelt", "kinema-misspelt", "9")
    listed = json.loads(toy("plugins", "--json").stdout)
    assert listed["offers"][0] == {
        "kind": "condition",
        "name": "toy-shift",
        "summary": "The mean of all drags, everywhere.",
        "plugin": "toys",
        "distribution": "kinema-toys",
        "version": "1.2.3",
    }
    assert [broken["plugin"] for broken in listed["broken"]] == ["misspelt"]
    assert listed["collisions"] == []


def test_plugins_says_what_is_not_installed(
    toy: Run, kinema_plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not installed" not in toy("plugins").stdout
    monkeypatch.setattr(kinema_plugins, "absent", lambda: ["kinema-looks", "kinema-more"])
    assert toy("plugins").stdout.splitlines()[-1] == (
        'not installed: kinema-looks, kinema-more; install "kinema[all]".'
    )


def test_show_describes_every_kind_of_that_name(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Ripple(), "ripple", "kinema-ripple", "0.3.0")
    assert toy("show", "ripple").stdout == (
        "ripple (condition) from kinema-ripple 0.3.0\n"
        "  Rings.\n"
        "\n"
        "Options:\n"
        "  width = 2.5   (float)\n"
        "      How wide a ring is, in pixels.\n"
        "  rings = (required)   (int)\n"
        "      How many rings.\n"
        "  names = ()   (tuple[str, ...])\n"
        "  undocumented = False   (bool)\n"
        "  colour = None   (str | None)\n"
        "      Any colour.\n"
        "\n"
        "ripple (metric) from kinema-ripple 0.3.0\n"
        "  Counts rings.\n"
        "  In no unit; no side is better.\n"
        "  Needs rings.safetensors of someone/rings, 1.50 GB (licence: MIT).\n"
        "\n"
        "It has no options.\n"
    )


def test_show_describes_an_event_plugin(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Watcher(), "watcher", "kinema-watcher", "0.1.0")
    assert toy("show", "watcher").stdout == (
        "watcher (event plugin) from kinema-watcher 0.1.0\n"
        "  Looks on.\n"
        "  Observes every training whose recipe says nothing of events.\n"
        "\n"
        "Events:\n"
        "  kinema_run_started\n"
        "  kinema_training_finished\n"
    )
    assert "Did you mean 'watcher'?" in toy("show", "watchr", code=2).stderr


def test_show_describes_a_solver(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Halves(), "halves", "kinema-halves", "0.1.0")
    assert toy("show", "halves").stdout == (
        "halves (solver) from kinema-halves 0.1.0\n  Half of the way.\n\nIt has no options.\n"
    )


def test_show_names_the_conditions_of_a_controller(toy: Run) -> None:
    assert "  Reads the conditions toy-shift.\n" in toy("show", "toy-noise").stdout


def test_show_of_an_unknown_name(toy: Run, kinema_plugins: Plugins) -> None:
    assert toy("show", "toy-niose", code=2).stderr == (
        "Error: Nothing installed is called 'toy-niose'. Did you mean 'toy-noise'? "
        "`kinema plugins` lists the names.\n"
    )
    kinema_plugins.register(Misspelt(), "misspelt", "kinema-misspelt", "9")
    assert toy("show", "x", code=2).stderr.startswith(
        "Error: Nothing installed is called 'x'. `kinema plugins` lists the names. The broken "
        "plugin 'misspelt' (kinema-misspelt 9) may offer it: PluginValidationError: unknown hook"
    )


def test_every_first_party_offer_documents_every_option() -> None:
    from kinema_apps.commands.show import field_docs

    for item in Plugins.installed().all():
        missing = {f.name for f in attrs.fields(item.offer.config)} - set(
            field_docs(item.offer.config)
        )
        assert not missing, f"{item.offer.name}: {missing}"


@pytest.mark.slow
def test_every_first_party_offer_is_shown(kinema: Run) -> None:
    for item in Plugins.installed().all():
        assert item.offer.name in kinema("show", item.offer.name).stdout


def test_doctor_says_what_works(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Ripple(), "ripple", "kinema-ripple", "0.3.0")
    kinema_plugins.register(Watcher(), "watcher", "kinema-watcher", "0.1.0")
    text = toy("doctor").stdout
    for title in ("Versions", "Devices", "Attention kernels", "Codecs", "Weights", "Plugins"):
        assert f"{title}\n" in text
    assert "  yes cpu: " in text
    assert "  yes mp4 (H.264): libx264\n" in text
    assert (
        "      ripple: rings.safetensors of someone/rings, 1.50 GB: not in the local cache" in text
    )
    assert "  yes toys: kinema-toys 1.2.3, 5 offers\n" in text
    assert "  yes watcher: kinema-watcher 0.1.0, 2 events\n" in text


def test_doctor_fails_on_a_broken_plugin(toy: Run, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Misspelt(), "misspelt", "kinema-misspelt", "9")
    result = toy("doctor", code=1)
    assert "  NO  misspelt: kinema-misspelt 9 is broken: PluginValidationError: " in result.stdout
    assert result.stderr == ""


def test_doctor_finds_weights_in_the_local_cache(
    toy: Run, kinema_plugins: Plugins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    kinema_plugins.register(Ripple(), "ripple", "kinema-ripple", "0.3.0")
    file = tmp_path / "rings.safetensors"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda hub, path: str(file))
    with file.open("wb") as sparse:
        sparse.truncate(1_500_000_000)
    assert f"  yes ripple: rings.safetensors of someone/rings, 1.50 GB: {file}\n" in (
        toy("doctor").stdout
    )
    with file.open("wb") as short:
        short.truncate(1000)
    assert "  NO  ripple: rings.safetensors of someone/rings, 1.50 GB: has 1000 bytes" in (
        toy("doctor").stdout
    )

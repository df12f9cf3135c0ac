"""Discovery, look-up and every message a plugin author or user may meet."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import kinema
from kinema import offers
from kinema.errors import InputError, PluginError
from kinema.found import Source
from kinema.offers import BACKBONE, CONDITION, KINDS, SOLVER
from kinema.plugins import EVENTS, Plugins
from kinema.testing import toy_plugin
from kinema.testing.toys import ToyShift


@attrs.frozen(kw_only=True)
class Strength:
    amount: float = 1.0
    """How much."""


def offering(*records: Any) -> SimpleNamespace:
    def kinema_conditions() -> Iterator[Any]:
        yield from records

    return SimpleNamespace(kinema_conditions=kinema.hookimpl(kinema_conditions))


def nothing() -> list[Any]:
    return []


def condition(name: str = "ripple", **more: Any) -> kinema.offers.ConditionOffer:
    more.setdefault("factory", lambda config: ToyShift())
    return kinema.offers.ConditionOffer(name=name, summary="Rings.", **more)


def test_an_offer_is_found_with_its_source(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition()), "mine", "my-dist", "1.2")
    found = kinema_plugins.find("condition", "ripple")
    assert (found.offer.name, str(found.source)) == ("ripple", "my-dist 1.2")


def test_every_kind_of_offer_has_a_hook_a_record_and_a_protocol() -> None:
    offering, observing = (
        [name for name in vars(module) if name.startswith("kinema_")]
        for module in (kinema.hooks.offers, kinema.hooks.events)
    )
    assert {kind.hook for kind in KINDS} == set(offering)
    assert list(EVENTS) == observing
    assert set(offering).isdisjoint(observing)
    records = {
        record
        for record in vars(offers).values()
        if isinstance(record, type) and issubclass(record, offers.Offer)
    }
    assert {kind.record for kind in KINDS} == records - {offers.Offer, offers.ScoreOffer}
    for kind in KINDS:
        assert getattr(kind.protocol(), "_is_protocol", False), kind
        assert str(kind) == kind.name
    names = [name for name, value in vars(offers.kinds).items() if value in KINDS]
    assert names == [kind.name.upper().replace(" ", "_") for kind in KINDS]


def test_a_kind_and_its_name_mean_the_same(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition()), "mine", "my-dist", "1.2")
    found = kinema_plugins.find(CONDITION, "ripple")
    assert found == kinema_plugins.find("condition", "ripple")
    assert found.kind is CONDITION
    assert kinema_plugins.all(CONDITION) == kinema_plugins.all("condition") == [found]
    assert isinstance(kinema_plugins.build(CONDITION, "ripple"), ToyShift)
    assert isinstance(kinema_plugins.build("condition", "ripple"), ToyShift)


@pytest.mark.parametrize("call", ["find", "configure", "build"])
def test_an_unknown_kind_lists_the_kinds(kinema_plugins: Plugins, call: str) -> None:
    message = (
        r"^Unknown kind of offer 'conditon'\. Did you mean 'condition'\? Choose one of: condition, "
        r"controller, backbone, solver, tracker, depth estimator, metric, set metric, benchmark, "
        r"importer, clip source, command\.$"
    )
    with pytest.raises(InputError, match=message):
        getattr(kinema_plugins, call)("conditon", "ripple")
    with pytest.raises(InputError, match=message):
        kinema_plugins.all("conditon")


def test_every_hook_documents_a_complete_example() -> None:
    hooks = {**vars(kinema.hooks.offers), **vars(kinema.hooks.events)}
    for name in (*(kind.hook for kind in KINDS), *EVENTS):
        example = hooks[name].__doc__.split("Example::\n")[1]
        code = "\n".join(line.removeprefix("        ") for line in example.splitlines())
        module: dict[str, Any] = {}
        exec(compile(code, name, "exec"), module)
        plugins = Plugins()
        plugins.register(SimpleNamespace(**module), "example")
        assert not plugins.broken, plugins.broken
        offered = [item.kind.hook for item in plugins.all() if item.source.plugin == "example"]
        watched = [event for item in plugins.event_plugins() for event in item.events]
        assert [*offered, *watched] == [name]


def test_the_core_is_a_plugin_of_every_look_up(kinema_plugins: Plugins) -> None:
    from importlib.metadata import version

    from kinema import solvers

    assert Source("kinema", "kinema", version("kinema")) in kinema_plugins.sources()
    assert [item.offer.name for item in kinema_plugins.all(SOLVER)] == ["euler", "heun"]
    assert kinema_plugins.build(SOLVER, "heun") is solvers.heun
    kinema_plugins.register(offering(), "kinema", "other", "1.0")
    assert "Two plugins are called 'kinema'" in kinema_plugins.broken["other 1.0"].reason


def test_a_function_is_a_solver(kinema_plugins: Plugins) -> None:
    def halve(latents: Any, clean: Any, step: Any, predict: Any) -> Any:
        return (latents + clean) / 2

    def kinema_solvers() -> Iterator[Any]:
        yield offers.SolverOffer(name="half", summary="Half.", factory=lambda config: halve)
        yield offers.SolverOffer(name="none", summary="None.", factory=lambda config: 3)  # type: ignore[arg-type,return-value]

    plugin = SimpleNamespace(kinema_solvers=kinema.hookimpl(kinema_solvers))
    kinema_plugins.register(plugin, "mine", "d", "1")
    assert kinema_plugins.build(SOLVER, "half") is halve
    with pytest.raises(
        PluginError,
        match=r"^The solver 'none' of d 1 built a int that is no Solver: it lacks __call__\.$",
    ):
        kinema_plugins.build(SOLVER, "none")


def test_a_collision_names_both_distributions_when_it_matters(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition(), condition("calm")), "one", "first-dist", "1.0")
    kinema_plugins.register(offering(condition()), "two", "second-dist", "2.0")
    assert kinema_plugins.find("condition", "calm").offer.name == "calm"
    with pytest.raises(
        PluginError,
        match=r"^The condition 'ripple' is offered by first-dist 1\.0 and by second-dist 2\.0\. "
        r"Uninstall one of them\.$",
    ):
        kinema_plugins.find("condition", "ripple")
    assert len(kinema_plugins.collisions()) == 1


def test_an_unknown_name_lists_the_choices(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition(), condition("calm")), "mine")
    with pytest.raises(
        InputError,
        match=r"^Unknown condition 'riple'\. Did you mean 'ripple'\? "
        r"Choose one of: calm, ripple\.$",
    ):
        kinema_plugins.find("condition", "riple")


@pytest.fixture
def distributions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say which distributions are installed, and what ``kinema[all]`` needs."""

    def installed(*present: str) -> Plugins:
        needs = [
            "attrs<27,>=24.2",
            "kinema-apps<0.2,>=0.1; extra == 'all'",
            "kinema-apps[metrics]<0.2,>=0.1; extra == 'all'",
            'kinema-looks[fast]>=0.1 ; python_version > "3" and extra == "all"',
            "ray<3,>=2.49; extra == 'ray'",
        ]
        metadata = "kinema.plugins.importlib.metadata."
        monkeypatch.setattr(metadata + "requires", lambda name: needs)
        monkeypatch.setattr(metadata + "entry_points", lambda group: [])
        monkeypatch.setattr(
            metadata + "distributions", lambda name: [name] if name in present else []
        )
        plugins = Plugins()
        plugins.load_entry_points()
        return plugins

    return installed


def test_an_unknown_name_says_what_is_not_installed(distributions: Any) -> None:
    with pytest.raises(
        InputError,
        match=r"^Unknown backbone 'svd'\. Choose one of: none\. It may come with kinema-apps or "
        r'kinema-looks, not installed here: install "kinema\[all\]"\.$',
    ):
        distributions().find(BACKBONE, "svd")
    with pytest.raises(InputError, match=r"none\. It may come with kinema-looks, not installed"):
        distributions("kinema-apps").find(BACKBONE, "svd")
    with pytest.raises(InputError, match=r"^Unknown backbone 'svd'\. Choose one of: none\.$"):
        distributions("kinema-apps", "kinema-looks").find(BACKBONE, "svd")


def test_the_packages_of_all_are_read_from_the_metadata() -> None:
    import importlib.metadata

    listed = [re.split(r"[\[<>]", text)[0] for text in importlib.metadata.requires("kinema")]  # type: ignore[union-attr]
    present = {found.name for found in importlib.metadata.distributions()}
    rooms = {"kinema-apps", "kinema-backbones", "kinema-conditions"}
    assert rooms <= set(listed)
    plugins = Plugins()
    assert plugins.absent() == []
    plugins.load_entry_points()
    assert set(plugins.absent()) == rooms - present


def test_the_core_names_none_of_the_packages_above_it() -> None:
    """Neither the packages nor what only they offer."""
    import importlib.metadata

    offered = {"tensorboard", "wandb", "region-trajectory", "motionpro", "zoedepth", "webdataset"}
    rooms = [
        re.split(r"[\[<>]", text)[0]
        for text in importlib.metadata.requires("kinema") or ()
        if "'all'" in text and text.startswith("kinema")
    ]
    folder = Path(kinema.__file__).parent
    general = [folder / "plugins.py", folder / "training" / "loop.py"]
    for path in (*general, *(folder / "offers").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for name in (*offered, *rooms):
            assert name not in text, (path.name, name)


def loading(plugins: Plugins, error: BaseException) -> None:
    def load() -> object:
        raise error

    plugins._add(Source("bad", "bad-dist", "0.3"), load)


def test_a_plugin_that_fails_to_import_is_kept_aside(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition()), "good")
    loading(kinema_plugins, ModuleNotFoundError("No module named 'torchvision'"))
    assert kinema_plugins.find("condition", "ripple").offer.name == "ripple"
    assert kinema_plugins.broken["bad"].reason == (
        "ModuleNotFoundError: No module named 'torchvision'"
    )


def test_a_typo_beside_a_broken_plugin_lists_the_choices_too(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition(), condition("calm")), "good")
    loading(kinema_plugins, ModuleNotFoundError("No module named 'torchvision'"))
    with pytest.raises(
        InputError,
        match=r"^Unknown condition 'riple'\. Did you mean 'ripple'\? Choose one of: calm, ripple\. "
        r"The broken plugin 'bad' \(bad-dist 0\.3\) may offer it: ModuleNotFoundError: No module "
        r"named 'torchvision'\.$",
    ):
        kinema_plugins.find("condition", "riple")


@pytest.mark.parametrize(("code", "reason"), [(3, "SystemExit: 3"), (None, "SystemExit: None")])
def test_a_plugin_that_exits_on_import_is_kept_aside(
    kinema_plugins: Plugins, code: int | None, reason: str
) -> None:
    loading(kinema_plugins, SystemExit(code))
    assert kinema_plugins.broken["bad"].reason == reason


def test_a_factory_that_exits_is_reported(kinema_plugins: Plugins) -> None:
    def leave(config: object) -> Any:
        sys.exit("enough")

    kinema_plugins.register(offering(condition(factory=leave)), "mine", "my-dist", "1.2")
    with pytest.raises(PluginError, match=r"could not be built: SystemExit: enough\. Please"):
        kinema_plugins.build("condition", "ripple")


def test_a_misspelt_hook_is_caught(kinema_plugins: Plugins) -> None:
    plugin = SimpleNamespace(kinema_conditons=kinema.hookimpl(nothing))
    kinema_plugins.register(plugin, "typo", "typo-dist", "1.0")
    assert "unknown hook 'kinema_conditons' in plugin" in kinema_plugins.broken["typo"].reason


def test_a_misspelt_argument_is_caught(kinema_plugins: Plugins) -> None:
    def kinema_step_finished(stepp: int) -> None: ...

    plugin = SimpleNamespace(kinema_step_finished=kinema.hookimpl(kinema_step_finished))
    kinema_plugins.register(plugin, "typo")
    assert "Argument(s) {'stepp'} are declared" in kinema_plugins.broken["typo"].reason


def test_a_plugin_after_a_broken_one_still_works(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(SimpleNamespace(kinema_nope=kinema.hookimpl(nothing)), "bad")
    kinema_plugins.register(offering(condition()), "good")
    assert list(kinema_plugins.broken) == ["bad"]
    assert kinema_plugins.find("condition", "ripple").offer.name == "ripple"


def test_a_wrong_record_breaks_the_plugin(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering("ripple"), "odd", "odd-dist", "1.0")
    assert kinema_plugins.broken["odd"].reason == (
        "kinema_conditions() of the plugin 'odd' (odd-dist 1.0) yields 'ripple'; it must yield "
        "kinema.offers.ConditionOffer records."
    )


def test_a_bad_name_breaks_the_plugin(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition("My Ripple")), "odd", "odd-dist", "1.0")
    assert kinema_plugins.broken["odd"].reason == (
        "The plugin 'odd' (odd-dist 1.0) offers the condition 'My Ripple'; names are lower-case "
        "letters and digits joined by dashes, and perhaps what it is computed with in brackets."
    )


def test_two_plugins_of_one_name_collide(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition()), "same", "one", "1.0")
    kinema_plugins.register(offering(condition("other")), "same", "two", "2.0")
    assert [broken.reason for broken in kinema_plugins.broken.values()] == [
        "Two plugins are called 'same': one 1.0 and two 2.0. Uninstall one, or rename its entry "
        "point."
    ]
    assert kinema_plugins.find("condition", "ripple").offer.name == "ripple"


def test_a_failing_factory_is_reported_with_its_source(kinema_plugins: Plugins) -> None:
    def explode(config: object) -> Any:
        raise RuntimeError("out of luck")

    kinema_plugins.register(offering(condition(factory=explode)), "mine", "my-dist", "1.2")
    with pytest.raises(
        PluginError,
        match=r"^The condition 'ripple' of my-dist 1\.2 could not be built: RuntimeError: out of "
        r"luck\. Please report it to the authors of my-dist\.$",
    ):
        kinema_plugins.build("condition", "ripple")


def test_a_factory_that_builds_something_else_is_reported(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(
        offering(condition(factory=lambda config: SimpleNamespace(channels=()))), "mine", "d", "1"
    )
    with pytest.raises(
        PluginError,
        match=r"^The condition 'ripple' of d 1 built a SimpleNamespace that is no Condition: it "
        r"lacks from_motion, from_observation\.$",
    ):
        kinema_plugins.build("condition", "ripple")


def test_options_reach_the_factory(kinema_plugins: Plugins) -> None:
    seen = []

    def build(config: Strength) -> Any:
        seen.append(config)
        return ToyShift()

    kinema_plugins.register(offering(condition(factory=build, config=Strength)), "mine")
    kinema_plugins.build("condition", "ripple", {"amount": "2.5"})
    assert seen == [Strength(amount=2.5)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"amuont": 2},
            r"The config of the condition 'ripple' has no option 'amuont'\. "
            r"Did you mean 'amount'\? Its options: amount\.",
        ),
        ({"amount": "lots"}, r"invalid value for type, expected float"),
        (3, r"takes its options as Strength or a mapping, got int"),
    ],
)
def test_bad_options_are_named(kinema_plugins: Plugins, options: Any, message: str) -> None:
    kinema_plugins.register(offering(condition(config=Strength)), "mine")
    with pytest.raises(InputError, match=message):
        kinema_plugins.configure("condition", "ripple", options)


def test_observers_are_only_those_enabled(kinema_plugins: Plugins) -> None:
    seen: list[str] = []

    def observer(label: str) -> SimpleNamespace:
        def kinema_run_started(run: object) -> None:
            seen.append(label)

        return SimpleNamespace(kinema_run_started=kinema.hookimpl(kinema_run_started))

    kinema_plugins.register(observer("a"), "a")
    kinema_plugins.register(observer("b"), "b")
    kinema_plugins.observers(["b"]).kinema_run_started(run=None)
    assert seen == ["b"]


def watching(*events: str, **more: Any) -> SimpleNamespace:
    def told() -> None: ...

    return SimpleNamespace(**{event: kinema.hookimpl(told) for event in events}, **more)


def test_unknown_and_broken_observers_are_named(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(watching("kinema_run_started"), "watcher")
    kinema_plugins.register(offering(1), "bad", "bad-dist", "1.0")
    with pytest.raises(
        InputError,
        match=r"^Unknown plugin 'watch'\. Did you mean 'watcher'\? Choose one of: watcher\. "
        r"The broken plugin 'bad' \(bad-dist 1\.0\) may offer it: ",
    ):
        kinema_plugins.observers(["watch"])
    with pytest.raises(PluginError, match=r"The plugin 'bad' \(bad-dist 1\.0\) is broken: "):
        kinema_plugins.observers(["bad"])


def test_a_plugin_without_events_is_refused_as_observer(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(toy_plugin, "toys", "kinema-toys", "1.2")
    text = r"^The plugin 'toys' \(kinema-toys 1\.2\) implements no event, so it observes nothing\. "
    with pytest.raises(InputError, match=text + r"Choose one of: none\.$"):
        kinema_plugins.observers(["toys"])
    kinema_plugins.register(watching("kinema_run_failed"), "a")
    kinema_plugins.register(watching("kinema_training_finished"), "b")
    with pytest.raises(InputError, match=text + r"Choose one of: a, b\.$"):
        kinema_plugins.observers(["a", "toys"])


def test_event_plugins_say_what_they_observe(kinema_plugins: Plugins) -> None:
    """The whole of it,
    in two lines.

    And more that is not shown.
    """
    doc = test_event_plugins_say_what_they_observe.__doc__
    first = watching("kinema_training_finished", "kinema_run_started", __doc__=doc)
    kinema_plugins.register(first, "first", "d", "1")
    kinema_plugins.register(toy_plugin, "toys")
    last = watching("kinema_training_started", __doc__=None, observes_trainings=True)
    kinema_plugins.register(last, "a-last")
    told, one = kinema_plugins.event_plugins()
    assert (told.source.plugin, told.summary, told.by_default) == ("a-last", "", True)
    assert one.summary == "The whole of it, in two lines."
    assert one.events == ("kinema_run_started", "kinema_training_finished")
    assert (str(one.source), one.by_default) == ("d 1", False)


def test_observing_trainings_needs_an_event_of_theirs(kinema_plugins: Plugins) -> None:
    plugin = watching("kinema_run_started", observes_trainings=True)
    kinema_plugins.register(plugin, "odd", "odd-dist", "1.0")
    assert kinema_plugins.broken["odd"].reason == (
        "The plugin 'odd' (odd-dist 1.0) says that it observes trainings, but implements no event "
        "of a training."
    )
    assert kinema_plugins.event_plugins() == []


HEAVY = ("torch", "numpy", "scipy", "kornia", "cv2", "diffusers", "peft", "transformers", "PIL")


@pytest.mark.all_packages
def test_import_and_discovery_load_nothing_heavy() -> None:
    code = (
        "import sys, kinema\n"
        "kinema.Motion(canvas=(8, 8), drags=[kinema.Drag([(1, 1), (2, 2)])]).to_json()\n"
        "plugins = kinema.Plugins.installed()\n"
        "assert not plugins.broken, plugins.broken\n"
        "assert len(plugins.all()) >= 8\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_pytest_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, kinema.testing.pytest_plugin\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_of_the_test_kit_resolves() -> None:
    import kinema.testing

    assert all(getattr(kinema.testing, name) is not None for name in kinema.testing.__all__)
    assert set(kinema.testing.__all__) == set(dir(kinema.testing))


def test_every_public_name_resolves() -> None:
    for name in kinema.__all__:
        assert getattr(kinema, name) is not None
    assert set(kinema.__all__) <= set(dir(kinema))
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = kinema.nope  # type: ignore[attr-defined]

"""Discovery, look-up and every message a plugin author or user may meet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import kinema
from kinema import hooks
from kinema.errors import InputError, PluginError
from kinema.plugins import KINDS, Plugins
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


def test_every_kind_of_offer_has_a_hook_and_a_protocol() -> None:
    from kinema import interfaces

    assert {hook for hook, _ in KINDS.values()} == {
        name for name in vars(hooks) if name.startswith("kinema_") and name.endswith("s")
    }
    for kind in KINDS:
        assert hasattr(interfaces, kind.title().replace(" ", ""))


def test_every_hook_documents_a_complete_example() -> None:
    for name, hook in vars(hooks).items():
        if not name.startswith("kinema_"):
            continue
        example = hook.__doc__.split("Example::\n")[1]
        code = "\n".join(line.removeprefix("        ") for line in example.splitlines())
        module: dict[str, Any] = {}
        exec(compile(code, name, "exec"), module)
        plugins = Plugins()
        plugins.register(SimpleNamespace(**module), "example")
        assert not plugins.broken, plugins.broken
        if name.endswith("s"):
            assert len(plugins.all()) == 1


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


def test_a_first_party_name_says_what_to_install(kinema_plugins: Plugins) -> None:
    with pytest.raises(
        InputError,
        match=r"^Unknown backbone 'svd'\. It comes with the package kinema-backbones; install "
        r"that\. Choose one of: none\.$",
    ):
        kinema_plugins.find("backbone", "svd")


def test_a_plugin_that_fails_to_import_is_kept_aside(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(offering(condition()), "good")

    def load() -> object:
        raise ModuleNotFoundError("No module named 'torchvision'")

    kinema_plugins._add(kinema.plugins.Source("bad", "bad-dist", "0.3"), load)
    assert kinema_plugins.find("condition", "ripple").offer.name == "ripple"
    assert kinema_plugins.broken["bad"].reason == (
        "ModuleNotFoundError: No module named 'torchvision'"
    )
    with pytest.raises(
        PluginError,
        match=r"^Unknown condition 'waves'\. A broken plugin may have offered it: bad "
        r"\(bad-dist 0\.3\): ModuleNotFoundError: No module named 'torchvision'\.$",
    ):
        kinema_plugins.find("condition", "waves")


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
        "letters and digits joined by dashes."
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


def test_unknown_and_broken_observers_are_named(kinema_plugins: Plugins) -> None:
    kinema_plugins.register(toy_plugin, "toys")
    kinema_plugins.register(offering(1), "bad", "bad-dist", "1.0")
    with pytest.raises(InputError, match=r"Unknown plugin 'toy'\. Did you mean 'toys'\?"):
        kinema_plugins.observers(["toy"])
    with pytest.raises(PluginError, match=r"The plugin 'bad' \(bad-dist 1\.0\) is broken: "):
        kinema_plugins.observers(["bad"])


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

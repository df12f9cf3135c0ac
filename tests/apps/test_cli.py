import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from kinema import hookimpl, offers
from kinema.errors import KinemaError
from kinema.plugins import Plugins
from kinema_apps.cli import cli
from kinema_apps.plugin import COMMANDS


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["animate", "--help"],
        ["plugins", "--json"],
        pytest.param(["show", "region-trajectory"], marks=pytest.mark.all_packages),
        ["completion", "zsh"],
        ["motion", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_load_no_array_library(words: list[str]) -> None:
    heavy = ["torch", "numpy", "kornia", "cv2", "diffusers", "av", "PIL"]
    code = f"""
import sys
from kinema_apps.cli import cli
try:
    cli.main({words!r})
except SystemExit as end:
    assert end.code == 0, end.code
print()
print([name for name in {heavy!r} if name in sys.modules])
"""
    assert python(code).splitlines()[-1] == "[]"


@pytest.mark.all_packages
def test_a_preview_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Beside torch, what is imported is what a cold start takes."""
    heavy = ["accelerate", "diffusers", "kornia", "matplotlib", "numba", "pandas", "peft", "rich",
             "safetensors", "scipy", "skimage", "sympy", "torch._dynamo", "torch._inductor",
             "torchvision", "transformers"]  # fmt: skip
    words = ["animate", "--drag", "200,150 220,140 240,150", "--out", str(tmp_path / "x.mp4")]
    code = f"""
import sys
from kinema_apps.cli import cli
try:
    cli.main({words!r})
except SystemExit as end:
    assert end.code == 0, end.code
print()
print([name for name in {heavy!r} if name in sys.modules])
print([name for name in sys.modules if name.startswith("PIL.Fli")])
"""
    assert python(code).splitlines()[-2:] == ["[]", "[]"]
    assert (tmp_path / "x.mp4").exists()


def test_help_lists_every_command_with_its_first_line(kinema: Any) -> None:
    text = kinema("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in text
    assert kinema("-h").stdout == text


def test_every_command_has_help_and_debug(kinema: Any) -> None:
    for name in COMMANDS:
        assert "Usage: kinema" in kinema(name, "--help").stdout
    for words in (["animate"], ["motion", "check"], ["doctor"]):
        assert "--debug" in kinema(*words, "--help").stdout


def test_every_command_says_in_its_own_help_what_its_offer_says() -> None:
    plugins = Plugins()
    plugins.load_entry_points()
    own = [i for i in plugins.all(offers.COMMAND) if i.source.distribution == "kinema-apps"]
    assert {item.offer.name for item in own} == set(COMMANDS)
    for item in own:
        command = plugins.build(offers.COMMAND, item.offer.name)
        assert isinstance(command, click.Command)
        assert (command.help or "").split("\n")[0] == item.offer.summary


def test_help_imports_no_command() -> None:
    code = """
import sys
from kinema_apps.cli import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith("kinema_apps.commands")])
"""
    assert python(code).splitlines()[-1] == "[]"


class Sheets:
    """Two commands of a third party."""

    def __init__(self, *names: str, factory: Any = None) -> None:
        self.names = names
        self.factory = factory or (lambda _: self.command)

    @hookimpl
    def kinema_commands(self) -> Iterator[offers.CommandOffer]:
        for name in self.names:
            yield offers.CommandOffer(
                name=name, summary="Lay a video's frames side by side.", factory=self.factory
            )

    @property
    def command(self) -> click.Command:
        @click.command()
        @click.option("--columns", type=int, default=4)
        def command(columns: int) -> None:
            """Lay a video's frames side by side."""
            click.echo(f"{columns} columns")

        return command


def test_a_plugin_adds_a_command(kinema: Any, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Sheets("sheet", "album"), "sheets", "kinema-sheets", "0.2.0")
    listed = kinema("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [*COMMANDS, "album", "sheet"]
    assert listed[-1].split(maxsplit=1)[1] == "Lay a video's frames side by side."
    assert kinema("sheet", "--columns", "3").stdout == "3 columns\n"
    assert "--debug" in kinema("sheet", "--help").stdout
    assert "Did you mean 'sheet'?" in kinema("shet", code=2).stderr
    assert kinema("show", "sheet").stdout == (
        "sheet (command) from kinema-sheets 0.2.0\n"
        "  Lay a video's frames side by side.\n\n"
        "`kinema sheet --help` shows its options.\n"
    )


def test_a_command_that_two_plugins_offer_spoils_no_other(
    kinema: Any, kinema_plugins: Plugins
) -> None:
    kinema_plugins.register(Sheets("sheet", "doctor"), "sheets", "kinema-sheets", "0.2.0")
    text = kinema("--help").stdout
    lines = {line.split()[0]: line for line in text.partition("Commands:\n")[2].splitlines()}
    assert list(lines) == [*COMMANDS, "sheet"]
    assert " Offered by kinema-" in lines["doctor"]
    result = kinema("doctor", code=1)
    assert result.stderr.startswith("Error: The command 'doctor' is offered by kinema-")
    assert "and by kinema-" in result.stderr
    assert result.stderr.endswith("Uninstall one of them.\n")
    assert "collision: The command 'doctor' is offered by" in kinema("plugins").stdout


def test_broken_plugins_spoil_no_command(kinema: Any, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(Sheets("Bad Name"), "bad", "kinema-bad", "1.0")
    assert "\n  animate " in kinema("--help").stdout
    text = kinema("bad-name", code=2).stderr
    assert text.startswith("Error: Unknown command 'bad-name'.")
    assert "The broken plugin 'bad' (kinema-bad 1.0) may offer it: The plugin 'bad'" in text


def absent(config: object) -> Any:
    raise ModuleNotFoundError("No module named 'sheets'")


@pytest.mark.parametrize(
    ("factory", "line"),
    [
        (
            absent,
            "Error: The command 'sheet' of kinema-sheets 0.2.0 could not be built: "
            "ModuleNotFoundError: No module named 'sheets'. Please report it to the authors of "
            "kinema-sheets.",
        ),
        (
            lambda config: 3,
            "Error: The command 'sheet' of kinema-sheets 0.2.0 built a int that is no Command: it "
            "lacks main.",
        ),
        (
            lambda config: SimpleNamespace(main=print),
            "Error: The command 'sheet' of kinema-sheets 0.2.0 is a SimpleNamespace; it must be a "
            "click.Command.",
        ),
    ],
)
def test_a_command_that_cannot_be_built_is_named(
    kinema: Any, kinema_plugins: Plugins, factory: Any, line: str
) -> None:
    plugin = Sheets("sheet", factory=factory)
    kinema_plugins.register(plugin, "sheets", "kinema-sheets", "0.2.0")
    assert "\n  sheet " in kinema("--help").stdout
    assert kinema("sheet", code=1).stderr == f"{line}\n"


def test_names_of_commands_are_completed_without_importing_them(
    kinema: Any, kinema_plugins: Plugins
) -> None:
    kinema_plugins.register(Sheets("render-sheet", factory=absent), "sheets")
    context = click.Context(cli)
    found = [(item.value, item.help) for item in cli.shell_complete(context, "render-")]
    assert found == [
        ("render-motion", COMMANDS["render-motion"]),
        ("render-sheet", "Lay a video's frames side by side."),
    ]


def test_another_plugin_of_our_name_does_not_hide_our_commands(
    kinema: Any, kinema_plugins: Plugins
) -> None:
    kinema_plugins.register(Sheets("sheet"), "apps", "kinema-sheets", "0.2.0")
    assert "\n  animate " in kinema("--help").stdout
    assert "\n  sheet " in kinema("--help").stdout


def test_an_event_plugin_without_events_is_refused(toy: Any) -> None:
    words = ("animate", "--backbone", "toy", "--event", "toys")
    assert toy(*words, code=2).stderr.endswith(
        "Error: The plugin 'toys' (kinema-toys 1.2.3) implements no event, so it observes nothing. "
        "Choose one of: none.\n"
    )


def test_the_version_is_that_of_kinema(kinema: Any) -> None:
    from importlib.metadata import version

    assert kinema("--version").stdout == f"kinema, version {version('kinema')}\n"


USAGE = {
    "anymate": "Error: Unknown command 'anymate'. Did you mean 'animate'? Choose one of: "
    f"{', '.join(sorted(COMMANDS))}. See 'kinema --help'.",
    "--nope": "Error: No such option '--nope'. See 'kinema --help'.",
    "animate --frames many": "Error: Invalid value for '--frames': 'many' is not a valid integer. "
    "See 'kinema animate --help'.",
    "animate a.png b.png": "Error: Got unexpected extra argument (b.png). See 'kinema animate "
    "--help'.",
    "condition": "Error: Missing argument 'NAME'. See 'kinema condition --help'.",
    "animate --size wide": "Error: The size must be (width, height) or 'WxH', got 'wide'.",
    "animate --size 0x10": "Error: The size must be two positive whole numbers, got '0x10'.",
}


# Where a sister is absent, an unknown command might be hers, and the message says so.
UNKNOWN = pytest.param("anymate", marks=pytest.mark.all_packages)


@pytest.mark.parametrize("words", [UNKNOWN, *(words for words in USAGE if words != "anymate")])
def test_wrong_usage_is_one_line_and_code_2(words: str, kinema: Any) -> None:
    result = kinema(*words.split(), code=2)
    assert result.stderr == f"{USAGE[words]}\n"
    assert result.stdout == ""


def failing(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KinemaError("two\n  lines"), 1, "Error: two lines"),
        (
            ZeroDivisionError("by zero"),
            1,
            "Error: ZeroDivisionError: by zero. Run again with --debug for the details.",
        ),
        (KeyboardInterrupt(), 130, "Cancelled."),
    ],
)
def test_failures_are_one_line_without_a_traceback(
    error: BaseException, code: int, line: str, kinema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema_apps.commands.doctor.command", failing(error))
    result = kinema("doctor", code=code)
    assert result.stderr.lstrip("\n") == f"{line}\n"


def test_debug_shows_where_it_arose(kinema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinema_apps.commands.doctor.command", failing(KinemaError("no")))
    text = kinema("doctor", "--debug", code=1).stderr
    assert "Traceback" in text
    assert "in command" in text
    assert text.endswith("Error: no\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a POSIX signal")
def test_ctrl_c_ends_cleanly_and_leaves_no_file(tmp_path: Path) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
import kinema.media.containers, kinema.plugins
from kinema.testing import toy_plugin
kinema.plugins.Plugins.installed().register(toy_plugin, "toys")
def slow(frames, fps, path):
    path.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
kinema.media.containers.WRITERS["mp4"] = slow
from kinema_apps.cli import main
sys.argv = ["kinema", "animate", "--backbone", "toy", "--drag", "200,99 220,99", "--size", "64x64",
            "--frames", "3", "--sample", "steps=1"]
main()
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        assert run.stdout.readline() == "writing\n"
        time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors.endswith("Cancelled.\n")
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_the_entry_point_runs_the_command() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("kinema"), "plugins", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    keys = {"offers", "event_plugins", "broken", "collisions", "absent"}
    assert set(json.loads(done.stdout)) == keys


@pytest.mark.parametrize(
    ("shell", "hint"), [("zsh", "#compdef kinema"), ("fish", "complete"), ("bash", "complete -o")]
)
def test_completion_prints_the_script(shell: str, hint: str, kinema: Any) -> None:
    text = kinema("completion", shell).stdout
    assert hint in text
    assert "_KINEMA_COMPLETE" in text


def test_completion_of_an_unknown_shell(kinema: Any) -> None:
    assert (
        "'tcsh' is not one of 'bash', 'zsh', 'fish'" in kinema("completion", "tcsh", code=2).stderr
    )


def test_names_of_offers_are_completed(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema_apps.session_options import complete

    assert [item.value for item in complete(offers.BACKBONE)(None, None, "")] == ["toy"]
    assert [item.value for item in complete()(None, None, "toy-l")] == ["toy-latent"]
    assert complete(offers.METRIC)(None, None, "") == []


@pytest.mark.all_packages
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9e9 bytes"),
    ],
)
def test_too_little_memory_is_said_in_words(
    kinema: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("kinema.session.session.Session.animate", fail)
    done = kinema("animate", code=1)
    assert done.stderr.endswith(
        "Error: There is not enough memory for this. Ask for a smaller size or fewer frames.\n"
    )

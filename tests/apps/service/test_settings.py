"""What the service is told, and what it says where it cannot begin."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import kinema
from kinema_apps.cli import cli
from kinema_apps.commands.serve import read_settings
from kinema_apps.service import BackboneSettings, Limits, Retention, Settings
from kinema_apps.service.logs import JsonLines
from kinema_apps.service.settings import read_tokens

SECRET = "a-secret-of-sixteen"


def said(*words: str) -> str:
    result = CliRunner().invoke(cli, ["serve", *words])
    assert result.exit_code == 2, result.output
    return result.output


def test_without_its_extra_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; from kinema_apps.cli import main; main()"
    command = [sys.executable, "-c", code, "serve"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "Error: The service needs fastapi, which is not installed: "
        'pip install "kinema-apps[studio]".\n'
    )


@pytest.mark.all_packages  # without a backbone there is no service
def test_the_server_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from kinema_apps.service import Settings, app; "
        "import kinema_apps.service.server; app(Settings(folder='jobs')).openapi(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


def test_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text(
        f'port = 9000\non_crash = "again"\n[tokens]\nann = "{SECRET}"\n'
        '[backbones.quick]\nbackbone = "toy"\nsample = { steps = 2 }\n'
        "[limits]\nframes = 8\n[retention]\ndays = 0.5\n"
    )
    given = {"port": 9001, "backbones": (), "origins": ("https://a.example",), "host": None}
    settings = read_settings(str(tmp_path / "jobs"), None, str(file), given)
    assert settings == Settings(
        folder=tmp_path / "jobs",
        port=9001,
        on_crash="again",
        origins=("https://a.example",),
        tokens={"ann": SECRET},
        backbones={"quick": BackboneSettings(backbone="toy", sample={"steps": 2})},
        limits=Limits(frames=8),
        retention=Retention(days=0.5),
    )
    assert SECRET not in repr(settings)


def test_a_token_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_TOKEN", SECRET)
    settings = read_settings(str(tmp_path), None, None, {"host": "0.0.0.0", "backbones": ()})
    assert settings.tokens == {"token": SECRET}


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    assert "cannot be read: No such file or directory." in said("--config", str(file))
    file.write_text("port = ")
    assert "are not TOML" in said("--config", str(file))
    file.write_text("prot = 1")
    assert "has no option 'prot'. Did you mean 'port'?" in said("--config", str(file))
    file.write_text("[limits]\nframes = 0")
    assert "frames must be above 0, got 0." in said("--config", str(file))
    file.write_text('[backbones.x]\nbackbone = "nothing"')
    assert "Unknown backbone 'nothing'" in said("--config", str(file))
    assert "so a token is required" in said("--host", "0.0.0.0")
    assert "Unknown backbone 'nothing'" in said("--backbone", "nothing")


def test_lines_of_tokens() -> None:
    assert read_tokens("# who\nann  one\n\nben two\n") == {"ann": "one", "ben": "two"}
    for text in ("ann", "ann one two", "ann one\nann two", "ann one\nben one"):
        with pytest.raises(kinema.InputError, match="of the tokens"):
            read_tokens(text)


@pytest.mark.all_packages  # without a backbone there is no service
def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = {**os.environ, "PYTHONPATH": ""}
        command = [sys.executable, "-m", "kinema_apps.cli", "serve", "--port", port]
        done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use." in done.stderr
    assert "Choose another --port; 0 takes a free one." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.all_packages
def test_an_engine_that_does_not_come_up_is_told_in_words(tmp_path: Path) -> None:
    from kinema.errors import KinemaError
    from kinema_apps.service.application import application
    from kinema_apps.service.server import serve
    from kinema_apps.service.testing import ScriptedEngine

    class Absent(ScriptedEngine):
        def start(self, tell: object) -> None:
            raise KinemaError("Ray could not be started: there is no cluster.")

    settings = Settings(folder=tmp_path, port=0)
    app = application(settings, engine=Absent())
    with pytest.raises(KinemaError, match=r"^Ray could not be started: there is no cluster\.$"):
        serve(app, settings, lambda address: None)


def test_a_line_of_the_log_holds_what_was_told_alone() -> None:
    record = logging.makeLogRecord(
        {"msg": "job\nstarted", "levelname": "INFO", "name": "kinema.service", "job": "a<b"}
        | {"_ray_timestamp_ns": 1}
    )
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info", "logger": "kinema.service", "event": "job\nstarted", "job": "a<b"
    }  # fmt: skip

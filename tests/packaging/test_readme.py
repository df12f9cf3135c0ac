"""CI runs what README promises, word for word."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ci_runs_the_two_commands_of_the_readme_first() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", readme, re.M | re.S)
    commands = [line for block in blocks for line in block.splitlines() if "uv run " in line][:2]
    assert len(commands) == 2, "README shows one command that animates, one that tests"

    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    stages = re.search(r"^STAGES=\((\w+)", script, re.M)
    assert stages is not None
    body = re.search(rf"^stage_{stages[1]}\(\) {{\n(.*?)^}}", script, re.M | re.S)
    assert body is not None
    assert [line.strip() for line in body[1].splitlines()] == commands

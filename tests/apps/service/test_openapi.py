"""The OpenAPI document says what the service does, and schemathesis finds nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import kinema
from kinema.motion.schema import schema
from kinema_apps.service import Limits
from kinema_apps.service.testing import Running

Serve = Callable[..., Running]

#: Lets half of the ids be those of jobs that there are.
HOOKS = """
import os
import schemathesis

JOBS = os.environ["JOBS"].split()

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if path_parameters and "job" in path_parameters and hash(path_parameters["job"]) % 2:
        path_parameters["job"] = JOBS[hash(path_parameters["job"]) % len(JOBS)]
    return path_parameters
"""


def document(up: Running) -> dict[str, Any]:
    told: dict[str, Any] = up.client._http.get("/openapi.json").json()
    return told


def resolved(told: dict[str, Any], name: str) -> dict[str, Any]:
    """A component as a JSON Schema of its own."""
    return {"$ref": f"#/components/schemas/{name}", "components": told["components"]}


def test_every_reference_leads_somewhere(served: Running) -> None:
    told = document(served)
    names = set(told["components"]["schemas"])

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in names
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(told)
    assert "Motion" in names
    assert not any("ValidationError" in name for name in names)


def test_answers_are_what_the_document_says(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    told = document(served)
    job = served.client.create(photo, motion)
    served.client.wait(job.id)
    http = served.client._http
    for path, name in (
        (f"/v1/jobs/{job.id}", "JobStatus"),
        ("/v1/jobs", "JobList"),
        ("/v1/offers", "Offers"),
        (f"/v1/jobs/{job.id}/request", "JobRequest"),
        ("/v1/jobs/" + "0" * 32, "Problem"),
        ("/v1/jobs?limit=0", "Problem"),
    ):
        jsonschema.validate(http.get(path).json(), resolved(told, name))
    for event in served.client.events(job.id):
        jsonschema.validate(dict(event.data), resolved(told, "JobEvent"))


def test_the_motion_of_a_job_is_a_motion_file_without_paths(served: Running) -> None:
    motion = document(served)["components"]["schemas"]["Motion"]
    assert set(motion["properties"]) == set(schema()["properties"])
    region = document(served)["components"]["schemas"]["Motion-region"]
    assert "mask" not in region["properties"]
    assert {"required": ["png"]} in region["oneOf"]


def test_options_are_described_as_the_offer_has_them(served: Running) -> None:
    (backbone,) = served.client.offers()["backbones"]
    assert backbone["name"] == "toy"
    # Where it computes is the operator's choice.
    assert backbone["options"]["properties"] == {
        "seed": {"type": "integer", "default": 0, "description": "Of its random weights."}
    }
    steps = backbone["sample"]["properties"]["steps"]
    assert (steps["minimum"], steps["maximum"], steps["default"]) == (1, 200, 25)
    assert "euler" in backbone["sample"]["properties"]["solver"]["enum"]


def test_a_token_is_part_of_the_document(serve: Serve) -> None:
    up = serve(tokens={"ann": "a-secret-of-sixteen"})
    assert document(up)["security"] == [{"token": []}]


@pytest.mark.slow
def test_schemathesis_finds_nothing(
    serve: Serve, photo: bytes, motion: kinema.Motion, tmp_path: Path
) -> None:
    pytest.importorskip("schemathesis")
    up = serve(limits=Limits(queue=100_000, queue_per_client=100_000))
    jobs = [up.client.create(photo, motion, seed=seed).id for seed in range(20)]
    up.client.wait(jobs[-1])
    (tmp_path / "hooks.py").write_text(HOOKS)
    command = [
        *(str(Path(sys.executable).with_name("st")), "run", f"{up.url}/openapi.json"),
        *("--max-examples", "25", "--seed", "1", "--suppress-health-check", "all"),
        # A schema cannot say that a drag starts within its canvas, or that a photo is whole.
        *("--exclude-checks", "positive_data_acceptance"),
    ]
    told = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)}
    told |= {"JOBS": " ".join(jobs), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated is not None, done.stdout[-2000:]
    assert int(generated[1]) == int(generated[2]) > 500

"""Write the reference pages that come from the code: hooks, offers, commands, files, formats.

``python tools/docs_reference.py`` writes them, ``--check`` only says which ones are not current.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from kinema.formats import FORMATS, Form
from kinema.found import Found
from kinema.hooks import events, offers
from kinema.motion.schema import schema
from kinema.offers import COMMAND, KINDS, Offer, WeightFile
from kinema.plugins import EVENTS, Plugins
from kinema_apps.cli import cli
from kinema_apps.commands.show import field_docs
from kinema_apps.weights import size_of

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- Written by tools/docs_reference.py; change the code instead. -->"
FIRST_PARTY = ("kinema", "kinema-conditions", "kinema-backbones", "kinema-apps")


def page(title: str, *parts: str) -> str:
    """A whole page."""
    text = "\n\n".join([f"# {title}", MARK, *(part.strip("\n") for part in parts)]) + "\n"
    return re.sub(r"[ \t]+$", "", text, flags=re.M)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in line) + " |"
        for line in lines
    )


# -- hooks ----------------------------------------------------------------------------------------


def signature(hook: Callable[..., Any]) -> str:
    """``name(argument: type) -> type``, as it stands in the source."""
    return f"{hook.__name__}{inspect.signature(hook)}".replace("'", "")


def hook_section(name: str, hook: Callable[..., Any]) -> str:
    """One hook: its signature, what it is for, and its example."""
    text, _, example = inspect.cleandoc(hook.__doc__ or "").partition("Example::\n")
    return "\n\n".join(
        [
            f"### {name}",
            f"```text\n{signature(hook)}\n```",
            " ".join(text.split()).replace("``", "`"),
            f"```python\n{textwrap.dedent(example).strip()}\n```",
        ]
    )


def hooks_page() -> str:
    """Every hook, in the order of the file."""
    offering = [kind.hook for kind in KINDS]
    return page(
        "Hooks",
        "A plugin is an installed distribution with an entry point in the group `kinema`. The "
        "entry point names a module, and the module's functions marked `@kinema.hookimpl` are "
        "found by their names. A misspelt name or argument is caught when the plugin is loaded.",
        "A function may leave out arguments it does not need.",
        "## Offers",
        "They yield records, and are called once per process. The records are described under "
        "[Plugin protocols](protocols.md#offers).",
        *(hook_section(name, getattr(offers, name)) for name in offering),
        "## Events",
        "They observe a run or a training, in this order, and only for the plugins that it "
        'enables: `Session(..., events=["my-plugin"])`. What they return is ignored, and one that '
        "raises is reported as a warning and does not end the run. A plugin with an attribute "
        "`observes_trainings` that is `True` is also enabled by every training whose recipe says "
        "nothing of events.",
        *(hook_section(name, getattr(events, name)) for name in EVENTS),
    )


# -- offers ---------------------------------------------------------------------------------------


def option_rows(config: type[Any]) -> list[list[str]]:
    """Name, default and meaning of each field."""
    docs = field_docs(config)
    rows = []
    for field in attrs.fields(config):
        default = "required" if field.default is attrs.NOTHING else f"`{_default(field)}`"
        rows.append([f"`{field.name}`", default, docs.get(field.name, "").replace("``", "`")])
    return rows


def _default(field: attrs.Attribute[Any]) -> str:
    default = field.default
    return repr(default.factory() if isinstance(default, attrs.Factory) else default)  # type: ignore[arg-type,union-attr]


def offer_section(item: Found[Offer]) -> str:
    """One offer: what it is, what it needs, its options."""
    offer = item.offer
    parts = [f"### {offer.name}", f"{offer.summary} From `{item.source.distribution}`."]
    conditions = getattr(offer, "conditions", ())
    if conditions:
        parts.append(f"Reads the conditions {', '.join(f'`{name}`' for name in conditions)}.")
    if offer.weights:
        rows = [
            [
                f"`{file.path}`",
                file.hub,
                size_of(file) if file.bytes else "",
                file.licence,
            ]
            for file in offer.weights
        ]
        parts.append(table(["Weights", "From", "Size", "Licence"], rows))
    rows = option_rows(offer.config)
    parts.append(table(["Option", "Default", "Meaning"], rows) if rows else "No options.")
    return "\n\n".join(parts)


def offers_page() -> str:
    """What the first-party packages offer, by kind."""
    plugins = Plugins()
    plugins.load_entry_points()
    assert not plugins.broken, plugins.broken
    parts = []
    for kind in KINDS:
        if kind is COMMAND:
            continue  # they have a page of their own
        found = [item for item in plugins.all(kind) if item.source.distribution in FIRST_PARTY]
        if found:
            parts += [f"## {kind.name.capitalize()}s", *map(offer_section, found)]
    return page(
        "What is on offer",
        "What the packages of the project bring, with every option and its default. On your own "
        "machine, `kinema plugins` lists what is installed, third-party plugins included, and "
        "`kinema show NAME` prints the options. Commands are offers too: "
        "[Command line](cli.md).",
        *parts,
        "## Weights",
        "Every file of weights that an offer cannot work without, in one table. You bring them; "
        "nothing is fetched unless you ask (`kinema weights pull`). Where the size or the hash is "
        "known, what you bring is compared with it. Files are read as safetensors or by "
        "`torch.load(weights_only=True)`.",
        weights_table(plugins),
    )


def weights_table(plugins: Plugins) -> str:
    """Name, who needs it, source, size, hash and licence of every file of weights."""
    needed: dict[WeightFile, list[str]] = {}
    for item in plugins.all():
        if item.source.distribution in FIRST_PARTY:
            for file in item.offer.weights:
                needed.setdefault(file, []).append(item.offer.name)
    rows = [
        [
            f"`{file.path}`",
            ", ".join(f"`{name}`" for name in dict.fromkeys(names)),
            file.hub,
            f"{file.bytes:,}" if file.bytes else "not known",
            f"`{file.sha256}`" if file.sha256 else "not known",
            file.licence,
        ]
        for file, names in needed.items()
    ]
    return table(["File", "Needed by", "From", "Bytes", "SHA-256", "Licence"], rows)


# -- command line ---------------------------------------------------------------------------------


def commands(command: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
    """The help of a command and of all below it."""
    settings = {**command.context_settings, "terminal_width": 90}
    context = click.Context(command, info_name=path.split()[-1], parent=parent, **settings)
    yield f"## {path}\n\n```text\n{command.get_help(context).strip()}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}", context)


def cli_page() -> str:
    """The help of every command."""
    return page(
        "Command line",
        "Exit codes: 0, 2 for bad input, 1 for a failure, 130 after Ctrl-C. Errors are one line on "
        "stderr; `--debug` adds the traceback. See [Errors](errors.md).",
        *commands(cli, "kinema", None),
    )


# -- motion files ---------------------------------------------------------------------------------


def kind_of(item: Mapping[str, Any]) -> str:
    """The type of a schema's value in words."""
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "const" in item:
        return f'`"{item["const"]}"`'
    if "enum" in item:
        return " or ".join(f'`"{value}"`' for value in item["enum"])
    if "anyOf" in item:
        return " or ".join(kind_of(each) for each in item["anyOf"])
    if item.get("type") == "array":
        count = item.get("minItems") if item.get("minItems") == item.get("maxItems") else None
        return f"list of {f'{count} ' if count else ''}{kind_of(item['items'])}"
    if item.get("type") == "object":
        names = ", ".join(f"`{name}`: {kind_of(each)}" for name, each in item["properties"].items())
        return f"object ({names})"
    return str(item.get("type", "anything"))


def schema_section(name: str, item: Mapping[str, Any]) -> str:
    """One definition of the schema."""
    parts = [f"### {name}", item.get("description", "")]
    if "properties" in item:
        needed = item.get("required", ())
        rows = [
            [f"`{key}`", kind_of(each), each.get("description", ""), "yes" if key in needed else ""]
            for key, each in item["properties"].items()
        ]
        parts.append(table(["Key", "Type", "Meaning", "Required"], rows))
    else:
        parts.append(kind_of(item).capitalize() + ".")
    if "oneOf" in item:
        choices = " or ".join(f"`{choice['required'][0]}`" for choice in item["oneOf"])
        parts.append(f"Exactly one of {choices}.")
    return "\n\n".join(part for part in parts if part)


EXAMPLE = """\
```json
{
 "format": "kinema.motion/1",
 "canvas": [512, 320],
 "drags": [
  {"points": [[200, 150], [260, 120], [320, 140]], "easing": "ease-in-out", "region": "cup"},
  {"points": [[60, 280]]}
 ],
 "regions": [{"polygon": [[150, 90], [270, 90], [270, 220], [150, 220]], "name": "cup"}],
 "camera": {"moves": [{"name": "dolly", "amount": 0.1}]},
 "fps": 8,
 "duration": 2
}
```"""


def schema_page() -> str:
    """The motion file, key by key."""
    whole = schema()
    return page(
        "Motion files",
        whole["description"],
        EXAMPLE,
        "The second drag has one point: it is an anchor, which holds its place. "
        "`kinema motion check FILE` names every mistake in words; `kinema motion schema` prints "
        "the JSON Schema that this page is made from, for editors and other programs.",
        "## The document",
        schema_section("motion", whole),
        "## Its parts",
        *(schema_section(name, item) for name, item in whole["$defs"].items()),
    )


# -- formats --------------------------------------------------------------------------------------


def form_section(form: Form) -> str:
    """One form: its files and what it cannot hold."""
    files = form.files.replace("*", r"\*")
    return f"### {form.name}\n\nFiles: {files}.\n\nLosses and exactness: {form.loses.rstrip('.')}."


def formats_page() -> str:
    """Every foreign form."""
    rows = [
        [f"[`{name}`](#{name})", form.summary + ("" if form.write else " (only read)")]
        for name, form in FORMATS.items()
    ]
    return page(
        "Formats",
        "Files of other programs that hold a motion or a camera path, read and written. The form "
        "is found by looking at the file; where that is not possible, the name in the first column "
        "says it. What a form cannot hold is an error when it is written, unless the loss is "
        "accepted by name. Transforms of regions and playback are written as the points that they "
        "stand for, frame by frame, where a form holds points. "
        "See [Read and write motion files](../how-to/motion-files.md).",
        table(["Name", "What"], rows),
        "Axes are x right and y down everywhere; camera poses are OpenCV's (x right, y down, z "
        "forward) unless the table says otherwise.",
        "## What each can hold",
        *map(form_section, FORMATS.values()),
    )


# -- service --------------------------------------------------------------------------------------


def of_service(item: Mapping[str, Any]) -> str:
    """The type of a field over the wire, in words."""
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        if name == "Motion":
            return "[motion file](motion-schema.md)"
        return f"[{name}](#{name.lower()})"
    if "anyOf" in item:
        kinds = [of_service(each) for each in item["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in item:
        return " or ".join(f"`{value}`" for value in item["enum"])
    if item.get("type") == "array":
        parts = item.get("prefixItems")
        if parts:
            return f"list of {len(parts)} {of_service(parts[0])}"
        return f"list of {of_service(item['items'])}"
    if item.get("type") == "object":
        return "object"
    if item.get("format") == "date-time":
        return "time"
    return str(item.get("type", "anything"))


def routes(document: Mapping[str, Any]) -> Iterator[str]:
    """Every route: what it does, and what it may answer."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parts = [f"### {method.upper()} {path}", told.get("description") or told["summary"]]
            rows = [
                [f"`{each['name']}`", each["in"], of_service(each["schema"])]
                for each in told.get("parameters", ())
            ]
            if rows:
                parts.append(table(["Parameter", "In", "Type"], rows))
            parts.append(f"Answers: {', '.join(sorted(told['responses']))}.")
            yield "\n\n".join(parts)


def model_section(name: str, item: Mapping[str, Any]) -> str:
    """One object of the wire."""
    rows = [
        [f"`{key}`", of_service(each), each.get("description", "")]
        for key, each in item["properties"].items()
    ]
    return "\n\n".join(
        [f"### {name}", item["description"], table(["Key", "Type", "Meaning"], rows)]
    )


def settings_section(config: type[Any], title: str) -> str:
    """What a table of the settings' file may hold."""
    return f"### {title}\n\n" + table(["Key", "Default", "Meaning"], option_rows(config))


def service_page() -> str:
    """Routes, what goes over the wire, and settings."""
    from kinema_apps.service import BackboneSettings, Limits, Retention, Settings, app

    document = app(Settings(folder=Path("jobs"))).openapi()
    schemas = document["components"]["schemas"]
    return page(
        "Service",
        "What `kinema serve` answers, from its OpenAPI document, which it serves at "
        "`/openapi.json`. See [Call the service](../how-to/call-the-service.md) and "
        "[Run the service](../how-to/run-the-service.md).",
        "## Routes",
        *routes(document),
        "## Over the wire",
        *(model_section(n, schemas[n]) for n in sorted(schemas) if not n.startswith("Motion")),
        "## Settings",
        "What the file of `kinema serve --config FILE.toml` may hold.",
        settings_section(Settings, "The file"),
        settings_section(BackboneSettings, "[backbones.NAME]"),
        settings_section(Limits, "[limits]"),
        settings_section(Retention, "[retention]"),
        "## Client",
        "::: kinema_apps.client",
    )


PAGES: dict[str, Callable[[], str]] = {
    "hooks.md": hooks_page,
    "offers.md": offers_page,
    "cli.md": cli_page,
    "motion-schema.md": schema_page,
    "formats.md": formats_page,
    "service.md": service_page,
}


def stale() -> list[str]:
    """The pages that are not what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != make()
    ]


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        old = stale()
        for name in old:
            print(f"docs/reference/{name} is not current; run python tools/docs_reference.py")
        return 1 if old else 0
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

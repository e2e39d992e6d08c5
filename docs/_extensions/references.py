"""Reference pages that are made of the program: every command with its options, and the fields of the documents.

A page says where with a comment, ``<!-- reference: commands -->`` or ``<!-- reference: NAME.schema.json -->``, which a
plain view of the repository does not show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clusterbayes.cli import app as command_line

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["command_reference", "schema_reference", "setup"]

SCHEMAS = Path(__file__).parents[1] / "schemas"
_EXAMPLE = re.compile(
    r"(?:(?P<before>[^\[]*) )?\[cyan\](?P<command>clusterbayes [^\[]*)\[/\]\s*(?P<after>.*)", re.DOTALL
)


def commands(group: Any, words: tuple[str, ...] = ("clusterbayes",)) -> Iterator[tuple[str, Any]]:
    """Yield the name and the command of everything that can be called, groups before what they hold."""
    yield " ".join(words), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


def prose(text: str) -> str:
    """Turn a command's help into Markdown: examples into blocks of code, rich's marks into plain ones."""
    made: list[str] = []
    for paragraph in re.split(r"\n\s*\n", (text or "").strip()):
        match = _EXAMPLE.fullmatch(paragraph)
        if match:
            command, after = " ".join(match["command"].split()), " ".join(match["after"].split())
            block = f"{command}    # {after}" if after else command
            if made and made[-1].endswith("\n```") and not match["before"]:
                made[-1] = made[-1].removesuffix("```") + f"{block}\n```"
            else:
                made += [match["before"].rstrip(",") + ":"] if match["before"] else []
                made.append(f"```\n{block}\n```")
        else:
            plain = re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", paragraph)
            made.append(re.sub(r"\[cyan\](.*?)\[/\]", r"`\1`", plain))
    return "\n\n".join(made)


def option_text(parameter: Any, context: Any) -> str:
    """Return an entry of a list of definitions for an argument or an option."""
    names, about = parameter.get_help_record(context)
    about, _, more = about.partition("  [")  # what typer adds: the default, the range, whether it is required
    notes = more.removesuffix("]").replace("default: ", "default ").replace("x>=", "at least ")
    return f"`{names}`\n: {about}{f' *({notes})*' if notes else ''}"


def command_text(name: str, command: Any) -> str:
    """Return the section of one command."""
    context = typer.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}", f"```\n{usage}\n```", prose(command.help)]
    panels: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or kind
        panels.setdefault(panel, []).append(option_text(parameter, context))
    for panel, entries in panels.items():
        parts += [f"**{panel}**", *entries]
    return "\n\n".join(parts)


def command_reference() -> str:
    """Return the sections of all commands."""
    return "\n\n".join(command_text(name, command) for name, command in commands(typer.main.get_command(command_line)))


def type_text(schema: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(type_text(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("format") or schema.get("type", "anything"))
    if kind == "array":
        return f"list of {type_text(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"names to {type_text(schema['additionalProperties'])}"
    return kind


def schema_reference(name: str) -> str:
    """Return tables of all fields of a published schema."""
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    parts = []
    for title, part in [(schema["title"], schema), *sorted(schema.get("$defs", {}).items())]:
        parts.append(f"**{title}** {part.get('description', '')}")
        if "enum" in part:
            parts.append("One of " + type_text(part) + ".")
        if "properties" in part:
            rows = ["| field | type | |", "|---|---|---|"]
            for field, about in part["properties"].items():
                always = "" if field in part.get("required", []) else " (may be left out)"
                cells = (f"`{field}`", type_text(about) + always, about.get("description", ""))
                rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
            parts.append("\n".join(rows))
    return "\n\n".join(parts)


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the references in the place of their comments as a page is read."""

    def made(match: re.Match[str]) -> str:
        return command_reference() if match[1] == "commands" else schema_reference(match[1])

    source[0] = re.sub(r"<!-- reference: (\S+) -->", made, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}

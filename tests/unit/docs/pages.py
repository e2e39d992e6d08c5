"""The pages of the documentation: their blocks of code, links and headings."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Page"]

ROOT = Path(__file__).resolve().parents[3]
#: A fenced block; a comment above it may say why it is not run.
_BLOCK = re.compile(
    r"^(?P<skip><!-- not run: [^\n]* -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """A page in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Code of all fenced blocks in a language, "" for those that name none; none that is not to be run."""
        found = _BLOCK.finditer(self.text)
        return [match["code"] for match in found if match["language"] == language and not match["skip"]]

    def commands(self) -> list[list[str]]:
        """Words behind ``clusterbayes`` of every line in a block that calls it."""
        found = []
        for block in self.blocks(""):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|\||[|>;]", line.removeprefix("$ ").partition("    #")[0]):
                    if re.match(r"\s*(\S*/)?clusterbayes\s+[a-z]", part):
                        found.append(shlex.split(part, comments=True)[1:])
        return found

    def links(self) -> list[str]:
        """Targets within the repository."""
        prose = _BLOCK.sub("", self.text)
        return [match["target"] for match in _LINK.finditer(prose) if "://" not in match["target"]]

    def anchors(self) -> set[str]:
        """Anchors that a repository's viewer gives to the headings."""
        headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", self.text), flags=re.MULTILINE)
        plain = (re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings)
        return set(plain)


PAGES = [
    Page(path)
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")))
    if "generated" not in path.parts
]

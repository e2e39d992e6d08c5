"""The site's sidebar, made of the links that the index pages hold anyway.

In the index, every second-level heading with links to pages below it is a part of the sidebar. In another folder's
README, the pages of that folder and below follow it. So a page is named once, and a plain view of the repository shows
tables of links and nothing else. Sphinx warns of pages that nobody links to.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["linked", "setup", "toctree"]

INDEX = "docs/index"
FOLDERS = ("docs/certificates/README", "docs/validation/README")
_LINK = re.compile(r"\]\(([^)#:\s]+\.(?:md|ipynb))\)")


def linked(text: str) -> list[str]:
    """Return the pages that a text links to, relative to its folder and without their endings, each once."""
    return list(dict.fromkeys(str(Path(link).with_suffix("")) for link in _LINK.findall(text)))


def toctree(pages: list[str], caption: str = "") -> str:
    """Return a hidden list of pages for the sidebar."""
    head = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), ""]
    return "\n".join([*head, *pages, "```", ""])


def add_sidebar(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the lists to the index pages as they are read."""
    if page == INDEX:
        seen: set[str] = set()
        for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
            pages = [link for link in linked(section) if link not in seen]
            seen.update(pages)
            if pages:
                source[0] += toctree(pages, section.splitlines()[0])
    elif page in FOLDERS:
        own = [link for link in linked(source[0]) if not posixpath.normpath(link).startswith("..")]
        source[0] += toctree(own)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", add_sidebar)
    return {"parallel_read_safe": True}

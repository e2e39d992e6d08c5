"""How the documentation is built: ``sphinx-build -W -c docs . build/html`` from the root of the repository.

The root is the source folder, so that links between README, pages and notebooks are the same files in the repository
and on the site. Notebooks are shown without output, unless CLUSTERBAYES_RUN_NOTEBOOKS is set: then they are executed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from clusterbayes import __version__  # noqa: E402

project = "clusterbayes"
author = copyright = "The clusterbayes authors"
version = release = __version__

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "notebooks/*.ipynb"]
exclude_patterns = ["build", "dist", "venv", ".*", "**/.*", "src", "tests", "docs/_*", "docs/*.py"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",
    "references",
    "sidebar",
]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force" if os.environ.get("CLUSTERBAYES_RUN_NOTEBOOKS") else "off"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
highlight_language = "none"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
templates_path = [str(Path(__file__).parent / "_templates")]

html_theme = "furo"
html_title = f"clusterbayes {release}"
html_copy_source = False
html_math_renderer = "mathml"
html_additional_pages = {"index": "start.html"}
copybutton_prompt_text = "$ "

"""Runs over HTTP: a small application that takes, lists, cancels and shows them.

Needs the extra ``clusterbayes[http]``.
"""

from __future__ import annotations

from clusterbayes.extras import require_extra

require_extra("http", "fastapi", "python_multipart")  # before anything below needs them, to say what brings them

from clusterbayes.records.http.app import HttpOptions, create_app  # noqa: E402

__all__ = ["HttpOptions", "create_app"]

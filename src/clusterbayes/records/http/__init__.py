"""Runs over HTTP: a small application that takes, lists, cancels and shows them.

Needs the extra ``clusterbayes[http]``.
"""

from __future__ import annotations

from clusterbayes.records.http.app import HttpOptions, create_app

__all__ = ["HttpOptions", "create_app"]

"""Parts that need packages which are installed on request only: what is missing is said with the extra that brings it.

The record, its documents and `fit_cluster` need none of them.
"""

from __future__ import annotations

from importlib import import_module

from clusterbayes.errors import ClusterBayesError

__all__ = ["MissingExtraError", "require_extra"]


class MissingExtraError(ClusterBayesError, ImportError):
    """A package is not installed that a part of the library needs.

    Parameters
    ----------
    extra : str
        The extra of clusterbayes that installs it.
    missing : str
        The package's module.
    """

    def __init__(self, extra: str, missing: str) -> None:
        super().__init__(extra, missing)
        self.extra, self.missing = extra, missing

    def __str__(self) -> str:
        return (
            f"this needs the extra '{self.extra}' ({self.missing} is not installed): "
            f"pip install 'clusterbayes[{self.extra}]'"
        )


def require_extra(extra: str, *modules: str) -> None:
    """Make sure that the modules of an extra can be imported.

    Raises
    ------
    MissingExtraError
        If one can't; the message names the extra.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError:
            raise MissingExtraError(extra, module) from None

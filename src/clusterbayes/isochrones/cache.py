"""Where the library keeps what it has computed and can compute again.

Grids composed from other packages' models live here.  Deleting the folder loses nothing but time.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(*parts: str) -> Path:
    """Return the cache folder, or a folder in it; whoever writes there makes it.

    Parameters
    ----------
    *parts : str
        Names of nested folders, e.g. "grids".

    Returns
    -------
    Path
        Below the folder that the environment variable ``CLUSTERBAYES_CACHE`` names, else below the user's cache
        folder of this operating system.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("CLUSTERBAYES_CACHE")
    return (Path(chosen).expanduser() if chosen else user_cache_path("clusterbayes")).joinpath(*parts)

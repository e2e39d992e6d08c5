"""Families of isochrones that are composed on first use from a package that holds their tables.

PARSEC comes with clusterbayes.  The families of this registry come as theory tables with the package lachesis-grids, an
optional extra that states no licence: nothing of it is shipped, the grid is made on the user's own machine, from a file
whose SHA-256 is known, into the cache folder.  What each family covers, and on which solar scale, is said here once.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clusterbayes.errors import GridError, SettingsError
from clusterbayes.isochrones import storage
from clusterbayes.isochrones.cache import cache_folder

__all__ = ["FAMILIES", "Family", "compose", "composed_info", "composed_path"]

Progress = Callable[[str, float], None]

PACKAGE = "lachesis_grids"
WHEEL = "lachesis-grids 0.0.9"
REMEDY = 'pip install "clusterbayes[families]"'


@dataclass(frozen=True)
class Family:
    """One family of isochrones.

    Parameters
    ----------
    name, title, release : str
        Its name here, in full, and its version.
    member, sha256 : str
        The file inside the package, and what it must be.
    recipe_version : int
        Raised when the composed grid changes.
    log_age, mh : (float, float)
        First and last node kept, in log10 yr and dex.
    masses : str
        Which masses there are, in words.
    phases : str
        Which phases there are, in words.
    solar_scale, alpha, rotation : str
        What the source or its papers say of them; "not stated by the source" where they don't.
    citation : str
        The papers to cite.
    recommended_for : str
        What the family is good for.
    notes : str
        What one should know.
    licence : str
        Terms of the source.
    wheel : str
        Name and version of the package that holds it.
    """

    name: str
    title: str
    release: str
    member: str
    sha256: str
    recipe_version: int
    log_age: tuple[float, float]
    mh: tuple[float, float]
    masses: str
    phases: str
    solar_scale: str
    alpha: str
    rotation: str
    citation: str
    recommended_for: str
    notes: str = ""
    licence: str = "not stated by lachesis-grids; not redistributed"
    wheel: str = WHEEL

    def metadata(self) -> dict[str, Any]:
        """Return what a composed grid says about itself."""
        known = {key: value for key, value in asdict(self).items() if key not in ("name", "log_age", "mh")}
        return {
            **known,
            "family": self.title,
            "source": f"{self.wheel}, {self.member}; Python package index",
            "composed_by": f"clusterbayes recipe {self.recipe_version}",
        }


_NOT_STATED = "not stated by the source"

_ALL = (
    Family(
        name="mist",
        title="MIST",
        release="2.5, v/vcrit = 0.4",
        member="grids/mist_v2.5_vvcrit0.4.h5",
        sha256="357461d7cbe3df41ff86c76508c0eb1487cb6b823594c459cf6cc49a6f150d4b",
        recipe_version=1,
        log_age=(6.0, 10.2),
        mh=(-2.5, 0.5),
        masses="0.1 to 300 Msun; at log_age 6.0 to 6.4 the lowest mass is up to 0.26 Msun",
        phases="pre-main sequence to the first thermal pulse or carbon burning; Wolf-Rayet stars left out",
        solar_scale="Grevesse & Sauval 1998, initial Z_sun = 0.0185 (release notes of version 2.5); mh is [Fe/H]",
        alpha="[alpha/Fe] = 0 (the only one in the table)",
        rotation="v/vcrit = 0.4",
        citation=(
            "Dotter 2016, ApJS 222, 8; Choi et al. 2016, ApJ 823, 102; for version 2.5 also Dotter et al. and Bauer et "
            "al., as mist.science lists them"
        ),
        recommended_for="all ages, as an independent check on PARSEC; too blue below 0.6 Msun",
        notes=(
            "at [Fe/H] = +0.5 the source has no star below 0.5 Msun: its isochrones are continued to 0.1 Msun by the "
            "trend from [Fe/H] 0 to +0.25, joined at 0.5 Msun; at [Fe/H] = -0.25, log_age 7.55, one isochrone has a "
            "blue loop that its neighbours in age lack"
        ),
    ),
    Family(
        name="basti",
        title="BaSTI",
        release="BaSTI-IAC, 2100 lines an isochrone, with mass loss on the giant branch",
        member="grids/basti.h5",
        sha256="2c82e9f79e10215fcebf61be40967de5cd67e1e51e107be490c71a1074ee15bc",
        recipe_version=1,
        log_age=(9.0, 10.1761),
        mh=(-2.0, 0.3),
        masses="0.1 Msun up",
        phases="main sequence to the early asymptotic giant branch, horizontal branch included",
        solar_scale="Caffau et al. 2011, Z_sun = 0.0153 (paper); mh is [Fe/H]",
        alpha="[alpha/Fe] = 0 (by the paper; not stated by the source)",
        rotation="none",
        citation="Hidalgo et al. 2018, ApJ 856, 125",
        recommended_for="clusters of 1 to 15 Gyr, red clump and horizontal branch included; the smoothest of all",
        notes=(
            "diffusion, overshooting and the rate of mass loss are not stated by the source; its [Fe/H] are not those "
            "of the published models, so it was interpolated before"
        ),
    ),
    Family(
        name="dartmouth",
        title="Dartmouth",
        release="DSEP, release not stated by the source",
        member="grids/dartmouth_dsep.h5",
        sha256="28c56c55d1192ef80e1b166cf5be533168cfc9fee2a535a6deea5ff7ce35b758",
        recipe_version=1,
        log_age=(9.0, 10.1761),
        mh=(-2.0, 0.5),
        masses="0.14 Msun up",
        phases="main sequence to the tip of the giant branch; no core helium burning",
        solar_scale="Grevesse & Sauval 1998 (paper); mh is [Fe/H]",
        alpha=_NOT_STATED,
        rotation="none",
        citation="Dotter et al. 2008, ApJS 178, 89",
        recommended_for="turn-off and lower main sequence of clusters of 1 to 15 Gyr; leave out red-clump stars",
        notes=(
            "the source has few points on the lower main sequence, none from 0.65 to 0.9 Msun at 1 Gyr; red-clump "
            "stars have no counterpart"
        ),
    ),
    Family(
        name="yapsi",
        title="YaPSI",
        release=_NOT_STATED,
        member="grids/yapsi.h5",
        sha256="2cc92ffefad8e1d00fb27dcabe464bcb43c39fa8fee85777e7553881f2c961a4",
        recipe_version=1,
        log_age=(9.17609, 10.17610),
        mh=(-0.75, 0.3),
        masses="0.615 Msun up",
        phases="main sequence to the lower giant branch, log L = 1.0 to 1.3; nothing above",
        solar_scale="Grevesse & Sauval 1998 (paper); helium not stated by the source; mh is [Fe/H]",
        alpha="[alpha/Fe] = 0 (paper)",
        rotation="none",
        citation="Spada et al. 2017, ApJ 838, 161",
        recommended_for="turn-offs of clusters of 1.5 to 15 Gyr; cut the catalogue to it",
        notes=(
            "the source ends at 2.0 Msun, before the turn-off of ages below 1.5 Gyr, and its lowest masses are broken "
            "above [Fe/H] = 0.3: both are left out"
        ),
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
"""The families by name."""


def composed_path(name: str) -> Path:
    """Return where the composed grid of a family is kept, whether it is there or not.

    Raises
    ------
    SettingsError
        If there is no such family.
    """
    if name not in FAMILIES:
        raise SettingsError.unknown("family of isochrones", name, FAMILIES)
    return cache_folder("grids") / f"{name}-{FAMILIES[name].recipe_version}.h5"


def composed_info(name: str) -> dict[str, Any] | None:
    """Return what the composed grid of a family says about itself; None if there is none that this release can read.

    Raises
    ------
    SettingsError
        If there is no such family.
    """
    path = composed_path(name)
    try:
        return storage.describe_grid(path) if path.is_file() else None
    except GridError:
        return None


def compose(name: str, progress: Progress | None = None, *, force: bool = False) -> Path:
    """Make the theory grid of a family, unless it is in the cache already.

    Parameters
    ----------
    name : str
        A name of `FAMILIES`.
    progress : callable, optional
        Called with a text and the fraction that is done, 0 to 1.
    force : bool
        Make it again even if it is there; the old one is kept until the new one is complete.

    Returns
    -------
    Path
        The grid file, in the cache folder.

    Raises
    ------
    SettingsError
        If there is no such family.
    GridError
        If the package that holds the tables is missing, or its file is not the one that is known.
    """
    from clusterbayes.isochrones.theory import RECIPES, theory_arrays

    path = composed_path(name)
    if not force and composed_info(name) is not None:
        return path
    family = FAMILIES[name]
    told = progress or (lambda stage, fraction: None)
    source = _verified_member(family, told)
    arrays = theory_arrays(
        source, RECIPES[name], family.log_age, family.mh, lambda done: told(f"composing {family.title}", 0.9 * done)
    )
    told(f"writing {path.name}", 0.9)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_grid(path, arrays, (), None, None, family.metadata())
    told(f"{family.title} composed", 1.0)
    return path


def _verified_member(family: Family, told: Progress) -> Path:
    """Return the path of a family's table after checking its SHA-256."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise GridError(
            f"the isochrones of {family.title} come with the package {family.wheel}, which is not installed",
            family.name,
            remedy=REMEDY,
        )
    path = Path(folders[0]) / family.member
    if not path.is_file():
        raise GridError(f"the installed {PACKAGE} has no file {family.member}", family.name, family.wheel, REMEDY)
    told(f"checking {family.member}", 0.0)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != family.sha256:
        raise GridError(
            f"{path.name} is not the known file: its SHA-256 is {found}", family.name, family.sha256, REMEDY
        )
    return path

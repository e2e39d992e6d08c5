"""Fetching a cluster's stars from the public catalogues: a cone for the cluster, an annulus for the field.

Names are resolved by Sesame, catalogues are asked through VizieR with astroquery, which is an extra. What was fetched
is kept, so that the same question is asked once. Nothing here is needed for a fit: any table will do.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import warnings
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import votable
from astropy.table import Table, vstack

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.extras import require_extra
from clusterbayes.photometry.sky import check_circle, separation

__all__ = ["CATALOGS", "Catalog", "Region", "fetch", "fetch_cached", "resolve_place"]

_FIELD_BEGINS = 1.5  # radii, as `Photometry.split` has it


@dataclass(frozen=True)
class Catalog:
    """A catalogue of VizieR.

    Parameters
    ----------
    table : str
        Its name there.
    columns : dict of str to str
        Columns that are asked for, and what they are called in the table that is made; names that the readers know.
    direction : tuple of str
        Columns of right ascension and declination, as VizieR calls them [deg].
    citation : str
        Whom to cite.
    epoch : float, optional
        Of the directions [Julian years].
    where : dict of str to str
        What rows are asked for: a constraint of VizieR for each column.
    """

    table: str
    columns: dict[str, str]
    direction: tuple[str, str]
    citation: str
    epoch: float | None = None
    where: dict[str, str] = field(default_factory=dict)


def _bands(names: dict[str, str]) -> dict[str, str]:
    """Return magnitudes and their errors by VizieR's names: {"J": "2MASS_J"} for Jmag and e_Jmag."""
    columns = {f"{theirs}mag": ours for theirs, ours in names.items()}
    return columns | {f"e_{theirs}mag": f"{ours}_error" for theirs, ours in names.items()}


_J2000 = ("RAJ2000", "DEJ2000")

#: Catalogues by name. Columns are called as the descriptions at the CDS have them (the ReadMe of each catalogue).
CATALOGS: dict[str, Catalog] = {
    "gaia-dr3": Catalog(
        "I/355/gaiadr3",
        {"Source": "source_id", "RA_ICRS": "ra", "DE_ICRS": "dec", "Plx": "parallax", "e_Plx": "parallax_error"}
        | {"pmRA": "pmra", "e_pmRA": "pmra_error", "pmDE": "pmdec", "e_pmDE": "pmdec_error"}
        | {"pmRApmDEcor": "pmra_pmdec_corr", "RUWE": "ruwe", "E(BP/RP)": "phot_bp_rp_excess_factor"}
        | _bands({"G": "Gaia_G", "BP": "Gaia_BP", "RP": "Gaia_RP"}),
        ("RA_ICRS", "DE_ICRS"),
        "Gaia Collaboration, Vallenari et al. (2023), A&A 674, A1",
        2016.0,
    ),
    "apass": Catalog(
        "II/336/apass9",
        {"recno": "id", "RAJ2000": "ra", "DEJ2000": "dec"}
        | _bands({"B": "B", "V": "V", "g'": "SDSS_g", "r'": "SDSS_r", "i'": "SDSS_i"}),
        _J2000,
        "Henden et al. (2016), APASS DR9, VizieR II/336",
    ),
    "2mass": Catalog(
        "II/246/out",
        {"2MASS": "id", "RAJ2000": "ra", "DEJ2000": "dec", "Qflg": "Qflg"}
        | _bands({"J": "2MASS_J", "H": "2MASS_H", "K": "2MASS_Ks"}),
        _J2000,
        "Skrutskie et al. (2006), AJ 131, 1163",
    ),
    "allwise": Catalog(
        "II/328/allwise",
        {"AllWISE": "id", "RAJ2000": "ra", "DEJ2000": "dec"} | _bands({f"W{n}": f"WISE_W{n}" for n in (1, 2, 3, 4)}),
        _J2000,
        "Cutri et al. (2013), AllWISE, VizieR II/328",
    ),
    "panstarrs": Catalog(
        "II/349/ps1",
        {"objID": "id", "RAJ2000": "ra", "DEJ2000": "dec"} | _bands({band: f"PS1_{band}" for band in "grizy"}),
        _J2000,
        "Chambers et al. (2016), arXiv:1612.05560",
    ),
    "sdss": Catalog(
        "V/147/sdss12",
        {"objID": "id", "RA_ICRS": "ra", "DE_ICRS": "dec", "class": "class"}
        | _bands({band: f"SDSS_{band}" for band in "ugriz"}),
        ("RA_ICRS", "DE_ICRS"),
        "Alam et al. (2015), ApJS 219, 12",
        # Primary detections: two fifths of the table are further ones of the same objects.
        where={"mode": "1"},
    ),
}


@dataclass(frozen=True)
class Region:
    """What is asked for.

    Parameters
    ----------
    ra, dec : float
        Centre [deg].
    radius : float
        Of the cone [deg].
    field_radius : float, optional
        Outer radius of the annulus that begins at 1.5 radii [deg]; none is fetched if left out.
    row_limit : int
        Most stars of the cone, and of the annulus.
    """

    ra: float
    dec: float
    radius: float
    field_radius: float | None = None
    row_limit: int = 200_000

    def __post_init__(self) -> None:
        check_circle((self.ra, self.dec), self.radius)
        if self.field_radius is not None and not _FIELD_BEGINS * self.radius < self.field_radius <= 90.0:
            begins = f"degrees, more than {_FIELD_BEGINS} radii"
            raise SettingsError("the field has no room", "field_radius", self.field_radius, begins)
        if self.row_limit < 1:
            raise SettingsError("not a limit of rows", "row_limit", self.row_limit, "1 or more")


def resolve_place(text: str) -> tuple[float, float]:
    """Return the direction that a name or a pair of numbers stands for.

    Parameters
    ----------
    text : str
        ``RA,DEC`` [deg], or a name that Sesame knows, e.g. "NGC 3766".

    Returns
    -------
    tuple of float
        Right ascension and declination [deg].

    Raises
    ------
    InputError
        If nobody knows the name, or nobody can be asked.
    """
    from astropy.coordinates.name_resolve import NameResolveError

    try:
        ra, dec = (float(part) for part in text.split(","))
    except ValueError:
        pass
    else:
        check_circle((ra, dec), 1.0)
        return ra, dec
    try:
        place = SkyCoord.from_name(text)
    except (NameResolveError, OSError) as error:
        if str(error).startswith("Unable to find coordinates"):
            problem, remedy = "nobody knows this name", "check the spelling, or give RA,DEC in degrees"
        else:
            reason = " ".join(str(error).split())[:200]
            problem = f"the service that knows where names are (Sesame) gave no answer ({reason})"
            remedy = "check the connection, or give RA,DEC in degrees"
        raise InputError(problem, value=text, remedy=remedy) from error
    return float(place.ra.deg), float(place.dec.deg)


def fetch(region: Region, catalog: str = "gaia-dr3") -> Table:
    """Fetch the stars of a region.

    Parameters
    ----------
    region : Region
        Cone and annulus.
    catalog : str
        A key of `CATALOGS`.

    Returns
    -------
    Table
        Columns that the readers recognise, ``region`` ("cluster" or "field") and, where it is known, ``ref_epoch``
        [yr]; where it comes from is in the metadata. Identifiers are text.

    Raises
    ------
    SettingsError
        If the catalogue is unknown.
    MissingExtraError
        If astroquery is not installed.
    InputError
        If it can't be reached, answers with something else than a table, has no star there, or more than the limit: a
        part of the stars, no one knows which, would pass for all of them.
    """
    if catalog not in CATALOGS:
        raise SettingsError.unknown("catalog", catalog, CATALOGS)
    asked = CATALOGS[catalog]
    parts = [_ask(asked, region, 0.0, region.radius, "cluster")]
    if region.field_radius is not None:
        parts.append(_ask(asked, region, _FIELD_BEGINS * region.radius, region.field_radius, "field"))
    table = vstack(parts, metadata_conflicts="silent")
    if not len(table):
        raise InputError("no star of the catalogue lies there", catalog, value=f"{region.ra:g},{region.dec:g}")
    if asked.epoch is not None:
        table["ref_epoch"] = np.full(len(table), asked.epoch)
        table["ref_epoch"].unit = u.yr
    table.meta = {
        "catalog": catalog, "vizier": asked.table, "citation": asked.citation, "query": asdict(region),
        "fetched_on": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    return table


def _ask(asked: Catalog, region: Region, inner: float, outer: float, label: str) -> Table:
    """Return the stars of a ring, under our names."""
    centre = SkyCoord(region.ra * u.deg, region.dec * u.deg)
    options = {"columns": list(asked.columns), "column_filters": asked.where}
    vizier = _vizier(**options, row_limit=region.row_limit + 1, timeout=300)
    ring: dict[str, Any] = {"radius": outer * u.deg, "catalog": asked.table, "frame": "icrs", "cache": False}
    if inner:
        ring["inner_radius"] = inner * u.deg
    try:
        response = vizier.query_region_async(centre, **ring)
        response.raise_for_status()
        table, is_cut = _parsed(response.content, asked.table)
    except Exception as error:  # of requests, of astroquery and of astropy's reader, each with its own classes
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"the catalogue could not be fetched ({detail})", asked.table,
            remedy="check the connection and try later, or download a table with a browser: any will do",
        ) from error  # fmt: skip
    if table is None:
        return Table()
    if is_cut or len(table) > region.row_limit:
        most, shape = min(len(table), region.row_limit), "ring" if inner else "circle"
        raise InputError(
            f"more than {most} stars lie in the {label}'s {shape} of {outer:g} deg, and a part of them would pass for "
            "all", asked.table, remedy="ask for a smaller radius, or allow more (--row-limit)",
        )  # fmt: skip
    return _ours(table, asked, region, (inner, outer), label)


def _parsed(content: bytes, name: str) -> tuple[Table | None, bool]:
    """Return the table of a VOTable, None if no star was found, and whether the server left rows out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units and other conventions
        document = votable.parse(io.BytesIO(content), invalid="mask")
    status = [*document.infos, *(info for resource in document.resources for info in resource.infos)]
    for info in status:
        if "error" in f"{info.name} {info.ID}".lower() or str(info.value).upper() == "ERROR":
            raise ValueError(info.content or info.value)
    tables = sorted(document.iter_tables(), key=lambda table: table.name != name)  # that of the name first
    is_cut = any(str(info.value).upper() == "OVERFLOW" for info in status)
    return (tables[0].to_table(use_names_over_ids=True) if tables else None), is_cut


def _vizier(**options: Any) -> Any:
    require_extra("fetch", "astroquery")
    from astroquery.vizier import Vizier

    return Vizier(**options)


def _ours(table: Table, asked: Catalog, region: Region, ring: tuple[float, float], label: str) -> Table:
    """Give columns our names, identifiers as text, and leave out what lies outside the ring."""
    made = Table()
    for theirs, ours in asked.columns.items():
        name = next((name for name in (theirs, _as_identifier(theirs)) if name in table.colnames), None)
        if name is not None:
            made[ours] = table[name]
    wanting = [name for name in ("ra", "dec") if name not in made.colnames]
    if wanting:
        raise InputError("the answer lacks directions", asked.table, wanting[0], expected=", ".join(asked.columns))
    for name in ("id", "source_id"):
        if name in made.colnames:
            made[name] = np.ma.asarray(made[name]).astype(str)
    away = separation(np.ma.filled(made["ra"], np.nan), np.ma.filled(made["dec"], np.nan), (region.ra, region.dec))
    made["region"] = np.full(len(made), label)
    return made[(away >= ring[0]) & (away <= ring[1])]


def _as_identifier(name: str) -> str:
    """Return a column's name as VOTables write it where only letters, digits and underscores are allowed."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def fetch_cached(region: Region, catalog: str, folder: Path, *, refresh: bool = False) -> tuple[Table, bool]:
    """Fetch the stars of a region, or take them from an earlier time.

    Parameters
    ----------
    region, catalog
        As in `fetch`.
    folder : Path
        Where what was fetched is kept; made if need be.
    refresh : bool
        Whether to ask again.

    Returns
    -------
    table : Table
        As `fetch` gives it.
    kept : bool
        Whether it was there already.
    """
    question = json.dumps([catalog, asdict(region), asdict(CATALOGS[catalog]) if catalog in CATALOGS else None])
    place = folder / f"{catalog}-{hashlib.sha256(question.encode()).hexdigest()[:24]}.ecsv"
    if place.exists() and not refresh:
        return Table.read(place, format="ascii.ecsv"), True
    table = fetch(region, catalog)
    folder.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{secrets.token_hex(4)}.{place.name}")
    try:
        table.write(partial, format="ascii.ecsv")
        os.replace(partial, place)
    finally:
        partial.unlink(missing_ok=True)
    return table, False

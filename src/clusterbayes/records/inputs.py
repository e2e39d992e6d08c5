"""The input of a run as bytes: read from a file, given by a client, or made from photometry in memory.

What comes from a client is looked at before any reader sees it: tables that inflate without bound, and documents that
refer to other files, are refused.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.records.settings import FitSettings, plain_text

if TYPE_CHECKING:
    from clusterbayes.photometry import Photometry

__all__ = ["InputTable", "check_untrusted", "photometry_settings", "read_input", "written"]

_GZIP = b"\x1f\x8b"
_LONGEST_NAME = 200


@dataclass(frozen=True)
class InputTable:
    """A table of photometry as bytes, with the name that its owner gives it; the name is never used as a path."""

    name: str
    content: bytes

    def __post_init__(self) -> None:
        try:
            plain_text(self.name)
        except ValueError as error:
            raise InputError(str(error), "name of the file") from None
        if len(self.name) > _LONGEST_NAME:
            raise InputError(f"the name of the file is longer than {_LONGEST_NAME} characters", self.name[:40] + "...")

    def photometry(self, settings: FitSettings, observables: Any = None) -> Photometry:
        """Read the table, to see that it can be fitted.

        Raises
        ------
        InputError, BandError, SettingsError
            As `Photometry.read`.
        """
        from clusterbayes.photometry import Photometry

        reading = settings.reading() | ({} if observables is None else {"observables": observables})
        with tempfile.TemporaryDirectory(prefix="clusterbayes-") as folder:
            path = Path(folder) / "table"
            path.write_bytes(self.content)
            try:
                return Photometry.read(path, **reading, source=self.name)
            except InputError as error:
                if error.source != str(path):
                    raise
                plain = error.args
                raise InputError(plain[0], self.name, *plain[2:]) from None


def read_input(source: str | os.PathLike[str] | InputTable | Photometry) -> InputTable:
    """Return the bytes of an input.

    Raises
    ------
    InputError
        If a file can't be read.
    """
    if isinstance(source, InputTable):
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            return InputTable(path.name, path.read_bytes())
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", str(path), remedy="check the name") from None
    return InputTable(Path(source.source).name or "photometry", written(source))


def written(photometry: Photometry) -> bytes:
    """Return photometry as ECSV: every input row in its order, empty where a row is not used."""
    table = Table({"id": np.asarray(photometry.input_ids).astype(str)})

    def add(name: str, values: Any) -> None:
        column = np.full(photometry.n_input, np.nan)
        column[photometry.input_row] = values
        table[name] = column

    for k, observable in enumerate(photometry.observables):
        add(observable.name, photometry.values[:, k])
        add(f"{observable.name}_error", photometry.errors[:, k])
    singles = {"parallax": photometry.parallax, "parallax_error": photometry.parallax_error, "ra_degs": photometry.ra}
    for name, values in {**singles, "dec": photometry.dec, "ruwe": photometry.ruwe}.items():
        if values is not None:
            add(name, values)
    if photometry.pm is not None and photometry.pm_error is not None:
        for k, name in enumerate(("pm_ra", "pm_dec")):
            add(name, photometry.pm[:, k])
            add(f"{name}_error", photometry.pm_error[:, k])
        if photometry.pm_corr is not None:
            add("pm_corr", photometry.pm_corr)
    table.meta["parallax_zero_point"] = "applied" if photometry.parallax_zero_point != "raw" else "raw"
    if photometry.zero_point_error:
        table.meta["zero_point_error"] = dict(photometry.zero_point_error)
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def photometry_settings(photometry: Photometry, settings: FitSettings) -> FitSettings:
    """Return settings under which `written` photometry is read as it was.

    Raises
    ------
    SettingsError
        If the settings say how to read a table.
    """
    said = [name for name, value in settings.reading().items() if value is not None]
    if said:
        raise SettingsError("photometry in memory has been read already", ", ".join(said), remedy="leave these out")
    return settings.model_copy(update={"observables": [observable.name for observable in photometry.observables]})


def check_untrusted(content: bytes, limit: int) -> None:
    """Refuse a client's table that is too large, inflates beyond reason, or refers to other files.

    Parameters
    ----------
    content : bytes
        The table.
    limit : int
        Most bytes, inflated.

    Raises
    ------
    InputError
        If it is refused.
    """
    if content[:2] == _GZIP:
        inflater = zlib.decompressobj(wbits=31)
        try:
            content = inflater.decompress(content, limit + 1)
        except zlib.error:
            raise InputError("the file says that it is compressed, but can't be inflated") from None
        if inflater.unused_data:
            raise InputError("the file has several compressed parts", remedy="compress it as a whole, or not at all")
    if len(content) > limit:
        raise InputError(f"the table has more than {limit} bytes", remedy="leave out the columns that are not needed")
    lowered = content.lower()
    if b"<votable" in lowered and (
        b"<!doctype" in lowered or b"<!entity" in lowered or re.search(rb"<(?:\w+:)?stream[^>]*\shref", lowered)
    ):
        raise InputError("the table refers to another file", remedy="send a table that holds its own data")

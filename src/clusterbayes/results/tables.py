"""How tables and documents are kept so that they come back as they were.

A table column is a dataset of an HDF5 group: numbers and booleans as they are, text as UTF-8 of fixed width, masks and
a description of the columns beside them. `plain` and `plain_table` bring documents and tables to the types that survive
this unchanged; `same` compares exactly, with NaN equal to NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

__all__ = ["compression", "plain", "plain_table", "read_table", "same", "write_table"]


def compression(data: NDArray[Any]) -> dict[str, Any]:
    """Return the storage options for an array (an empty one can't be compressed)."""
    return {"compression": "gzip", "compression_opts": 4, "shuffle": True} if data.size else {}


def plain(value: Any) -> Any:
    """Bring a value to what JSON knows: dicts, lists, text, numbers, booleans and None.

    Parameters
    ----------
    value : object
        Tuples, sets and arrays become lists, NumPy scalars become Python's, anything unknown becomes text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def plain_table(table: Table) -> Table:
    """Copy a table to columns of native numbers, booleans and text.

    Parameters
    ----------
    table : astropy.table.Table
        Byte strings and objects become text; quantities become columns with a unit; other special columns become text.
    """
    copy = Table(meta=plain(table.meta))
    for name in table.colnames:
        column = table[name]
        if isinstance(column, u.Quantity):
            column = Column(column.value, unit=column.unit, description=column.info.description)
        elif not isinstance(column, Column):
            column = Column([str(item) for item in column], description=column.info.description)
        if column.dtype.kind in "SO":
            column = _as_text(column)
        column = column.astype(column.dtype.newbyteorder("="), copy=True)
        column.meta = plain(column.meta or {})
        copy[name] = column
    return copy


def _as_text(column: Column) -> Column:
    items = np.ma.getdata(column.data).ravel().tolist()
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items]
    data = np.array(texts, dtype=str).reshape(column.shape)
    about = {"description": column.description, "meta": column.meta}
    return MaskedColumn(data, mask=column.mask, **about) if isinstance(column, MaskedColumn) else Column(data, **about)


def write_table(group: h5py.Group, table: Table) -> None:
    """Write a table into an empty HDF5 group.

    Parameters
    ----------
    group : h5py.Group
        Gets the datasets ``columns/NAME``, ``masks/NAME`` for columns with a mask, and ``about`` (JSON text).
    table : astropy.table.Table
        As `plain_table` makes it.
    """
    described = []
    columns, masks = (group.create_group(name, track_order=True) for name in ("columns", "masks"))
    for name in table.colnames:
        column = table[name]
        key = _free_key(columns, name)
        data = np.ma.getdata(column.data)
        if data.dtype.kind == "U":
            data = np.strings.encode(data, "utf-8", "surrogatepass")
            data = data.astype(h5py.string_dtype("utf-8", max(data.dtype.itemsize, 1)))
        columns.create_dataset(key, data=data, **compression(data))
        if isinstance(column, MaskedColumn):
            masks.create_dataset(key, data=np.ma.getmaskarray(column.data), **compression(data))
        about = {"key": key, "name": name, "dtype": column.dtype.str, "description": column.description}
        unit = None if column.unit is None else column.unit.to_string()
        described.append({**about, "unit": unit, "format": column.format, "meta": column.meta})
    group.create_dataset("about", data=json.dumps({"meta": table.meta, "columns": described}))


def _free_key(group: h5py.Group, name: str) -> str:
    """Return a dataset name for a column: its own where HDF5 allows it."""
    key = "".join(letter if letter.isprintable() and letter != "/" else "|" for letter in name)
    while key in ("", ".", "..") or key in group:
        key += "_"
    return key


def read_table(group: h5py.Group) -> Table:
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    group : h5py.Group
        The group.

    Returns
    -------
    astropy.table.Table
        The same table.
    """
    about = json.loads(group["about"].asstr()[()])
    table = Table(meta=about["meta"])
    for described in about["columns"]:
        key = described["key"]
        data = group["columns"][key][...]
        if data.dtype.kind == "S":
            data = np.strings.decode(data, "utf-8", "surrogatepass").astype(described["dtype"])
        options = {name: described[name] for name in ("name", "description", "format", "meta")}
        if described["unit"] is not None:
            options["unit"] = u.Unit(described["unit"], parse_strict="silent")
        if key in group["masks"]:
            table.add_column(MaskedColumn(data, mask=group["masks"][key][...], **options))
        else:
            table.add_column(Column(data, **options))
    return table


def same(one: Any, other: Any) -> bool:
    """Say whether two values are exactly the same; NaN is the same as NaN.

    Parameters
    ----------
    one, other : object
        Tables, arrays, documents, or objects with an equality of their own.
    """
    if isinstance(one, Table) and isinstance(other, Table):
        return _same_table(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)


def _same_table(one: Table, other: Table) -> bool:
    if one.colnames != other.colnames or len(one) != len(other) or not same(one.meta, other.meta):
        return False
    return all(_same_column(one[name], other[name]) for name in one.colnames)


def _same_column(one: Column, other: Column) -> bool:
    if type(one) is not type(other) or one.dtype != other.dtype or one.shape != other.shape:
        return False
    if any(getattr(one, name) != getattr(other, name) for name in ("unit", "description", "format")):
        return False
    hidden = [np.ma.getmaskarray(np.ma.asarray(column.data)) for column in (one, other)]
    if not np.array_equal(hidden[0], hidden[1]) or not same(one.meta, other.meta):
        return False
    # What lies under a mask does not count.
    return same(*(np.ma.getdata(column.data)[~hidden[0]] for column in (one, other)))

"""Handing in a fit: the input is kept, and a ready row is made for the workers.

Everything is checked before anything is stored. A caller's key makes it safe to ask twice; equal inputs, as those of an
observation that is handed in again, are kept once and linked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.records.database.clock import database_time
from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.rows import record_of, values_of
from clusterbayes.records.faults import ConflictError
from clusterbayes.records.inputs import InputTable, photometry_settings, read_input
from clusterbayes.records.record import ClusterModelingTool
from clusterbayes.records.settings import FitSettings, check_integer, plain_text
from clusterbayes.records.store import Store

if TYPE_CHECKING:
    from clusterbayes.photometry import Photometry

    Source = str | os.PathLike[str] | InputTable | Photometry

__all__ = ["Service", "SubmitOptions", "Submitted"]

_TRIES = 5
_LONGEST_KEY = 200
_LONGEST_NAME = 10_000


@dataclass(frozen=True)
class SubmitOptions:
    """What else can be said about a run.

    Attributes
    ----------
    name : str, optional
        Name of the analysis; that of the input if left out.
    project_id : int, optional
    priority : int
        Larger runs first.
    key : str, optional
        The caller's own; asking again with it, for the same, gives the run that was made the first time.
    time_limit : float, optional
        Most time that one start may take [s].
    reference : bool
        Whether the input stays where it is, and only its place and checksum are kept. Workers must find it there.
    """

    name: str | None = None
    project_id: int | None = None
    priority: int = 0
    key: str | None = None
    time_limit: float | None = None
    reference: bool = False

    def __post_init__(self) -> None:
        for label, text, longest in (("name", self.name, _LONGEST_NAME), ("key", self.key, _LONGEST_KEY)):
            if text is None:
                continue
            try:
                plain_text(text)
            except ValueError as error:
                raise SettingsError(str(error), label) from None
            if not text.strip() or len(text) > longest:
                raise SettingsError(f"the {label} is empty or too long", label, expected=f"1 to {longest} characters")
        if self.time_limit is not None and not 0.0 < self.time_limit <= 1e9:
            raise SettingsError("the time limit is out of range", "time_limit", self.time_limit, "more than 0 s")
        check_integer(self.project_id, "project_id")
        check_integer(self.priority, "priority")


@dataclass(frozen=True)
class Submitted:
    """The run, and whether it was made just now (not found under the caller's key)."""

    record: ClusterModelingTool
    created: bool


@dataclass(frozen=True)
class _Request:
    """A checked request: what the rows will hold."""

    record: ClusterModelingTool
    settings: dict[str, Any]
    input: InputTable
    control: InputTable | None
    options: SubmitOptions
    places: tuple[Path | None, Path | None]

    def tables(self) -> tuple[tuple[InputTable, Path | None], ...]:
        """Return the input, and the control if there is one, each with the place that it stays at (or None)."""
        given = ((self.input, self.places[0]), (self.control, self.places[1]))
        return tuple((table, place) for table, place in given if table is not None)

    def fingerprint(self) -> str:
        """Return a digest of what was asked for."""
        contents = [None if t is None else hashlib.sha256(t.content).hexdigest() for t in (self.input, self.control)]
        asked = {
            **asdict(self.options), "settings": self.settings, "input": contents, "name": self.record.name,
            "observation": self.record.observation_id,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Service:
    """A database and a store, to which runs are handed in.

    Parameters
    ----------
    database : Database
        With the tables.
    store : Store
        For inputs; the workers' own.
    """

    def __init__(self, database: Database, store: Store) -> None:
        self.database, self.store, self._tables = database, store, database.tables

    def submit(
        self,
        photometry: Source | None,
        settings: FitSettings | Mapping[str, Any] | None = None,
        *,
        creator_id: int,
        observation_id: int | None = None,
        control: Source | None = None,
        options: SubmitOptions | None = None,
    ) -> Submitted:
        """Hand in a fit.

        Parameters
        ----------
        photometry : path, InputTable, Photometry or None
            The stars; None takes the input that the observation was handed in with before.
        settings : FitSettings or mapping, optional
            How it is read and fitted.
        creator_id : int
            The user it belongs to.
        observation_id : int, optional
            The observation whose photometry it is.
        control : path, InputTable or Photometry, optional
            Field stars in the same observables.
        options : SubmitOptions, optional
            Name, priority, key and the like.

        Returns
        -------
        Submitted
            With a ready record; or, under a key that was used before, the record as it is now.

        Raises
        ------
        InputError, BandError, SettingsError
            If the input or a setting can't be used; nothing is stored then.
        ConflictError
            If the key was used for something else.
        """
        options, settings = options or SubmitOptions(), FitSettings.read(settings)
        check_integer(creator_id, "creator_id", required=True)
        check_integer(observation_id, "observation_id")
        if photometry is None:
            photometry = self._known_input(observation_id)
        table = read_input(photometry)
        if not isinstance(photometry, str | os.PathLike | InputTable):
            settings = photometry_settings(photometry, settings)
        field = None if control is None else read_input(control)
        read = table.photometry(settings)
        if field is not None:
            field.photometry(settings, [observable.name for observable in read.observables])
        name = options.name if options.name is not None else (Path(table.name).stem or table.name)
        record = ClusterModelingTool(
            name=name,
            creator_id=creator_id,
            observation_id=observation_id,
            project_id=options.project_id,
            priority=options.priority,
        )
        places = (_place(photometry, options.reference), _place(control, options.reference))
        return self._store(_Request(record, settings.to_wire(), table, field, options, places))

    def _known_input(self, observation_id: int | None) -> InputTable:
        """Return the newest input of an observation."""
        tool, job, inputs = self._tables.tool, self._tables.job, self._tables.input
        if observation_id is None:
            raise InputError("there is no input", remedy="give photometry, or an observation that was handed in before")
        chosen = (
            select(job.c.input_name, inputs.c.location)
            .join(tool, tool.c.id == job.c.tool_id)
            .join(inputs, inputs.c.id == job.c.input_id)
            .where(tool.c.observation_id == observation_id)
            .order_by(tool.c.id.desc())
            .limit(1)
        )
        with self.database.reading() as connection:
            row = connection.execute(chosen).one_or_none()
        if row is None:
            raise InputError(f"observation {observation_id} was not handed in before", remedy="give its photometry")
        path = Path(row.location) if os.path.isabs(row.location) else self.store.path(row.location)
        return InputTable(row.input_name, read_input(path).content)

    def _store(self, request: _Request) -> Submitted:
        # Content first: a row never speaks of an input that is not on the disk.
        kept = [
            (table, "stored" if place is None else "reference", str(place or self.store.add_input(table.content)))
            for table, place in request.tables()
        ]
        for _ in range(_TRIES):
            try:
                return self._store_once(request, kept)
            except IntegrityError:  # someone was faster with the same input or key: look again
                continue
        return self._store_once(request, kept)

    def _store_once(self, request: _Request, kept: list[tuple[InputTable, str, str]]) -> Submitted:
        fingerprint, key = request.fingerprint(), request.options.key
        with self.database.writing() as connection:
            if key is not None:
                known = self._under_key(connection, request.record.creator_id, key, fingerprint)
                if known is not None:
                    return Submitted(known, created=False)
            input_id, *others = (self._input_id(connection, *one) for one in kept)
            tool = self._tables.tool
            values = {**values_of(request.record), "created_on": database_time()}
            made = connection.execute(insert(tool).values(**values).returning(*tool.c)).one()
            job = {
                "tool_id": made.id, "creator_id": made.creator_id, "key": key, "fingerprint": fingerprint,
                "input_id": input_id, "input_name": request.input.name, "control_id": others[0] if others else None,
                "control_name": None if request.control is None else request.control.name,
                "settings": request.settings, "time_limit": request.options.time_limit, "cancel_requested": False,
                "attempts": 0, "losses": 0,
            }  # fmt: skip
            connection.execute(insert(self._tables.job).values(**job))
            return Submitted(record_of(made), created=True)

    def _under_key(
        self, connection: Connection, creator_id: int, key: str, fingerprint: str
    ) -> ClusterModelingTool | None:
        tool, job = self._tables.tool, self._tables.job
        chosen = select(tool, job.c.fingerprint).join(job, job.c.tool_id == tool.c.id)
        row = connection.execute(chosen.where(job.c.creator_id == creator_id, job.c.key == key)).one_or_none()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise ConflictError(key, row.id)
        return record_of(row)

    def _input_id(self, connection: Connection, table: InputTable, kind: str, location: str) -> int:
        """Return the row of an input, made if it is new."""
        inputs = self._tables.input
        values = {"checksum": hashlib.sha256(table.content).hexdigest(), "kind": kind, "location": location}
        chosen = select(inputs.c.id).where(*(inputs.c[name] == value for name, value in values.items()))
        known = connection.execute(chosen).scalar_one_or_none()
        if known is not None:
            return known
        new = insert(inputs).values(**values, size=len(table.content), created_on=database_time())
        return connection.execute(new.returning(inputs.c.id)).scalar_one()


def _place(source: Source | None, reference: bool) -> Path | None:
    """Return where an input stays, or None if it is to be stored."""
    if not reference or source is None:
        return None
    if not isinstance(source, str | os.PathLike):
        raise SettingsError("only a file can be referred to", "reference", remedy="give a path, or store the input")
    return Path(source).resolve()

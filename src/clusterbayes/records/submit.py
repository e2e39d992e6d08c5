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

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.records.database import Database, Runs
from clusterbayes.records.database.intake import Intake, JobRequest, KeptInput
from clusterbayes.records.inputs import InputTable, photometry_settings, read_input
from clusterbayes.records.record import ClusterModelingTool
from clusterbayes.records.settings import FitSettings, check_integer, plain_text
from clusterbayes.records.store import Store

if TYPE_CHECKING:
    from clusterbayes.photometry import Photometry

    Source = str | os.PathLike[str] | InputTable | Photometry

__all__ = ["Service", "SubmitOptions", "Submitted"]

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
        self.database, self.store, self._intake = database, store, Intake(database)

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
        options = options or SubmitOptions()
        check_integer(creator_id, "creator_id", required=True)
        check_integer(observation_id, "observation_id")
        asked = self._checked(photometry, settings, control, observation_id, options.reference)
        name = options.name if options.name is not None else (Path(asked.table.name).stem or asked.table.name)
        record = ClusterModelingTool(
            name=name,
            creator_id=creator_id,
            observation_id=observation_id,
            project_id=options.project_id,
            priority=options.priority,
        )
        said = {**asdict(options), "name": name, "observation": observation_id}
        request = self._kept(asked, said, options.time_limit)
        return Submitted(*self._intake.add(record, request, options.key))

    def adopt(
        self,
        tool_id: int,
        photometry: Source | None = None,
        settings: FitSettings | Mapping[str, Any] | None = None,
        *,
        control: Source | None = None,
        time_limit: float | None = None,
        reference: bool = False,
    ) -> Submitted:
        """Hand in a fit for a ready row that the host has put into the table itself.

        The row stays as the host made it: name, creator, observation, project, priority and age.

        Parameters
        ----------
        tool_id : int
            The row's id.
        photometry : path, InputTable or Photometry, optional
            The stars; if left out, the last input of the row's observation.
        settings, control
            As for `submit`.
        time_limit, reference
            As in `SubmitOptions`.

        Returns
        -------
        Submitted
            With the row's record. Asking again for the same changes nothing.

        Raises
        ------
        RunNotFoundError
            If there is no such row, or it is another tool's.
        ConflictError
            If it was handed in before for something else.
        TransitionError
            If it is not ready.
        InputError, BandError, SettingsError
            As for `submit`.
        """
        options = SubmitOptions(time_limit=time_limit, reference=reference)
        check_integer(tool_id, "tool_id", required=True)
        observation_id = Runs(self.database).get(tool_id).observation_id
        asked = self._checked(photometry, settings, control, observation_id, reference)
        return Submitted(*self._intake.adopt(tool_id, self._kept(asked, asdict(options), time_limit)))

    def _checked(
        self,
        photometry: Source | None,
        settings: FitSettings | Mapping[str, Any] | None,
        control: Source | None,
        observation_id: int | None,
        reference: bool,
    ) -> _Asked:
        """Read everything, to see that it can be fitted."""
        settings = FitSettings.read(settings)
        if photometry is None:
            photometry = self._known_input(observation_id)
        table = read_input(photometry)
        if not isinstance(photometry, str | os.PathLike | InputTable):
            settings = photometry_settings(photometry, settings)
        field = None if control is None else read_input(control)
        read = table.photometry(settings)
        if field is not None:
            field.photometry(settings, [observable.name for observable in read.observables])
        return _Asked(settings, table, field, (_place(photometry, reference), _place(control, reference)))

    def _known_input(self, observation_id: int | None) -> InputTable:
        """Return the newest input of an observation."""
        if observation_id is None:
            raise InputError("there is no input", remedy="give photometry, or an observation that was handed in before")
        found = self._intake.last_input(observation_id)
        if found is None:
            raise InputError(f"observation {observation_id} was not handed in before", remedy="give its photometry")
        name, location = found
        path = Path(location) if os.path.isabs(location) else self.store.path(location)
        return InputTable(name, read_input(path).content)

    def _kept(self, asked: _Asked, said: dict[str, Any], time_limit: float | None) -> JobRequest:
        """Put the inputs on the disk, so that no row ever speaks of one that is not there."""

        def kept(table: InputTable, place: Path | None) -> KeptInput:
            kind, location = (
                "stored" if place is None else "reference",
                str(place or self.store.add_input(table.content)),
            )
            return KeptInput(kind, location, _digest(table.content), len(table.content), table.name)

        wire = asked.settings.to_wire()
        contents = [None if table is None else _digest(table.content) for table in (asked.table, asked.control)]
        text = json.dumps({**said, "settings": wire, "input": contents}, sort_keys=True)
        return JobRequest(
            fingerprint=_digest(text.encode()),
            settings=wire,
            input=kept(asked.table, asked.places[0]),
            control=None if asked.control is None else kept(asked.control, asked.places[1]),
            time_limit=time_limit,
        )


@dataclass(frozen=True)
class _Asked:
    """A checked request: settings, tables, and the places that these stay at (None where they are to be stored)."""

    settings: FitSettings
    table: InputTable
    control: InputTable | None
    places: tuple[Path | None, Path | None]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _place(source: Source | None, reference: bool) -> Path | None:
    """Return where an input stays, or None if it is to be stored."""
    if not reference or source is None:
        return None
    if not isinstance(source, str | os.PathLike):
        raise SettingsError("only a file can be referred to", "reference", remedy="give a path, or store the input")
    return Path(source).resolve()

"""What goes over the wire beside the documents of `clusterbayes.records`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clusterbayes.records.memberships import MembershipRow
from clusterbayes.records.record import ClusterModelingTool, WireModel

__all__ = ["Health", "Integer", "MembershipPage", "Problem", "ReportLink", "RunPage"]

#: What the database's integers hold.
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class Problem(WireModel):
    """What went wrong."""

    detail: str


class Health(WireModel):
    """Whether the service can work."""

    status: str = Field(description='"ok"; an error otherwise.')
    version: str
    ready: int = Field(description="Runs that wait.")
    running: int = Field(description="Runs that are fitted.")


class RunPage(WireModel):
    """A page of runs, the newest first."""

    items: list[ClusterModelingTool]
    total: int = Field(description="Runs on all pages.")
    next: int | None = Field(description="What 'before' is on the next page; null on the last.")


class MembershipPage(WireModel):
    """Membership rows in the order of the input."""

    items: list[MembershipRow]
    offset: int


class ReportLink(WireModel):
    """Where a browser finds a run's report."""

    href: str = Field(
        description="Address on this server; with a ticket in place of a token where tokens are asked for."
    )

"""The seconds that sampling may take, and what is said once they are spent.

Steps are the budget that gives equal numbers everywhere; seconds are the one that people have. Where they run out
depends on the machine, so nothing of what they cut short is kept: a run that goes on with more of them makes the
numbers of one that had them from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from clusterbayes.inference.checkpoint import Keeper
from clusterbayes.inference.diagnostics import Convergence

__all__ = ["TimeLimit"]


@dataclass(frozen=True)
class TimeLimit:
    """Seconds that sampling may take.

    Attributes
    ----------
    seconds : float or None
        None is no limit.
    keeper : Keeper
        Knows the time spent, that of broken-off runs included.
    """

    seconds: float | None
    keeper: Keeper

    @property
    def share(self) -> float:
        """How much of the time is spent, from 0; always 0 without a limit."""
        return 0.0 if self.seconds is None else self.keeper.sampling_seconds / self.seconds

    def spent(self) -> bool:
        """Whether the time is over."""
        return self.share >= 1.0

    def verdict(self, found: Convergence, n_steps: int, *, burnt_in: bool) -> Convergence:
        """Return what was found about a chain that had to end, with the reason unless it has converged all the same.

        Parameters
        ----------
        found : Convergence
        n_steps : int
            Steps of the chain.
        burnt_in : bool
            Whether burn-in had come to its end.
        """
        if found.converged:
            return found
        when = f"after {n_steps} steps" if burnt_in else f"before burn-in was over, and {n_steps} steps were added"
        reason = f"the budget of {self.seconds:g} seconds was spent {when}"
        return replace(found, converged=False, reasons=[reason, *found.reasons])

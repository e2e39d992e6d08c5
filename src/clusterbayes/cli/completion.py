"""Values that the shell offers when Tab is pressed behind an option: names of grids, laws and examples.

A shell asks for them with ``clusterbayes --install-completion`` done once. What they need is imported when asked.
"""

from __future__ import annotations

__all__ = ["complete_examples", "complete_grids", "complete_laws"]

Offer = list[tuple[str, str]]  # values, each with what is shown beside it


def complete_grids(incomplete: str) -> Offer:
    """Offer the grids and families that begin with what was typed."""
    from clusterbayes.isochrones.catalogue import known_grids

    grids = known_grids()
    return [(name, str(grids[name]["state"])) for name in grids if name.startswith(incomplete)]


def complete_laws(incomplete: str) -> Offer:
    """Offer the extinction laws that begin with what was typed."""
    from clusterbayes.isochrones.laws import DUST_LAWS

    laws = {"tables": "follows each star's spectrum", **DUST_LAWS, "astromancer": "as the teaching tool has it"}
    return [(name, str(about)) for name, about in laws.items() if name.startswith(incomplete)]


def complete_examples(incomplete: str) -> Offer:
    """Offer the packaged examples that begin with what was typed."""
    from clusterbayes.photometry.examples import examples

    return [(name, about) for name, about in examples().items() if name.startswith(incomplete)]

"""The pictures of a report: which ones, what to look for in them, and how they get into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from clusterbayes.errors import ClusterBayesError
from clusterbayes.results.result import FitResult

__all__ = ["Picture", "pictures"]

_DPI = 110

# What to look for, by kind, in the order of the page.
_CAPTIONS = {
    "residuals": "The isochrone should run along the blue edge of the sequence, with binaries above it. At the right, "
    "single stars should scatter about the line at every magnitude; binaries lie to the right of it. A bend that all "
    "stars share is a fault of the isochrones or of the photometry.",
    "cmds": "The same isochrone has to be right in every colour.",
    "hr": "Where the fit places each star, if it is a member.",
    "hess": "Cells with more members than the model expects, and with fewer. Patches along the whole sequence mean "
    "that the mass function or the binaries are off; single cells are chance.",
    "membership": "What the probabilities promise: of the stars above a threshold, the share that are members, and "
    "the share of all members that they are.",
    "dereddening": "What the dust does: grey as seen, coloured without it.",
    "corner": "The posterior, two parameters at a time, with the priors dotted. Where prior and posterior are alike, "
    "the data say nothing. Age, metallicity and reddening are never independent.",
    "traces": "Each line is a walker. It should look like noise about one level, and the autocorrelation should be "
    "gone long before the chain ends.",
    "parallax": "Members should scatter about the band.",
    "motions": "Members should gather about one point.",
    "sky": "Members should gather about the centre; field stars do not.",
    "luminosity": "Members counted by magnitude.",
    "mass": "Members counted by mass, beside the mass function that was fitted.",
}


@dataclass(frozen=True)
class Picture:
    """A picture in the page."""

    kind: str
    about: str
    caption: str
    data: str


def pictures(
    result: FitResult, *, title: str | None = None, drawn: Mapping[str, bytes] | None = None
) -> tuple[list[Picture], list[str]]:
    """Draw the pictures that the result allows.

    Parameters
    ----------
    result : FitResult
        The fit.
    title : str, optional
        Title of each.
    drawn : mapping of str to bytes, optional
        Pictures by kind that exist already, as PNG.

    Returns
    -------
    found : list of Picture
        Those for which there are data: a table without parallaxes has no picture of them.
    missing : list of str
        What is not drawn, and why.
    """
    from clusterbayes.results.plots import KINDS, draw  # matplotlib is only needed here

    found, missing = [], []
    for kind, caption in _CAPTIONS.items():
        image = (drawn or {}).get(kind)
        if image is None:
            try:
                figure = draw(result, kind, title)
            except ClusterBayesError as error:
                missing.append(f"{KINDS[kind].about}: {error}")
                continue
            if kind == "cmds" and len(figure.axes) < 2:
                continue  # the same as "cmd"
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=_DPI)
            image = buffer.getvalue()
        found.append(Picture(kind, KINDS[kind].about, caption, base64.b64encode(image).decode("ascii")))
    return found, missing

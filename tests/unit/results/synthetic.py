"""A fit result made by hand: a colour-magnitude diagram with members, binaries, field, outliers and unused rows."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from clusterbayes.results import Curve, FitResult

# (mass, log Teff, log L, phase) along a 1.5 Gyr isochrone, roughly.
_TRACK = np.array(
    [
        (0.12, 3.490, -2.75, 0), (0.20, 3.512, -2.25, 0), (0.35, 3.541, -1.75, 0), (0.50, 3.575, -1.38, 0),
        (0.65, 3.630, -0.92, 0), (0.80, 3.692, -0.52, 0), (1.00, 3.757, -0.05, 0), (1.20, 3.795, 0.32, 0),
        (1.40, 3.828, 0.62, 0), (1.55, 3.842, 0.84, 0), (1.66, 3.836, 1.02, 0), (1.72, 3.846, 1.16, 0),
        (1.745, 3.815, 1.22, 2), (1.755, 3.740, 1.15, 2), (1.760, 3.704, 1.05, 3), (1.765, 3.690, 1.35, 3),
        (1.770, 3.660, 1.90, 3), (1.775, 3.615, 2.55, 3), (1.780, 3.570, 3.05, 3), (1.790, 3.695, 1.72, 4),
        (1.800, 3.680, 1.85, 4), (1.805, 3.668, 2.05, 7), (1.810, 3.635, 2.50, 7),
    ]
)  # fmt: skip
_LOG_TEFF = np.array([3.48, 3.50, 3.55, 3.60, 3.65, 3.70, 3.76, 3.80, 3.90, 4.00])
_BP_RP = np.array([3.15, 2.90, 2.40, 1.95, 1.45, 1.13, 0.83, 0.63, 0.26, 0.00])
_BC = np.array([-2.0, -1.70, -1.00, -0.60, -0.30, -0.10, 0.06, 0.09, 0.06, -0.08])
_MATRIX = {
    ("Gaia_G", "Gaia_BP", "Gaia_RP"): np.eye(3),
    ("Gaia_G", "Gaia_BP-Gaia_RP"): np.array([[1.0, 0, 0], [0, 1.0, -1.0]]),
    ("V", "B-V"): np.array([[1.0, 0, 0], [0, 0.55, -0.55]]),
    ("B", "V"): np.array([[1.0, 0.30, -0.30], [1.0, -0.25, 0.25]]),
}
TRUTH = {
    "log_age": 9.18, "mh": 0.05, "dist_mod": 9.6, "a_v": 0.21, "binary_frac": 0.45, "member_frac": 0.62,
    "outlier_frac": 0.01, "binary_frac_q05": 0.24, "distance": 831.8, "ebv": 0.0677,
}  # fmt: skip
SPREAD = {
    "log_age": 0.025, "mh": 0.05, "dist_mod": 0.04, "a_v": 0.04, "binary_frac": 0.05, "member_frac": 0.025,
    "outlier_frac": 0.005, "binary_frac_q05": 0.03, "distance": 15.0, "ebv": 0.013,
}  # fmt: skip
SAMPLED = ("log_age", "mh", "dist_mod", "a_v", "binary_frac", "member_frac", "outlier_frac")
UNITS = {"log_age": "log10(yr)", "mh": "dex", "dist_mod": "mag", "a_v": "mag", "ebv": "mag", "distance": "pc"}


def _isochrone(age_shift: float = 0.0, n_per_segment: int = 12) -> np.ndarray:
    """(n_vertex, 4) mass, log Teff, log L, phase; a shift makes the star above the turn-off brighter."""
    rows = []
    for one, two in zip(_TRACK[:-1], _TRACK[1:], strict=True):
        t = np.linspace(0, 1, n_per_segment, endpoint=False)[:, None] if one[3] == two[3] else np.zeros((1, 1))
        piece = one + t * (two - one)
        piece[:, 3] = one[3]
        rows.append(piece)
    track = np.vstack([*rows, _TRACK[-1:]])
    late = np.clip((track[:, 0] - 1.0) / 0.7, 0, 1)
    track[:, 2] -= 0.9 * age_shift * late
    track[:, 1] -= 0.12 * age_shift * late
    return track


def _gaia(track: np.ndarray, dist_mod: float, a_v: float) -> np.ndarray:
    """(n, 3) apparent G, BP, RP."""
    colour = np.interp(track[:, 1], _LOG_TEFF, _BP_RP)
    g = 4.74 - 2.5 * track[:, 2] - np.interp(track[:, 1], _LOG_TEFF, _BC) + dist_mod + 0.84 * a_v
    colour = colour + 0.42 * a_v
    bp = g + 0.30 * colour + 0.03 * colour**2
    return np.stack([g, bp, bp - colour], axis=1)


def _pair(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return -2.5 * np.log10(10 ** (-0.4 * one) + 10 ** (-0.4 * two))


def _curve(kind: str, track: np.ndarray, mags: np.ndarray, matrix: np.ndarray) -> Curve:
    return Curve(kind, track[:, 0], track[:, 1], track[:, 2], mags @ matrix.T, track[:, 3].astype(int))


def _catalogue(rng: np.random.Generator, n_member: int, n_field: int, n_outlier: int, faint: float) -> dict:
    track = _isochrone()
    mags, mass, q, teff, lum = [], [], [], [], []
    while len(mags) < n_member:
        m1 = 1.81 - 1.69 * rng.beta(1.5, 1.0) if rng.random() > 0.07 else rng.uniform(1.73, 1.81)
        row = [np.interp(m1, track[:, 0], track[:, k]) for k in range(3)]
        one = _gaia(np.array([row]), TRUTH["dist_mod"], TRUTH["a_v"])[0]
        ratio = rng.uniform(0.1, 1.0) if rng.random() < TRUTH["binary_frac"] else 0.0
        if ratio * m1 > 0.12:
            second = [np.interp(ratio * m1, track[:, 0], track[:, k]) for k in range(3)]
            one = _pair(one, _gaia(np.array([second]), TRUTH["dist_mod"], TRUTH["a_v"])[0])
        if one[0] < faint:
            for store, value in zip((mags, mass, q, teff, lum), (one, m1, ratio, row[1], row[2]), strict=True):
                store.append(value)
    g = faint - rng.exponential(1.9, n_field)
    colour = 0.75 + 0.10 * (g - 12) + 0.35 * rng.standard_normal(n_field) + 0.5 * (rng.random(n_field) < 0.3)
    field = np.stack([g, g + 0.30 * colour, g - 0.70 * colour], axis=1)
    odd = np.stack([rng.uniform(11, 17, n_outlier), np.zeros(n_outlier), np.zeros(n_outlier)], axis=1)
    odd[:, 1], odd[:, 2] = odd[:, 0] - 0.05, odd[:, 0] + 0.15
    return {
        "mags": np.vstack([np.reshape(mags, (-1, 3)), field, odd]),
        "mass": mass,
        "q": q,
        "log_teff": teff,
        "log_lum": lum,
    }


def make_result(
    observables: tuple[str, ...] = ("Gaia_G", "Gaia_BP", "Gaia_RP"),
    n_member: int = 280,
    n_field: int = 170,
    n_outlier: int = 5,
    n_unused: int = 40,
    converged: bool = True,
    seed: int = 3,
) -> FitResult:
    """Make a result as a fit would; the numbers are invented, the shapes and columns are not."""
    rng = np.random.default_rng(seed)
    faint = 18.5
    catalogue = _catalogue(rng, n_member, n_field, n_outlier, faint)
    matrix = _MATRIX[observables]
    n_used = n_member + n_field + n_outlier
    n_input = n_used + n_unused
    error_mag = 0.004 + 0.02 * 10 ** (0.35 * (catalogue["mags"] - faint))
    observed = catalogue["mags"] + error_mag * rng.standard_normal(catalogue["mags"].shape)
    values = np.vstack([observed @ matrix.T, np.full((n_unused, len(observables)), np.nan)])
    errors = np.vstack([np.sqrt(error_mag**2 @ (matrix**2).T), np.full((n_unused, len(observables)), np.nan)])
    values[3, -1] = errors[3, -1] = np.nan  # one star lacks one observable

    def column(members, field, odd=np.nan) -> np.ndarray:
        parts = [np.broadcast_to(part, n) for part, n in zip((members, field, odd), (n_member, n_field, n_outlier))]  # noqa: B905
        return np.concatenate([*parts, np.full(n_unused, np.nan)]).astype(float)

    stars = Table(meta={"comment": "synthetic"})
    order = rng.permutation(n_input)
    stars["id"] = [f"{4090000000000000000 + 7 * i}" for i in range(n_input)]
    stars["p_member"] = column(rng.beta(12, 0.6, n_member), rng.beta(0.3, 3, n_field), 0.55)
    stars["p_outlier"] = column(rng.beta(0.5, 50, n_member), 0.01, 0.9)
    stars["mass"] = column(catalogue["mass"], rng.uniform(0.4, 1.6, n_field), 1.6)
    stars["mass_std"] = column(0.012 * np.asarray(catalogue["mass"]), 0.1, 0.3)
    stars["q"] = column(np.clip(catalogue["q"] + 0.05 * rng.standard_normal(n_member), 0, 1), 0.3, 0.2)
    stars["q_std"] = column(0.08, 0.3, 0.3)
    stars["p_binary"] = column(np.clip(np.asarray(catalogue["q"]) * 1.2, 0, 1), 0.4, 0.4)
    stars["log_teff"] = column(catalogue["log_teff"], rng.uniform(3.55, 3.85, n_field), 3.84)
    stars["log_teff_std"] = column(0.003, 0.03, 0.05)
    stars["log_lum"] = column(catalogue["log_lum"], rng.uniform(-1.5, 1.0, n_field), 1.0)
    stars["log_lum_std"] = column(0.03, 0.2, 0.3)
    stars["used"] = np.arange(n_input) < n_used
    reasons = np.where(np.arange(n_input) % 2, "fainter than the limit", "no usable magnitude")
    stars["drop_reason"] = np.where(stars["used"], "", reasons)
    for k, name in enumerate(observables):
        stars[name], stars[f"{name}_error"] = values[:, k], errors[:, k]
        stars[f"{name}_residual"] = 0.8 * errors[:, k] * np.sin(np.arange(n_input))
    stars["note"] = np.where(np.arange(n_input) % 7 == 0, "spektroskopisch – ja", "")
    stars = stars[order]
    return FitResult(
        **_posterior(rng, converged),
        stars=stars,
        curves=_curves(rng, matrix),
        observables=observables,
        mag_limits=(observables[0], -np.inf, faint),
        counts={"input": n_input, "used": n_used, "dropped": _dropped(stars)},
        provenance=_provenance(),
        notes=["values are invented"],
    )


def _dropped(stars: Table) -> dict[str, int]:
    names, counts = np.unique(stars["drop_reason"][~stars["used"]], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _curves(rng: np.random.Generator, matrix: np.ndarray) -> list[Curve]:
    best = _isochrone()
    mags = _gaia(best, TRUTH["dist_mod"], TRUTH["a_v"])
    curves = [_curve("best", best, mags, matrix), _curve("binary", best, mags - 2.5 * np.log10(2), matrix)]
    for _ in range(24):
        track = _isochrone(3 * SPREAD["log_age"] * rng.standard_normal())
        shift = [TRUTH[name] + SPREAD[name] * rng.standard_normal() for name in ("dist_mod", "a_v")]
        curves.append(_curve("fan", track, _gaia(track, *shift), matrix))
    return curves


def _posterior(rng: np.random.Generator, converged: bool) -> dict:
    n_steps, n_walkers, n_draw = 30, 16, 480
    correlation = np.eye(len(SAMPLED))
    for one, two, value in (("log_age", "mh", -0.55), ("mh", "a_v", -0.6), ("dist_mod", "a_v", 0.35)):
        i, j = SAMPLED.index(one), SAMPLED.index(two)
        correlation[i, j] = correlation[j, i] = value
    scale = np.array([SPREAD[name] for name in SAMPLED])
    centre = np.array([TRUTH[name] for name in SAMPLED])
    chain = rng.multivariate_normal(centre, correlation * np.outer(scale, scale), size=(n_steps, n_walkers))
    flat = chain.reshape(n_draw, -1)
    draws = {name: flat[:, k].copy() for k, name in enumerate(SAMPLED)}
    draws["distance"] = 10 ** (draws["dist_mod"] / 5 + 1)
    draws["ebv"] = draws["a_v"] / 3.1
    draws["age_gyr"] = 10 ** (draws["log_age"] - 9)
    draws["binary_frac_q05"] = 0.53 * draws["binary_frac"]
    best = {name: float(draw[0]) for name, draw in draws.items()}
    tau = {name: 3.0 + k for k, name in enumerate(SAMPLED)}
    ess = {name: n_draw / value for name, value in tau.items()}
    reasons = [] if converged else ["the chain has 21 autocorrelation times, 50 are wanted"]
    diagnostics = {
        "converged": converged, "reasons": reasons, "tau": tau, "ess": ess, "rhat": {"log_age": 1.01, "mh": np.nan},
        "acceptance": 0.31, "n_walkers": n_walkers, "n_steps": n_steps, "log_prob_max": -812.25, "wall_seconds": 41.5,
    }  # fmt: skip
    log_prob = -812.25 - 0.5 * rng.chisquare(len(SAMPLED), (n_steps, n_walkers))
    return {
        "chain": chain, "log_prob": log_prob, "names": SAMPLED, "units": {**UNITS, "age_gyr": "Gyr"}, "draws": draws,
        "best": best, "diagnostics": diagnostics,
    }  # fmt: skip


def _provenance() -> dict:
    return {
        "package_version": "0.1.0",
        "grid": {"name": "parsec", "digest": "0123456789abcdef" * 4},
        "input": {"source": "synthetic.csv", "checksum": "ab" * 32},
        "seed": 1,
        "priors": {"log_age": "uniform(6.6,10.13)", "mh": "normal(0,0.2)"},
        "fixed": {"alpha_1": 1.3},
        "settings": {"model_error": "default", "mag_limit": "auto"},
        "versions": {"numpy": "2.0.0"},
        "created_on": "2030-01-02T03:04:05.678901+00:00",
    }

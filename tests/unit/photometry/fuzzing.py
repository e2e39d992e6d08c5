"""Damaged files for the readers: `python tests/unit/photometry/fuzzing.py 100000 [SEED]` reads that many.

Small valid files of every layout and format are cut, spliced, repeated, given odd cells, bytes and line ends. Each must
be read or refused with a `ClusterBayesError` that names the file, in less than two seconds of processor time, inside a
bound on memory.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from astropy.table import Table

from clusterbayes.errors import ClusterBayesError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.treatment import Treatment

LARGEST_SECONDS = 2.0
LARGEST_GROWTH = 1.0  # GiB of resident memory over the whole run

WORDS = [
    *(
        "",
        "nan",
        "NaN",
        "null",
        "--",
        "inf",
        "-inf",
        "1e999",
        "-1e308",
        "0",
        "-0.0",
        "99.99",
        "-9.99",
        "1e-300",
        "NULL",
    ),
    *("23:59:59.9", "12h30m", "abc", "ä", "\x00", '"', "'", '""', "9223372036854775808", "5337671459348160512", "true"),
    *("360", "361", "-91", "1,5", "1 2", "#", "# %ECSV 1.0", "0x1F", "1_000", "Infinity", "V", "B-V", "filter", "id"),
    *("１２", "\u2212" + "3", "1e5", "1d3", "[1, 2]", "{", "}", "\ufeff", "\u2028", "\x0b", "\x1c", "\x85"),
]
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n", "\x0c", " \n"]


class TooSlow(BaseException):
    """A file took longer than it may."""


def _rows(n: int = 14) -> dict[str, list]:
    rng = np.random.default_rng(2)
    g = np.linspace(11, 17, n).round(3)
    return {
        "source_id": [str(5337671459348160512 + k) for k in range(n)],
        "ra": rng.uniform(174, 175, n).round(5).tolist(),
        "dec": rng.uniform(-62, -61, n).round(5).tolist(),
        "parallax": rng.normal(0.5, 0.05, n).round(4).tolist(),
        "parallax_error": [0.03] * n,
        "pmra": rng.normal(-6.7, 0.1, n).round(3).tolist(),
        "pmra_error": [0.04] * n,
        "pmdec": rng.normal(1.0, 0.1, n).round(3).tolist(),
        "pmdec_error": [0.04] * n,
        "phot_g_mean_mag": g.tolist(),
        "phot_g_mean_flux_over_error": rng.uniform(100, 900, n).round(1).tolist(),
        "bp_rp": (0.1 * (g - 9)).round(3).tolist(),
        "phot_bp_mean_flux_over_error": rng.uniform(100, 900, n).round(1).tolist(),
        "phot_rp_mean_flux_over_error": rng.uniform(100, 900, n).round(1).tolist(),
        "ruwe": [1.0] * n,
    }


def _csv(columns: dict[str, list], delimiter: str = ",") -> str:
    lines = [delimiter.join(columns)] + [delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def _written(table: Table, kind: str) -> bytes:
    stream: io.IOBase = io.StringIO() if kind.startswith("ascii") else io.BytesIO()
    table.write(stream, format=kind)
    value = stream.getvalue()
    return value.encode() if isinstance(value, str) else value


def seeds() -> list[bytes]:
    """Return small valid files, one for each layout and format."""
    wide = _rows()
    table = Table(wide)
    long = {
        "file_id": [101, 102] * 14, "id": [f"s{k // 2}" for k in range(28)], "filter": ["B", "V"] * 14,
        "ra_hours": [11.6] * 28, "dec_degs": [-61.6] * 28, "mag": [12.5 + 0.1 * k for k in range(28)],
        "mag_error": [0.01] * 28, "zero_point": [20] * 28, "zero_point_correction": [1.1] * 28,
        "zero_point_error": [0.02] * 28, "calibrated_mag": [13.6 + 0.1 * k for k in range(28)],
    }  # fmt: skip
    upload = {name: long[name] for name in ("id", "filter", "calibrated_mag", "mag_error", "ra_hours", "dec_degs")}
    records = [dict(zip(long, row, strict=True)) for row in zip(*long.values(), strict=True)]
    job = {"data": records, "fieldCal": [{"fileId": 101, "zeroPointCorr": 1.1, "zeroPointError": 0.02, "limmag5": 19}]}
    vizier = "#RESOURCE=1\nRA_ICRS\tDE_ICRS\tVmag\te_Vmag\tB-V\te_B-V\ndeg\tdeg\tmag\tmag\tmag\tmag\n"
    vizier += "---\t---\t---\t---\t---\t---\n"
    for k in range(14):
        vizier += f"{174 + k / 99:.4f}\t-61.2\t{12 + k / 9:.3f}\t0.01\t{0.5 + k / 50:.3f}\t0.02\n"
    archive = {"metadata": [{"name": name, "unit": None} for name in wide]}
    archive["data"] = [[int(row[0]), *row[1:]] for row in zip(*wide.values(), strict=True)]
    texts = [_csv(wide), _csv(wide, ";"), _csv(long), _csv(upload), _csv(upload, " "), vizier]
    texts += [json.dumps(job), json.dumps(archive)]
    binary = [_written(table, kind) for kind in ("ascii.ecsv", "votable", "fits")]
    return [*(text.encode() for text in texts), *binary, gzip.compress(texts[0].encode())]


def _in_bytes(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Damage a file without regard to what it means."""
    if not data:
        return data
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 2, 8, 80, 800)))
    kind = rng.randrange(6)
    if kind == 0:
        return data[:start] + bytes(rng.randrange(256) for _ in range(rng.choice((1, 3)))) + data[end:]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:start]
    if kind == 3:
        return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]
    if kind == 4:
        other = rng.choice(others)
        cut = rng.randrange(len(other))
        return data[:start] + other[cut : cut + rng.choice((10, 500, 5000))]
    flipped = bytearray(data)
    flipped[start] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _in_cells(data: bytes, rng: random.Random) -> bytes:
    """Damage the cells, lines and header of a text."""
    lines = data.decode("utf-8", "replace").split("\n")
    mark = next((mark for mark in ",;\t " if mark in lines[0]), ",")
    kind = rng.randrange(7)
    if kind <= 2:
        row = 0 if kind == 2 else rng.randrange(len(lines))
        cells = lines[row].split(mark)
        cells[rng.randrange(len(cells))] = rng.choice(WORDS)
        lines[row] = mark.join(cells)
    elif kind == 3:
        column = rng.randrange(20)
        word = rng.choice(WORDS)
        for row in range(1, len(lines)):
            cells = lines[row].split(mark)
            if column < len(cells):
                cells[column] = word
                lines[row] = mark.join(cells)
    elif kind == 4:
        row = rng.randrange(len(lines))
        lines[row : row + 1] = rng.choice(([], [lines[row]] * 3, ["# " + lines[row]], [rng.choice(WORDS)], [mark * 30]))
    elif kind == 5:
        rng.shuffle(lines)
    else:
        return rng.choice(LINE_ENDS).join(lines).encode("utf-8", "surrogatepass")
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def mutated(rng: random.Random, files: list[bytes]) -> bytes:
    """Return a damaged file."""
    data = rng.choice(files)
    zipped = data[:2] == b"\x1f\x8b" and rng.random() < 0.5
    data = gzip.decompress(data) if zipped else data
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = _in_cells(data, rng) if rng.random() < 0.6 and data[:6] != b"SIMPLE" else _in_bytes(data, rng, files)
    return gzip.compress(data, 1) if zipped else data


def options(rng: random.Random) -> dict:
    """Return options as a user might add."""
    if rng.random() < 0.5:
        return {}
    fillers = rng.choice(((), ("-9.99",), ("99.99", "abc")))
    return {
        "treatment": Treatment(fillers, rng.choice((None, 0.01)), rng.random() < 0.2),
        "default_error": rng.choice((None, 0.02)),
        "observables": rng.choice((None, None, "G,BP-RP", "B,V")),
        "max_ruwe": rng.choice((None, None, 1.4)),
    }


def attempt(path: Path, content: bytes, given: dict) -> str:
    """Read a file; returns what came of it, or raises what must not happen."""
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, LARGEST_SECONDS)
    try:
        Photometry.read(path, **given).describe()
    except ClusterBayesError as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        # An option that cannot be carried out and an unknown band in a map are about the call, not about the file.
        if type(error).__name__ == "InputError" and path.name not in str(error):
            raise AssertionError(f"the refusal does not name the file: {error}") from error
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def _too_slow(*_: object) -> None:
    raise TooSlow(f"more than {LARGEST_SECONDS} s of processor time")


def run(count: int, seed: int, folder: Path) -> tuple[Counter, list[str]]:
    """Read damaged files; returns how often what came of them, and the faults that were found."""
    files = seeds()
    outcomes: Counter = Counter()
    faults: list[str] = []
    before = signal.signal(signal.SIGPROF, _too_slow)
    path = folder / "damaged.dat"
    try:
        for number in range(count):
            rng = random.Random(f"{seed}/{number}")
            content, given = mutated(rng, files), options(rng)
            try:
                outcomes[attempt(path, content, given)] += 1
            except (Exception, TooSlow) as error:  # exactly what must not happen
                faults.append(f"{seed}/{number}: {type(error).__name__}: {error}"[:300])
    finally:
        signal.signal(signal.SIGPROF, before)
        signal.setitimer(signal.ITIMER_PROF, 0)
    return outcomes, faults


def main(count: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        run(200, 0, Path(name))  # what reading needs once
        at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        outcomes, faults = run(count, seed, Path(name))
    seconds = time.process_time() - began
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first) / 1024**2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{count} files, {1000 * seconds / count:.1f} ms each: ", ", ".join(f"{v} {k}" for k, v in outcomes.items()))
    print(f"resident memory grew by {growth:.2f} GiB to {peak:.2f} GiB; {len(faults)} faults")
    print("\n".join(faults[:40]))
    return int(bool(faults) or growth > LARGEST_GROWTH)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))

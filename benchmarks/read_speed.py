"""How long a table of a million rows takes to read, and how much memory: `python benchmarks/read_speed.py [ROWS]`.

Makes a wide table as the Gaia archive gives it and a long one as Afterglow gives it, reads each in a process of its
own, and prints processor time (the machine may be shared) and the largest resident memory. The aim: 10 s and 1.5 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LARGEST_SECONDS, LARGEST_GIGABYTES = 10.0, 1.5

READ = """
import resource, sys
from clusterbayes.photometry import Photometry
before = resource.getrusage(resource.RUSAGE_SELF)
photometry = Photometry.read(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF)
seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(photometry.n_input, photometry.n_star, seconds, after.ru_maxrss / 1024**2)
"""


def write_wide(path: Path, n_rows: int, rng: np.random.Generator) -> None:
    magnitude = 10.0 + 10.0 * np.sqrt(rng.random(n_rows))
    columns = {
        "source_id": np.arange(n_rows) + 5337671459348160512,
        "ra": rng.uniform(100.0, 104.0, n_rows),
        "dec": rng.uniform(-34.0, -30.0, n_rows),
        "parallax": rng.normal(1.0, 0.3, n_rows),
        "parallax_error": rng.uniform(0.02, 0.3, n_rows),
        "pmra": rng.normal(-3.0, 4.0, n_rows),
        "pmra_error": rng.uniform(0.02, 0.3, n_rows),
        "pmdec": rng.normal(2.0, 4.0, n_rows),
        "pmdec_error": rng.uniform(0.02, 0.3, n_rows),
        "phot_g_mean_mag": magnitude,
        "phot_g_mean_flux_over_error": rng.uniform(50.0, 5000.0, n_rows),
        "phot_bp_mean_mag": magnitude + 0.4,
        "phot_bp_mean_flux_over_error": rng.uniform(20.0, 500.0, n_rows),
        "phot_rp_mean_mag": magnitude - 0.6,
        "phot_rp_mean_flux_over_error": rng.uniform(20.0, 500.0, n_rows),
        "ruwe": rng.uniform(0.8, 1.6, n_rows),
    }
    formats = ["%d"] + ["%.9f"] * 2 + ["%.6f"] * (len(columns) - 3)
    write(path, columns, formats)


def write_long(path: Path, n_rows: int, rng: np.random.Generator) -> None:
    star, image = np.divmod(np.arange(n_rows), 4)
    magnitude = rng.uniform(12.0, 18.0, star[-1] + 1)[star] + 0.6 * (image < 2)
    with open(path, "w", encoding="ascii") as file:
        file.write(
            "file_id,id,time,jd,mjd,ra_hours,dec_degs,x,y,telescope,filter,exp_length,mag,mag_error,zero_point,flux,"
            "flux_error,pm_sky,pm_epoch,pm_pos_angle_sky,zero_point_correction,zero_point_error,calibrated_zero_point,"
            "calibrated_mag\n"
        )
        for k in range(n_rows):
            band, shift = ("B", 1.1477) if image[k] < 2 else ("V", 1.512)
            file.write(
                f"{101 + image[k]},src_{star[k]},2025-03-02 04:11:07.120,2460736.67439,60736.17439,"
                f"{11.6 + star[k] * 1e-7:.7f},{-61.6 + star[k] * 1e-6:.6f},512.31,498.77,PROMPT-5,{band},40,"
                f"{magnitude[k] - shift:.4f},0.0042,20,22940.1,88.7,,,,{shift},0.0131,{20 + shift},{magnitude[k]:.4f}\n"
            )


def write(path: Path, columns: dict[str, np.ndarray], formats: list[str]) -> None:
    line = ",".join(formats) + "\n"
    with open(path, "w", encoding="ascii") as file:
        file.write(",".join(columns) + "\n")
        file.writelines(line % row for row in zip(*(values.tolist() for values in columns.values()), strict=True))


def main(n_rows: int) -> int:
    rng = np.random.default_rng(1)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("wide", write_wide), ("long", write_long)):
            path = Path(folder) / f"{name}.csv"
            make(path, n_rows, rng)
            done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
            n_input, n_star, seconds, memory = done.stdout.split()
            size = path.stat().st_size / 1024**2
            print(f"{name}: {n_rows} rows, {size:.0f} MB, {n_input} stars, {n_star} used: ", end="")
            print(f"{float(seconds):.1f} s of processor time, {float(memory):.2f} GB")
            failed |= float(seconds) > LARGEST_SECONDS or float(memory) > LARGEST_GIGABYTES
    return int(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_rows", nargs="?", type=int, default=1_000_000)
    sys.exit(main(parser.parse_args().n_rows))

"""Small files in the layouts of Afterglow and Astromancer; the values are invented."""

from __future__ import annotations

AFTERGLOW_HEADER = (
    "file_id,id,time,jd,mjd,ra_hours,dec_degs,x,y,telescope,filter,exp_length,mag,mag_error,zero_point,flux,flux_error,"
    "pm_sky,pm_epoch,pm_pos_angle_sky,zero_point_correction,zero_point_error,calibrated_zero_point,calibrated_mag\n"
)
SOURCES = (
    "id,ra,dec,distance,pm_ra,pm_dec,B,B_error,V,V_error,BP,BP_error,RP,RP_error\n"
    "src_1,174.0618,-61.61234,1.98,-6.71,0.98,14.2498,0.0042,14.043,0.0038,14.11,0.003,13.86,0.004\n"
    "src_2,174.0750,-61.60817,2.31,-6.64,1.05,17.031,0.0291,,,16.71,0.006,15.92,0.006\n"
)
SUMMARY = (
    "name,classification,star_counts,mass,physical_radius,ra,dec,l,b,angular_radius,pmr_ra,pm_dec,velocity_dispersion,"
    "distance,log_age,metallicity,e(b-v)\n"
    "NGC 3766,open,412,45574.9,16.456,174.06,-61.61,114.119,-0.032,0.146,-6.71,0.99,0.21,1.98,7.3,-0.05,0.2\n"
)


def afterglow_row(
    star: str,
    band: str,
    mag: float | None,
    *,
    file_id: int = 101,
    error: float | str = 0.004,
    shift: float | None = 1.0,
    zero_point_error: float | str = 0.0131,
    ra_hours: float = 11.604120,
    dec: float = -61.61234,
) -> str:
    """One row; `mag` is the calibrated magnitude, `shift` what was added to the instrumental one, None for nothing."""
    raw = "" if mag is None else f"{mag - (shift or 0.0):.4f}"
    calibrated = (
        ["", "", "", ""] if shift is None or mag is None else [shift, zero_point_error, 20 + shift, f"{mag:.4f}"]
    )
    cells = [file_id, star, "2025-03-02 04:11:07.120", 2460736.67439, 60736.17439, f"{ra_hours:.9f}", f"{dec:.6f}"]
    cells += [512.31, 498.77, "PROMPT-5", band, 40, raw, error, 20, 22940.1, 88.7, "", "", "", *calibrated]
    return ",".join(map(str, cells)) + "\n"


def afterglow(*rows: str) -> str:
    return AFTERGLOW_HEADER + "".join(rows)

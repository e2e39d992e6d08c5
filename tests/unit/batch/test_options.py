"""Options of single clusters: text becomes settings, mistakes are named, rows find their clusters."""

from __future__ import annotations

import pytest

from clusterbayes.batch.jobs import job_options, jobs_from_folder, rows_of
from clusterbayes.batch.options import parse_options, read_options
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.treatment import Treatment


def test_a_row_becomes_settings():
    row = {
        "observables": "V;B_V;V_I", "ra": "119.7", "dec": "-28.5", "radius_deg": "0.08",
        "default_error": "V=0.02;B-V=0.03",
        "priors": "mh=normal(0,0.1); a_v = halfnormal(0.5)", "fixed": "alpha_1=1.3", "parallax_zero_point": "applied",
        "missing": "0.0;-9.99", "error_floor": "0.005", "steps": "600", "positions": "no", "log_age": "7.15",
    }  # fmt: skip
    options = parse_options({"r_v": "3.1", "steps": "100"}, row)
    settings = options.settings
    assert settings.observables == ["V", "B_V", "V_I"]
    assert settings.center == (119.7, -28.5) and settings.radius == 0.08
    assert settings.default_error == {"V": 0.02, "B-V": 0.03}
    assert settings.priors == {"mh": "normal(0,0.1)", "a_v": "halfnormal(0.5)"}
    assert settings.fixed == {"alpha_1": 1.3} and settings.parallax_zero_point == "applied"
    assert settings.sampling.max_steps == 600 and settings.positions is False
    assert options.treatment == Treatment(("0.0", "-9.99"), 0.005)
    assert options.grid == "parsec" and options.control is None


def test_one_number_is_the_error_of_all_and_a_place_alone_is_no_circle():
    options = parse_options({"default_error": "0.01", "observables": "G,BP-RP", "ra": "10", "dec": "20"})
    assert options.settings.default_error == 0.01
    assert options.settings.observables == ["G", "BP-RP"]
    assert options.settings.center is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"radius": "0.1"}, "centre"),
        ({"radius": "wide", "ra": "1", "dec": "2"}, "radius.*a number was expected"),
        ({"priors": "mh"}, "priors.*not understood"),
        ({"priors": "mh=normaal(0,1)"}, "normaal"),
        ({"grid": "parsec", "counts": "guess"}, "counts"),
        ({"positions": "perhaps"}, "yes or no"),
        ({"extinction_law": "F19", "r_v": "-1"}, "r_v|R_V"),
    ],
)
def test_mistakes_are_named(row, words):
    with pytest.raises(SettingsError, match=words):
        parse_options(row)


def test_files_are_found_beside_the_table_of_options(tmp_path):
    (tmp_path / "field.csv").write_text("G,BP\n1,2\n")
    assert parse_options({"control": "field.csv"}, folders=[tmp_path]).control == tmp_path / "field.csv"
    with pytest.raises(InputError, match="no such file.*correct the option control"):
        parse_options({"control": "fields.csv"}, folders=[tmp_path])


def write(path, text):
    path.write_text(text)
    return path


def test_rows_find_their_clusters_by_the_best_key(tmp_path):
    table = "# truth\nfile,cluster,kind,log_age,grid\nm67,M67,open,9.6,mist\nm67_pm,M67,open,9.6,\n"
    table += "ngc_188,NGC 188,open,9.8,\n"
    choice = read_options(write(tmp_path / "options.csv", table))
    assert choice.unused == ("kind", "log_age")
    by_file = rows_of(["m67", "m67_pm"], choice)
    assert {name: number for name, (number, _) in by_file.items()} == {"m67": 0, "m67_pm": 1}
    assert rows_of(["ngc 188"], choice)["ngc 188"][0] == 2
    options = job_options(["m67", "m67_pm", "other"], {"grid": "basti"}, choice)
    assert [options[name].grid for name in ("m67", "m67_pm", "other")] == ["mist", "basti", "basti"]
    assert list(job_options(["m67", "other"], None, choice, listed=True)) == ["m67"]


def test_tables_of_options_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="no column names the clusters"):
        read_options(write(tmp_path / "a.csv", "star,grid\na,mist\n"))
    with pytest.raises(InputError, match="more cells than the header.*") as caught:
        read_options(write(tmp_path / "b.csv", "name,grid\na,mist\nb,mist,basti\n"))
    assert caught.value.row == 1
    twice = read_options(write(tmp_path / "c.csv", "name,grid\nNGC 1,mist\nngc_1,basti\n"))
    with pytest.raises(InputError, match="two rows are about 'NGC 1'"):
        rows_of(["NGC 1"], twice)
    with pytest.raises(InputError, match="no row is about any.*did you mean NGC 12"):
        rows_of(["NGC 12"], read_options(write(tmp_path / "d.csv", "name,grid\nNGC 13,mist\n")))
    wrong = read_options(write(tmp_path / "e.csv", "name,r_v\nNGC 1,many\n"))
    with pytest.raises(InputError, match="a number was expected") as caught:
        job_options(["NGC 1"], None, wrong)
    assert caught.value.row == 0 and str(caught.value.source).endswith("e.csv")
    with pytest.raises(SettingsError, match="unknown option 'gird'.*grid"):
        job_options(["NGC 1"], {"gird": "mist"}, None)


def test_a_folder_becomes_jobs_without_control_fields_and_hidden_files(tmp_path):
    for name in ("b.csv", "a.ecsv", ".hidden.csv", "notes.pdf", "field.csv", "c.fits.gz"):
        (tmp_path / name).write_text("x")
    (tmp_path.parent / "beside").mkdir()
    choice = read_options(write(tmp_path.parent / "beside" / "options.csv", "name,control\na,field.csv\n"))
    jobs = jobs_from_folder(tmp_path, choice=choice)  # a control field may be beside the options or with the tables
    assert [job.name for job in jobs] == ["a", "b", "c"]
    assert jobs[0].options.control == tmp_path / "field.csv" and jobs[1].options.control is None
    (tmp_path / "b.fits").write_text("x")
    with pytest.raises(InputError, match=r"b\.csv and b\.fits would be the same cluster"):
        jobs_from_folder(tmp_path)

"""Without the extras: the library fits and makes records, and whatever needs an extra says which."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from clusterbayes.extras import MissingExtraError, require_extra

PROGRAM = """
import sys

EXTRAS = {"sqlalchemy", "alembic", "psycopg", "fastapi", "starlette", "uvicorn", "python_multipart", "multipart"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())

import numpy as np
from clusterbayes import example, fit_cluster
from clusterbayes.inference import SamplingOptions
from clusterbayes.records import ClusterModelingTool, ResultDocument

stars = example()
stars = stars.keep(np.arange(stars.n_star) % 7 == 0, "thinned")
fixed = {"alpha_1": 1.3, "alpha_2": 2.3, "mh": 0.1, "dist_mod": 7.4, "a_v": 0.3}
sampling = SamplingOptions(max_steps=10, burn_rounds=1, burn_steps=4, n_threads=1)
stages = []

class Display:
    def stage(self, name, index, total): stages.append(name)
    def update(self, percent, message=""): pass
    def close(self): pass

result = fit_cluster(stars, mag_limit="Gaia_G=18", model_error="none", fixed=fixed, sampling=sampling,
                     progress=Display(), cancel=lambda: False)
record = ClusterModelingTool.from_result(result, name="thin", creator_id=1)
print("record", record.status, record.iterations, ",".join(stages))
print("document", "log_age" in ResultDocument.from_result(result).to_wire()["parameters"])

for module in ("database", "submit", "worker", "http"):
    try:
        __import__(f"clusterbayes.records.{module}")
    except ImportError as error:
        print(module, error)

from clusterbayes.cli import main
sys.argv = ["clusterbayes", "worker", "--database-url", "sqlite:///never.db"]
main()
"""


def test_the_library_needs_no_extra_and_an_extra_is_named(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    lines = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert lines["record"] == "completed 1 ingest,select,load_grid,search,sample,diagnose,summarize", done.stderr
    assert lines["document"] == "True"
    said = {"database": "sqlalchemy", "submit": "sqlalchemy", "worker": "sqlalchemy", "http": "fastapi"}
    for part, missing in said.items():
        extra = "http" if part == "http" else "database"
        assert f"needs the extra '{extra}' ({missing} is not installed)" in lines[part]
        assert f"pip install 'clusterbayes[{extra}]'" in lines[part]
    assert done.returncode == 2
    assert "needs the extra 'database'" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said():
    require_extra("database", "json")
    with pytest.raises(
        MissingExtraError, match=r"'http' \(no_such_module is not installed\).*clusterbayes\[http\]"
    ) as e:
        require_extra("http", "json", "no_such_module")
    assert str(pickle.loads(pickle.dumps(e.value))) == str(e.value)

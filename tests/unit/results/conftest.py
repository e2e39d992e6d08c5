from __future__ import annotations

import pytest
from unit.results.synthetic import make_result

from clusterbayes.results import FitResult


@pytest.fixture(scope="session")
def result() -> FitResult:
    return make_result()

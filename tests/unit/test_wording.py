from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.wording import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 stars"), (1, "1 star"), (2, "2 stars"), (np.int64(1), "1 star"), (0.7, "1 star")]
)
def test_one_is_singular(count, text):
    assert counted(count, "star") == text


def test_irregular_plurals():
    assert [counted(n, "entry", "entries") for n in (1, 3)] == ["1 entry", "3 entries"]

"""Rows at a time follow from what Numba compiles for: the host, or what its variables name."""

import pytest
from llvmlite import binding
from numba import config

from grid.engine.methods.explicit import registers


@pytest.mark.parametrize(
    ("name", "features", "rows"),
    [
        ("haswell", "", 2),
        ("znver4", "", 4),
        ("skylake-avx512", "", 4),
        (None, "+avx2,+fma", 2),
        (None, "+avx2,+avx512f", 4),
        ("haswell", "+avx512f", 4),
    ],
)
def test_rows_follow_from_the_named_processor_and_its_features(monkeypatch, name, features, rows):
    monkeypatch.setattr(config, "CPU_NAME", name, raising=False)
    monkeypatch.setattr(config, "CPU_FEATURES", features, raising=False)

    assert registers.count_rows() == rows


@pytest.mark.parametrize("name", [None, "haswell"])
def test_without_features_those_of_the_host_decide(monkeypatch, name):
    """Numba adds them to a named processor too, so its name alone switches nothing off."""
    monkeypatch.setattr(config, "CPU_NAME", name, raising=False)
    monkeypatch.setattr(config, "CPU_FEATURES", None, raising=False)
    is_wide = bool(binding.get_host_cpu_features().get("avx512f", False))

    assert registers.has_wide_registers() == is_wide

"""The registry: what is installed, by name, without numerics."""

import subprocess
import sys
import types

import pytest

from grid.core.errors import ConfigurationError, NotFoundError
from grid.plugins.hooks import hookimpl
from grid.plugins.registry import Registry, load_registry


def test_the_built_in_simulations_are_there_and_a_stranger_is_not_found():
    registry = load_registry()

    assert {"heat-rod", "noop"} <= set(registry.simulations())
    assert registry.get("noop").name == "noop"
    with pytest.raises(NotFoundError):
        registry.get("no-such-thing")


def test_loading_pricing_and_describing_imports_no_numerics():
    """The server and the supervisor do all of this; a fresh interpreter shows what it loads."""
    code = """
import sys
from grid.plugins.registry import load_registry
for simulation in load_registry().simulations().values():
    simulation.params_model.model_json_schema()
    if simulation.name not in {"heat", "live"}:
        params = simulation.params_model()
        simulation.estimate(params), simulation.batch_key(params), simulation.numerics_version
print(sorted(set(sys.modules) & {"numpy", "numba", "scipy", "matplotlib"}))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert answer.stdout.strip() == "[]"


class Stub:
    """As much of a simulation as the registry looks at."""

    def __init__(self, name):
        self.name = name


@pytest.mark.parametrize("name", ["", "Heat", "heat rod", "../heat", "1d", "a" * 64, "heat\n"])
def test_names_that_do_not_fit_an_address_are_refused(name):
    with pytest.raises(ConfigurationError, match="unusable name"):
        Registry([Stub(name)])


def test_two_simulations_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match="twin"):
        Registry([Stub("twin"), Stub("twin")])


class EntryPoint:
    """An entry point of an installed distribution, as pluggy sees one."""

    group, name = "grid.plugins", "guest"

    def __init__(self, load):
        self.load = load


def install(monkeypatch, load):
    distribution = types.SimpleNamespace(entry_points=[EntryPoint(load)], metadata={"name": "guest"})
    monkeypatch.setattr("importlib.metadata.distributions", lambda: [distribution])


def test_an_installed_plugin_brings_its_simulations_after_the_built_in_ones(monkeypatch):
    class Guest:
        @hookimpl
        def grid_simulations(self):
            return [Stub("guest-simulation")]

    install(monkeypatch, Guest)

    assert list(load_registry().simulations())[-1] == "guest-simulation"


def test_a_plugin_that_cannot_be_loaded_is_one_clear_sentence(monkeypatch):
    def load():
        raise ImportError("no module named missing")

    install(monkeypatch, load)

    with pytest.raises(ConfigurationError, match="cannot be loaded: ImportError: no module named missing"):
        load_registry()


def test_a_plugin_with_an_unknown_hook_is_refused(monkeypatch):
    class Guest:
        @hookimpl
        def grid_simulation(self):  # a slip of the pen
            return []

    install(monkeypatch, Guest)

    with pytest.raises(ConfigurationError, match="grid_simulation"):
        load_registry()

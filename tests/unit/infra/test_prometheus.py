"""Rules and dashboard: every metric that they name is one that the server exposes, and promtool reads them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from tests.support.leaving_out import leave_out

from grid.api.app import create_app
from grid.api.metrics import BrokerCollector
from grid.core.settings import Settings
from grid.database.migrate import upgrade

INFRA = Path(__file__).parents[3] / "infra"
RULES, DASHBOARD = INFRA / "prometheus" / "rules.yml", INFRA / "grafana" / "grid.json"
OF_PROMETHEUS = {"up"}
# What stands in an expression and is no metric: labels are within braces or behind by and on, and removed first.
WORDS = re.compile(r"(?<![\w:\"])[a-z_][a-z0-9_:]*(?![\w(:])")
NO_METRICS = {"by", "on", "and", "or", "unless", "sum", "max", "min", "le"}


def names_in(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on)\s*\([^)]*\)", " ", expression)
    return {word for word in WORDS.findall(bare) if word not in NO_METRICS}


def expressions() -> list[str]:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> set[str]:
    settings = Settings(_env_file=None, grid_home=tmp_path_factory.mktemp("home"))
    upgrade(settings.resolved_database_url)
    app = create_app(settings)
    app.state.metrics.count("GET", "/live", 200, 0.1)
    text = app.state.metrics.exposition().decode()
    with_redis = CollectorRegistry()  # a server without it is silent about a broker
    with_redis.register(BrokerCollector(lambda: SimpleNamespace(problem="", lost=0)))
    text += generate_latest(with_redis).decode()
    app.state.container.close()
    families = set(re.findall(r"^# TYPE (\S+) (?:gauge|counter)", text, re.MULTILINE))
    return families | set(re.findall(r"^(grid_http_request_duration_seconds_\w+)", text, re.MULTILINE))


def test_every_metric_of_rules_and_dashboard_is_exposed(exposed):
    recorded = {
        rule["record"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    named = set().union(*map(names_in, expressions()))

    assert len(named) > 20
    assert sorted(named - exposed - recorded - OF_PROMETHEUS) == []


def test_names_are_found_and_nothing_else():
    expression = 'topk(3, sum by (le) (rate(grid_a_total{status=~"5.."}[5m]))) / on (instance) grid:b:c > 0.01 and up'
    assert names_in(expression) == {"grid_a_total", "grid:b:c", "up"}


def test_every_metric_of_the_ledger_and_of_live_runs_is_on_the_dashboard(exposed):
    shown = set().union(*(names_in(e) for e in expressions()))

    assert {name for name in exposed if name.startswith("grid_") and not name.endswith("_created")} <= shown | {
        "grid_http_request_duration_seconds_created"
    }


def test_alerts_say_what_happened_and_how_bad_it_is():
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["labels"]["severity"] in {"warning", "critical"}
                assert rule["annotations"].keys() == {"summary", "description"}


def test_panels_have_a_place_of_their_own():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


PROMTOOL = os.environ.get("GRID_PROMTOOL") or shutil.which("promtool")


@pytest.mark.parametrize(
    "arguments", ["check rules rules.yml", "test rules rules_test.yml", "check config prometheus.yml"]
)
def test_promtool_reads_the_rules(arguments):
    if PROMTOOL is None:
        leave_out("no promtool here: Debian's package prometheus has it, GRID_PROMTOOL names it")
    done = subprocess.run([PROMTOOL, *arguments.split()], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

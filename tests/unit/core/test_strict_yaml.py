import pytest

from grid.core.strict_yaml import InvalidYamlError, read_yaml


def test_plain_values_are_read():
    assert read_yaml("rules: [{name: hot, raise: 247 degC, x: [1, 2.5, true]}]") == {
        "rules": [{"name": "hot", "raise": "247 degC", "x": [1, 2.5, True]}]
    }
    assert read_yaml("") is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: &x 1\nb: *x\n", "anchor"),
        ("a: !!python/object/apply:os.system [ls]\n", "tag"),
        ("a: 1\na: 2\n", "twice"),
        ("a: [1, 2\n", "malformed"),
        ("[" * 30 + "]" * 30, "deeper"),
        ("x" * 300_000, "bytes"),
        ("a: 2026-99-99\n", "value"),
        ("? [1, 2]\n: 3\n", "no text"),
    ],
)
def test_everything_else_is_refused_by_its_rule(text, rule):
    with pytest.raises(InvalidYamlError, match=rule):
        read_yaml(text)

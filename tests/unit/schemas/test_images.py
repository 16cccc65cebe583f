"""Names of images: those of registries, and nothing that a command could take for an option."""

import pytest

from grid.core.errors import FieldError
from grid.schemas.images import ImagePin, parse_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "name", "digest"),
    [
        ("sim:local", "sim:local", None),
        ("solver", "solver", None),
        ("team/solver_2--x:v1.0-rc_1", "team/solver_2--x:v1.0-rc_1", None),
        (f"registry.example:5000/team/solver:1@{DIGEST}", "registry.example:5000/team/solver:1", DIGEST),
        (f"localhost:5000/solver@{DIGEST}", "localhost:5000/solver", DIGEST),
    ],
)
def test_a_name_may_have_a_registry_a_tag_and_a_digest(text, name, digest):
    assert parse_reference(text) == (name, digest)


@pytest.mark.parametrize(
    "text",
    [
        "", "-v", "--privileged", "sim local", "sim;local", "Sim:local", "../etc", "a//b", "/a", "a/", "sim:", "sim:-x",
        "sim@sha256:abc", f"sim@sha512:{'ab' * 64}", f"sim@{DIGEST}0", f"@{DIGEST}", "sim:local\n", "a" * 256,
        "s\u0456m", "registry:port/sim", "https://registry/sim", "user@registry/sim", "$(id)",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_field_and_limit(text):
    with pytest.raises(FieldError, match="image: must be a name"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("pin", "reference", "content"),
    [
        (ImagePin("registry:5000/sim:1", DIGEST, None), f"registry:5000/sim@{DIGEST}", DIGEST),
        (ImagePin("sim:local", None, DIGEST), DIGEST, DIGEST),
        (ImagePin("sim:local", None, None), "sim:local", None),
    ],
)
def test_an_image_is_found_by_digest_else_by_content(pin, reference, content):
    assert (pin.reference, pin.content) == (reference, content)

"""Names and digests of container images, as an administrator lists them and users name them."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from grid.core.errors import FieldError

Runner = Literal["program", "docker"]  # the kinds of slot in which images run

MAX_NAME = 255
_DOMAIN: Final = r"[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[0-9]{1,5})?"
_PART: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
# The grammar of the distribution specification (https://distribution.github.io/distribution/spec/api/, "Overview").
_REFERENCE = re.compile(
    rf"(?P<name>(?P<path>(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*)(?::{_TAG})?)(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)


@dataclass(frozen=True)
class ImagePin:
    """A listed image as it is to run: by the digest of its registry, or by its content where it was built here."""

    name: str
    digest: str | None  # sha256 of the manifest in a registry
    image_id: str | None  # sha256 of its configuration; None until it was pulled

    @property
    def content(self) -> str | None:
        """The digest that says what runs; None for a name alone, which no container runs."""
        return self.digest or self.image_id

    @property
    def path(self) -> str:
        """The name without its tag: registry and repository."""
        found = _REFERENCE.fullmatch(self.name)
        return found["path"] if found else self.name

    @property
    def reference(self) -> str:
        """The words by which an engine finds just that image."""
        return f"{self.path}@{self.digest}" if self.digest else self.image_id or self.name


@dataclass(frozen=True)
class ListedImage:
    """An image that jobs may name.

    Args:
        name: As jobs name it.
        runner: Where it runs; None where it may run nowhere.
        content: The digest of what runs in a container; None for a local program.
    """

    name: str
    runner: Runner | None
    content: str | None


@dataclass(frozen=True)
class FoundImage:
    """An image as an engine has it."""

    image_id: str
    digest: str | None
    size_bytes: int | None


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return the name of an image, with its tag, and the digest that was given with it.

    Raises:
        FieldError: It is no such name: options, capitals, spaces and digests of another kind are none.
    """
    found = _REFERENCE.fullmatch(text) if len(text) <= MAX_NAME + 72 else None
    if found is None or len(found["name"]) > MAX_NAME:
        limit = f"must be a name such as registry.example/solver:1 of at most {MAX_NAME} characters"
        raise FieldError("image", f"{limit}, with @sha256: and 64 hexadecimal digits behind it where it has a digest")
    return found["name"], found["digest"]

"""The secrets of one instance: where they lie and how strong they must be; `core.logging` keeps them out of text.

Nothing here has a default value. What is not set by the operator is generated at the first start into
`$GRID_HOME/secrets/`, readable by its owner alone.
"""

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from grid.core.errors import ConfigurationError
from grid.core.tokens import MIN_KEY_BYTES

MIN_DISTINCT_BYTES: Final = 10  # of a key: 32 random bytes have fewer once in more than 1e12 keys
SERVER_KEY: Final = "server.key"

# Secrets that documentation and templates are full of. Compared in lower case, as parts of the given one.
_SAMPLES: Final = (
    "changethis",
    "changeme",
    "change-me",
    "change_me",
    "your-secret",
    "your_secret",
    "yoursecret",
    "secret-key",
    "secret_key",
    "secretkey",
    "supersecret",
    "super-secret",
    "super_secret",
    "insecure",
    "django-insecure",
    "placeholder",
    "example",
    "password",
    "default",
    "development",
    "testsecret",
    "0123456789abcdef0123456789abcdef",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial on JWT
)


def require_strong(secret: bytes, *, name: str) -> None:
    """Refuse a secret that is empty, short, repetitive or copied from documentation.

    Raises:
        ConfigurationError: It names the setting and what to do, never the secret.
    """
    advice = f"Leave {name} unset to have one generated, or use the output of: openssl rand -base64 48"
    if not secret.strip():
        raise ConfigurationError(f"{name} is empty. {advice}")
    if len(secret) < MIN_KEY_BYTES:
        raise ConfigurationError(f"{name} is shorter than {MIN_KEY_BYTES} bytes. {advice}")
    lowered = secret.decode("utf-8", "replace").casefold()
    if any(sample in lowered for sample in _SAMPLES):
        raise ConfigurationError(f"{name} is a known sample. {advice}")
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        raise ConfigurationError(f"{name} repeats a few characters. {advice}")


def load_signing_keys(home: Path, configured: SecretStr | None) -> tuple[bytes, ...]:
    """Return the keys that sign tokens: the one that is set, else those in the data folder, made at the first start.

    `$GRID_HOME/secrets/signing.key` has one key a line. The first signs, the others still verify: to rotate, put a new
    line on top, and remove the old one a quarter of an hour later.
    """
    if configured is not None:
        key = configured.get_secret_value().encode("utf-8")
        require_strong(key, name="GRID_SECRET_KEY")
        return (key,)
    path = secrets_folder(home) / "signing.key"
    if not path.exists():
        with suppress(FileExistsError):  # another process of this instance was first: its key is the one
            write_private(path, secrets.token_urlsafe(48) + "\n", replace=False)
    keys = tuple(line.strip().encode("utf-8") for line in read_private(path).splitlines() if line.strip())
    if not keys:
        raise ConfigurationError(f"{path} is empty. Remove it to have a new one generated (everyone logs in again).")
    for key in keys:
        require_strong(key, name=str(path))
    return keys


def load_server_key(home: Path) -> bytes:
    """Return the key by which the server of this data folder shows that it is the one; made at its first start."""
    path = secrets_folder(home) / SERVER_KEY
    if not path.exists():
        with suppress(FileExistsError):
            write_private(path, secrets.token_urlsafe(48) + "\n", replace=False)
    key = read_private(path).strip().encode("utf-8")
    require_strong(key, name=str(path))
    return key


def find_server_key(home: Path) -> bytes | None:
    """Return the key of the server of this data folder; None where none has started yet."""
    try:
        return read_private(home / "secrets" / SERVER_KEY).strip().encode("utf-8") or None
    except FileNotFoundError:
        return None


def secrets_folder(home: Path) -> Path:
    """Return `$GRID_HOME/secrets`, made with mode 0700 where it or the data folder is missing."""
    folder = home / "secrets"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file that only its owner may read, whole or not at all, and make it last.

    Raises:
        FileExistsError: It exists and `replace` is false.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> str:
    """Read a file, if nobody but its owner can.

    Raises:
        ConfigurationError: Others may read or write it, or it is not a plain file of ours.
        FileNotFoundError: There is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in {os.geteuid(), 0}:
            raise ConfigurationError(f"{path} is not a file of this user.")
        if status.st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others. Run: chmod 600 {path}")
        return file.read()

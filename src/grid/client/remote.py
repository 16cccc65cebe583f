"""Servers on other machines: the address of one, the authority of its certificate, and where a login keeps both.

Passwords and tokens go by https only, or to this machine: there is no other way to know who listens elsewhere.
"""

import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from grid.client.errors import CertificateError, ServerUnreachableError
from grid.core.errors import ConfigurationError
from grid.core.secrets import read_private, secrets_folder, write_private
from grid.core.settings import Settings

FILE: Final = "server.json"  # in the folder of secrets
LONGEST: Final = 2048  # characters of an address


@dataclass(frozen=True)
class Server:
    """A server that commands were told to use, in place of the one of the data folder.

    Args:
        address: As `read_address` returns it.
        ca_file: Certificates (PEM) of the authorities that are trusted, and no others; None: those of the machine.
    """

    address: str
    ca_file: Path | None = None

    @property
    def session_file(self) -> str:
        """The name of the file that keeps tokens for this server alone."""
        return f"session-{hashlib.sha256(self.address.encode()).hexdigest()[:16]}.json"

    @property
    def is_secure(self) -> bool:
        """True where TLS tells who answers."""
        return self.address.startswith("https:")

    def make_context(self) -> ssl.SSLContext | None:
        """Return how certificates are checked; None where there are none, on loopback.

        Raises:
            ConfigurationError: The file of authorities cannot be read, or has no certificate.
        """
        return make_context(self.ca_file) if self.is_secure else None


def make_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return how certificates are checked: by the authorities of a file alone, else by those of the machine.

    Raises:
        ConfigurationError: The file cannot be read, or has no certificate.
    """
    if ca_file is None:
        paths = ssl.get_default_verify_paths()
        return (
            ssl.create_default_context()
            if any((paths.cafile, paths.capath))
            else httpx.create_ssl_context(trust_env=False)
        )
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise ConfigurationError(f"{ca_file} has no certificate in PEM form.") from error
    except OSError as error:
        raise ConfigurationError(f"{ca_file} cannot be read ({error.strerror}).") from error


def read_address(text: str, *, name: str) -> str:
    """Return the address of a server as it is compared and shown: scheme, host and port, nothing behind them.

    Args:
        text: What somebody typed, as https://grid.example.org.
        name: The setting or option that it is, for the message.

    Raises:
        ConfigurationError: It is none, or plain http to another machine.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if len(text) > LONGEST or parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ConfigurationError(f"{name} is no address of a server, as https://grid.example.org is.")
    if "@" in parts.netloc or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigurationError(f"{name} may have a host and a port alone: no user, path, query or fragment.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"{name} is plain http to another machine, where everybody on the way reads passwords and results. "
            "Put a proxy with TLS in front of the server and use https, or a tunnel: "
            f"ssh -N -L 8001:127.0.0.1:{port or 80} {host}, then {name} http://127.0.0.1:8001."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def find_server(settings: Settings) -> Server | None:
    """Return the server that commands are told to use: GRID_URL's, else the one that somebody logged in to.

    GRID_HOST and GRID_PORT, which say where the data folder's server listens, change nothing in that.

    Raises:
        ConfigurationError: GRID_URL is no address, or plain http to another machine.
    """
    if settings.grid_url is not None:
        return Server(read_address(settings.grid_url, name="GRID_URL"), settings.grid_ca_file)
    kept = _read_kept(settings.grid_home)
    return Server(kept.address, settings.grid_ca_file or kept.ca_file) if kept is not None else None


def keep_server(home: Path, server: Server) -> None:
    """Let later commands of this data folder use a server, until `forget_server`."""
    document = {"address": server.address, "ca_file": str(server.ca_file) if server.ca_file else None}
    write_private(secrets_folder(home) / FILE, json.dumps(document) + "\n")


def forget_server(home: Path) -> None:
    """Let later commands use the server of the data folder again."""
    (home / "secrets" / FILE).unlink(missing_ok=True)


def find_kept_address(home: Path) -> str | None:
    """Return the address that `keep_server` has left, and None where there is none."""
    kept = _read_kept(home)
    return kept.address if kept is not None else None


def _read_kept(home: Path) -> Server | None:
    path = home / "secrets" / FILE
    with suppress(FileNotFoundError):
        try:
            document = json.loads(read_private(path))
            ca_file = document["ca_file"]
            return Server(read_address(str(document["address"]), name=str(path)), Path(ca_file) if ca_file else None)
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(f"{path} is damaged; remove it, and run: grid auth login --server URL") from None
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def unreachable(address: str, error: BaseException) -> ServerUnreachableError | CertificateError:
    """Return the error of a request that got no answer; a certificate that is not trusted has one of its own."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateError(address, cause.verify_message or "it cannot be verified")
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "error").replace("_", " ").lower()
            return ServerUnreachableError(address, f"TLS: {reason}")
    names: dict[type[BaseException], str] = {
        httpx.ConnectError: "connection refused",
        httpx.ConnectTimeout: "no answer in time",
    }
    return ServerUnreachableError(address, names.get(type(error), type(error).__name__))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came from, the outermost first."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__

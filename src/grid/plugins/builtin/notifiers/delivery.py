"""Notices to a webhook: signed, to one address that was resolved and checked, without redirects, within limits.

The name is resolved once, and the connection goes to the address that was checked, so that a name whose address changes
in between reaches nothing else. Where one address of a name is not public, none is used.

    Grid-Delivery: 0198...          the same for a delivery that is tried again
    Grid-Timestamp: 1767225600      seconds since 1970; refuse what is older than minutes
    Grid-Signature: v1=<hex>        HMAC-SHA256 of "timestamp.delivery.body" with GRID_WEBHOOK_SECRET
"""

import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from grid.core.errors import ConfigurationError, UnavailableError
from grid.schemas.alerts import Notice

TIMEOUT_S: Final = 5.0  # of a whole delivery
MOST_REPLY: Final = 64 * 1024  # bytes that are read of an answer
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Ranges by which an IPv6 address carries an IPv4 one: what is inside counts.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class WebhookError(UnavailableError):
    """A webhook did not take a notice; the address is never part of the message."""

    code, title = "webhook", "The webhook did not take the notice"


@dataclass(frozen=True)
class Target:
    """Where notices go.

    Args:
        host: Name or address.
        port: Of TCP.
        path: With the query.
        is_secure: True for https.
        allows_loopback: True where addresses of this machine are meant.
    """

    host: str
    port: int
    path: str
    is_secure: bool
    allows_loopback: bool


def read_target(url: str, allows_loopback: bool) -> Target:
    """Read an address.

    Raises:
        ConfigurationError: It is none of https, or names a user.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("GRID_WEBHOOK_URL is no address.") from None
    is_secure = parts.scheme == "https"
    if not is_secure and not (parts.scheme == "http" and allows_loopback):
        raise ConfigurationError("GRID_WEBHOOK_URL must begin with https.")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError("GRID_WEBHOOK_URL must name a host, and no user, password or fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(character <= " " for character in path):
        raise ConfigurationError("GRID_WEBHOOK_URL must have a path of visible ASCII characters.")
    return Target(parts.hostname, port or (443 if is_secure else 80), path, is_secure, allows_loopback)


@dataclass(frozen=True)
class Webhook:
    """One address and its secret."""

    target: Target
    secret: bytes

    def deliver(self, notice: Notice) -> None:
        """Send a notice and read the answer.

        Raises:
            WebhookError: The address is not allowed, does not answer in time, or does not answer 2xx.
        """
        deadline = time.monotonic() + TIMEOUT_S
        body = json.dumps(
            {"id": str(notice.id), "group": notice.group, "version": notice.version, "at": notice.at,
             **notice.payload},
            separators=(",", ":"), allow_nan=False,
        ).encode()  # fmt: skip
        address = self._resolve()
        stamp = str(int(time.time()))
        headers = {
            "Host": self.target.host if self.target.port in (80, 443) else f"{self.target.host}:{self.target.port}",
            "Content-Type": "application/json",
            "User-Agent": "grid",
            "Grid-Delivery": str(notice.id),
            "Grid-Timestamp": stamp,
            "Grid-Signature": f"v1={sign(self.secret, stamp, str(notice.id), body)}",
            "Connection": "close",
        }
        try:
            self._send(address, headers, body, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise WebhookError(f"It could not be reached ({type(error).__name__}).") from None

    def _resolve(self) -> str:
        """Return the one address to which the connection goes."""
        try:
            found = socket.getaddrinfo(self.target.host, self.target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise WebhookError("Its name has no address.") from None
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not is_allowed(address, allows_loopback=self.target.allows_loopback):
                raise WebhookError("Its name leads to an address that is not public.")
        return addresses[0]

    def _send(self, address: str, headers: dict[str, str], body: bytes, deadline: float) -> None:
        with socket.create_connection((address, self.target.port), timeout=_left(deadline)) as plain:
            plain.settimeout(_left(deadline))
            context = ssl.create_default_context() if self.target.is_secure else None
            raw = plain if context is None else context.wrap_socket(plain, server_hostname=self.target.host)
            with raw:
                connection = http.client.HTTPConnection(self.target.host, self.target.port)
                connection.sock = raw
                connection.request("POST", self.target.path, body=body, headers=headers)
                raw.settimeout(_left(deadline))
                with connection.getresponse() as answer:
                    size = 0
                    while chunk := answer.read1(8192):
                        size += len(chunk)
                        if size > MOST_REPLY:
                            raise WebhookError(f"It answered more than {MOST_REPLY} bytes.")
                        raw.settimeout(_left(deadline))
        if not 200 <= answer.status < 300:
            raise WebhookError(f"It answered {answer.status}.")


def is_allowed(text: str, *, allows_loopback: bool) -> bool:
    """Tell whether an address may be connected to: public, or this machine's own where that is meant.

    An IPv4 address inside an IPv6 one is looked at as what it is.
    """
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = _find_inner(address)
    if inner is not None:
        return is_allowed(str(inner), allows_loopback=allows_loopback)
    if address.is_loopback:
        return allows_loopback
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _find_inner(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def sign(secret: bytes, stamp: str, delivery: str, body: bytes) -> str:
    """Return the signature of a delivery, hexadecimal."""
    return hmac.new(secret, f"{stamp}.{delivery}.".encode() + body, hashlib.sha256).hexdigest()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left

"""The proof that a server has the key of a data folder: commands ask for it before they send a password.

Any program may listen where the server is expected. The proof is a keyed hash of a number that the command has just
made up, and of the address at which the server itself was reached, so that one who passes the question on to the real
server elsewhere gets a proof that holds for elsewhere.
"""

import hashlib
import hmac
import ipaddress
import secrets
from typing import Final

NONCE_PATTERN: Final = "^[0-9a-f]{64}$"
_PURPOSE: Final = b"grid server proof 1"


def make_nonce() -> str:
    """Return 256 random bits that are used once."""
    return secrets.token_hex(32)


def make_proof(key: bytes, nonce: str, host: str, port: int) -> str:
    """Return what only the holder of `key` can say of this nonce, at this address of its own."""
    message = b"\0".join((_PURPOSE, nonce.encode(), _plain(host).encode(), str(port).encode()))
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def is_proof(proof: str, key: bytes, nonce: str, host: str, port: int) -> bool:
    """Tell whether a proof is right."""
    return proof.isascii() and hmac.compare_digest(proof, make_proof(key, nonce, host, port))


def _plain(host: str) -> str:
    """Write an address in one way: an IPv4 address that a socket for both families calls `::ffff:...` as itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

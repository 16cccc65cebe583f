"""Tokens: signed access tokens (JWT, HS256 and nothing else) and opaque refresh tokens.

An access token says who (`sub`), in which session (`sid`) and until when; what the user may do is looked up, never read
from the token. Its header names a key (`kid`) of the local set; every other header field makes it invalid, so `jku`,
`jwk`, `x5u`, `crit` and the like are never followed (RFC 8725; OWASP ASVS 5.0, 9.1 and 9.2).
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from grid.core.errors import AuthenticationError, ConfigurationError

ALGORITHM: Final = "HS256"
HEADER_TYPE: Final = "at+jwt"  # RFC 9068: not to be confused with any other kind of token
ACCESS: Final = "access"
ISSUER: Final = "grid"
AUDIENCE: Final = "grid-api"
LIFETIME: Final = timedelta(minutes=15)  # a stolen token is of use no longer
LEEWAY: Final = timedelta(seconds=30)  # by which clocks of two machines may differ
MIN_KEY_BYTES: Final = 32  # as long as the hash (RFC 7518, section 3.2)
MOST_VERIFIED: Final = 1_000  # tokens, whose check is not repeated while they are good
MAX_TOKEN_LENGTH: Final = 2048  # ours have about 430
REFRESH_PREFIX: Final = "grid_rt_"  # so that scanners for leaked secrets know one when they see it
TICKET_PREFIX: Final = "grid_st_"
LOGIN_PREFIX: Final = "grid_lc_"
DOWNLOAD_PREFIX: Final = "grid_dl_"

_SEGMENTS: Final = re.compile(r"[A-Za-z0-9_-]{1,1500}\.[A-Za-z0-9_-]{1,1500}\.[A-Za-z0-9_-]{43}", re.ASCII)
_OPAQUE: Final = re.compile(r"(grid_[a-z]{2}_)[A-Za-z0-9_-]{43}", re.ASCII)
_CSRF: Final = b"grid csrf token 1\0"
_HEADER_KEYS: Final = frozenset({"alg", "typ", "kid"})
_CLAIMS: Final = frozenset({"typ", "iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"})


@dataclass(frozen=True)
class Claims:
    """Contents of a valid access token."""

    user_id: UUID
    session_id: UUID
    token_id: UUID
    expires_at: datetime


@dataclass(frozen=True)
class AccessToken:
    """A signed token and when it ends; the text stays out of `repr`."""

    text: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Show the end, never the token."""
        return f"AccessToken(expires_at={self.expires_at.isoformat()})"


def key_id(key: bytes) -> str:
    """Name a key without giving it away: the start of a keyed hash of a fixed word."""
    return hmac.new(key, b"grid key id", hashlib.sha256).hexdigest()[:16]


class TokenSigner:
    """Issues and verifies access tokens with the keys of this instance.

    Args:
        keys: Secrets of at least 32 bytes. The first signs; the others still verify, for a rotation without logouts.
        lifetime: How long an issued token is good for, at most 15 minutes.
    """

    def __init__(self, keys: tuple[bytes, ...], *, lifetime: timedelta = LIFETIME) -> None:
        if not keys or any(len(key) < MIN_KEY_BYTES for key in keys):
            raise ConfigurationError(f"Signing keys need at least {MIN_KEY_BYTES} bytes each.")
        if not timedelta(0) < lifetime <= LIFETIME:
            raise ConfigurationError("An access token lives 15 minutes at most.")
        self._keys: Mapping[str, bytes] = {key_id(key): key for key in keys}
        self._current = key_id(keys[0])
        # By their digest, so that no token is kept: a client shows the same one with every request, and checking it
        # anew takes ten times as long. Nothing but time makes a good token bad; that is asked every time.
        self._verified: dict[bytes, Claims] = {}
        self.lifetime = lifetime

    def issue(self, *, user_id: UUID, session_id: UUID, now: datetime | None = None) -> AccessToken:
        """Sign a token for one session of a user."""
        issued = int((now or datetime.now(UTC)).timestamp())
        expires = issued + int(self.lifetime.total_seconds())
        claims = {
            "typ": ACCESS,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": str(uuid4()),
            "iat": issued,
            "nbf": issued,
            "exp": expires,
        }
        headers = {"typ": HEADER_TYPE, "kid": self._current}
        text = jwt.encode(claims, self._keys[self._current], algorithm=ALGORITHM, headers=headers)
        return AccessToken(text, datetime.fromtimestamp(expires, UTC))

    def verify(self, token: str) -> Claims:
        """Return what a token says, if every part of it is as this instance writes it.

        Raises:
            AuthenticationError: Anything else, without saying what.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._check(token)
            if len(self._verified) >= MOST_VERIFIED:
                self._verified.clear()
            self._verified[digest] = claims
        elif datetime.now(UTC) >= claims.expires_at + LEEWAY:
            raise AuthenticationError("The access token is not valid.")
        return claims

    def make_csrf_token(self, session_id: UUID) -> str:
        """Return what a page shows beside the cookie of a session: an HMAC, hexadecimal, that others cannot make."""
        return self._seal(self._keys[self._current], session_id)

    def is_csrf_token(self, token: str, session_id: UUID) -> bool:
        """Tell whether a text is the token of this session, by any key of the instance."""
        seals = (self._seal(key, session_id) for key in self._keys.values())
        return token.isascii() and any(hmac.compare_digest(token, seal) for seal in seals)

    @staticmethod
    def _seal(key: bytes, session_id: UUID) -> str:
        return hmac.new(key, _CSRF + session_id.bytes, hashlib.sha256).hexdigest()

    def _check(self, token: str) -> Claims:
        try:
            header, claims = _read_strictly(token)
            key = self._keys[header["kid"]]
            jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": sorted(_CLAIMS), "strict_aud": True},
            )
            return self._claims(claims)
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise AuthenticationError("The access token is not valid.") from error

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        if claims["typ"] != ACCESS or claims["exp"] - claims["iat"] > self.lifetime.total_seconds():
            raise ValueError("not an access token of this instance")
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return Claims(_uuid(claims["sub"]), _uuid(claims["sid"]), _uuid(claims["jti"]), expires_at)


def _read_strictly(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Decode header and claims, refusing what a lenient parser would let two readers understand differently."""
    if len(token) > MAX_TOKEN_LENGTH or _SEGMENTS.fullmatch(token) is None:
        raise ValueError("not three base64url segments")
    header, claims, _ = (_decode_segment(segment) for segment in token.split("."))
    header_fields, fields = _parse(header), _parse(claims)
    if header_fields.keys() != _HEADER_KEYS or fields.keys() != _CLAIMS:
        raise ValueError("fields missing or added")
    if (header_fields["alg"], header_fields["typ"]) != (ALGORITHM, HEADER_TYPE):
        raise ValueError("another algorithm or another kind of token")
    if not all(type(fields[name]) is int for name in ("exp", "nbf", "iat")):
        raise ValueError("times are whole seconds")
    return header_fields, fields


def _decode_segment(segment: str) -> bytes:
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != segment:
        raise binascii.Error("not the canonical encoding")  # a second spelling of the same bytes
    return data


def _parse(data: bytes) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a field appears twice")
        return fields

    fields = json.loads(data.decode("utf-8"), object_pairs_hook=without_duplicates)
    if not isinstance(fields, dict):
        raise TypeError("not an object")
    return fields


def _uuid(text: object) -> UUID:
    if not isinstance(text, str) or str(value := UUID(text)) != text:
        raise ValueError("not a canonical UUID")
    return value


def make_refresh_token() -> str:
    """Make an opaque token with 256 random bits."""
    return _make(REFRESH_PREFIX)


def digest_refresh_token(token: str) -> str | None:
    """Return the SHA-256 that stands for a refresh token, hexadecimal; None if it cannot be one of ours."""
    return _digest(token, REFRESH_PREFIX)


def make_stream_ticket() -> str:
    """Make an opaque ticket with 256 random bits."""
    return _make(TICKET_PREFIX)


def digest_stream_ticket(ticket: str) -> str | None:
    """Return the SHA-256 that stands for a ticket, hexadecimal; None if it cannot be one of ours."""
    return _digest(ticket, TICKET_PREFIX)


def make_login_code() -> str:
    """Make the code of a login link, with 256 random bits."""
    return _make(LOGIN_PREFIX)


def digest_login_code(code: str) -> str | None:
    """Return the SHA-256 that stands for the code of a login link, hexadecimal; None if it cannot be one of ours."""
    return _digest(code, LOGIN_PREFIX)


def make_download_token() -> str:
    """Make the token of a download, with 256 random bits."""
    return _make(DOWNLOAD_PREFIX)


def digest_download_token(token: str) -> str | None:
    """Return the SHA-256 that stands for the token of a download, hexadecimal; None if it cannot be one of ours."""
    return _digest(token, DOWNLOAD_PREFIX)


def _make(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)


def _digest(token: str, prefix: str) -> str | None:
    match = _OPAQUE.fullmatch(token)
    return hashlib.sha256(token.encode("ascii")).hexdigest() if match and match[1] == prefix else None

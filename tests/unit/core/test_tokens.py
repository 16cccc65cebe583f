"""Access tokens: only what this instance wrote, exactly as it writes it, is believed."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import AuthenticationError, ConfigurationError
from grid.core.tokens import (
    AUDIENCE,
    ISSUER,
    LEEWAY,
    TokenSigner,
    digest_refresh_token,
    key_id,
    make_refresh_token,
)

KEY, OTHER_KEY = secrets.token_bytes(32), secrets.token_bytes(32)
USER, SESSION = uuid4(), uuid4()


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def header(**changes):
    return {"alg": "HS256", "typ": "at+jwt", "kid": key_id(KEY)} | changes


def claims(**changes):
    now = int(datetime.now(UTC).timestamp())
    return {
        "typ": "access",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(USER),
        "sid": str(SESSION),
        "jti": str(uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 900,
    } | changes


def sign(header_text: bytes | dict, claims_text: bytes | dict, key: bytes = KEY, digest="sha256") -> str:
    """Sign whatever is given, as an attacker who held the key would."""
    first = header_text if isinstance(header_text, bytes) else json.dumps(header_text).encode()
    second = claims_text if isinstance(claims_text, bytes) else json.dumps(claims_text).encode()
    message = f"{encode(first)}.{encode(second)}"
    return f"{message}.{encode(hmac.new(key, message.encode(), digest).digest())}"


def without(fields: dict, name: str) -> dict:
    return {key: value for key, value in fields.items() if key != name}


def twice(fields: dict, name: str, value: object) -> bytes:
    text = json.dumps(fields)
    return (text[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}").encode()


def unsigned(algorithm: str) -> str:
    return f"{encode(json.dumps(header(alg=algorithm)).encode())}.{encode(json.dumps(claims()).encode())}."


def tampered(part: int) -> str:
    segments = TokenSigner((KEY,)).issue(user_id=USER, session_id=SESSION).text.split(".")
    segments[part] = ("A" if segments[part][5] != "A" else "B").join((segments[part][:5], segments[part][6:]))
    return ".".join(segments)


def second_spelling() -> str:
    """The same 32 bytes of signature, with the unused bits of the last character set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = TokenSigner((KEY,)).issue(user_id=USER, session_id=SESSION).text
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


JWK = {"kty": "oct", "k": encode(OTHER_KEY), "kid": key_id(KEY), "alg": "HS256"}
PEM = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(secrets.token_bytes(270)) + b"\n-----END PUBLIC KEY-----\n"
NOW = int(datetime.now(UTC).timestamp())

FORGERIES = {
    "empty": "",
    "a word": "token",
    "two segments": f"{encode(b'{}')}.{encode(b'{}')}",
    "four segments": sign(header(), claims()) + ".e30",
    "none": unsigned("none"),
    "None, with capitals": unsigned("NoNe"),
    "none, with a signature": sign(header(alg="none"), claims()),
    "HS256 without a signature": unsigned("HS256"),
    "HS384": sign(header(alg="HS384"), claims(), digest="sha384"),
    "HS512": sign(header(alg="HS512"), claims(), digest="sha512"),
    "RS256 with the key as HMAC": sign(header(alg="RS256"), claims()),
    "ES256 with the key as HMAC": sign(header(alg="ES256"), claims()),
    "a public key as HMAC key": sign(header(), claims(), key=PEM),
    "a JWK as HMAC key": sign(header(), claims(), key=json.dumps(JWK).encode()),
    "the empty key": sign(header(), claims(), key=b""),
    "the key id as key": sign(header(), claims(), key=key_id(KEY).encode()),
    "another instance's key": sign(header(kid=key_id(OTHER_KEY)), claims(), key=OTHER_KEY),
    "another instance's key under our name": sign(header(), claims(), key=OTHER_KEY),
    "embedded jwk": sign(header(jwk=JWK), claims(), key=OTHER_KEY),
    "embedded jwk, our signature": sign(header(jwk=JWK), claims()),
    "jku": sign(header(jku="https://example.org/jwks.json"), claims()),
    "x5u": sign(header(x5u="https://example.org/cert.pem"), claims()),
    "x5c": sign(header(x5c=["MIIB"]), claims()),
    "crit": sign(header(crit=["exp"]), claims()),
    "crit of a made-up field": sign(header(crit=["grid"], grid=1), claims()),
    "b64 false": sign(header(b64=False, crit=["b64"]), claims()),
    "zip": sign(header(zip="DEF"), claims()),
    "kid missing": sign(without(header(), "kid"), claims()),
    "kid unknown": sign(header(kid="0" * 16), claims()),
    "kid as a path": sign(header(kid="../../../dev/null"), claims(), key=b""),
    "kid as SQL": sign(header(kid="' UNION SELECT 'key"), claims(), key=b"key"),
    "kid as a list": sign(header(kid=[key_id(KEY)]), claims()),
    "kid null": sign(header(kid=None), claims()),
    "header typ JWT": sign(header(typ="JWT"), claims()),
    "header typ refresh": sign(header(typ="rt+jwt"), claims()),
    "alg twice": sign(twice(header(alg="none"), "alg", "HS256"), claims()),
    "kid twice": sign(twice(header(), "kid", key_id(KEY)), claims()),
    "header is a list": sign(b"[]", claims()),
    "claims are a list": sign(header(), b"[]"),
    "claims are not JSON": sign(header(), b"\xff\xfe"),
    "typ refresh": sign(header(), claims(typ="refresh")),
    "typ missing": sign(header(), without(claims(), "typ")),
    "wrong issuer": sign(header(), claims(iss="other")),
    "issuer list": sign(header(), claims(iss=[ISSUER])),
    "wrong audience": sign(header(), claims(aud="other-api")),
    "audience list": sign(header(), claims(aud=[AUDIENCE, "other-api"])),
    "expired": sign(header(), claims(iat=NOW - 2000, nbf=NOW - 2000, exp=NOW - 1100)),
    "expired beyond the leeway": sign(header(), claims(iat=NOW - 900, nbf=NOW - 900, exp=NOW - 31)),
    "not yet valid": sign(header(), claims(nbf=NOW + 7200)),
    "issued in the future": sign(header(), claims(iat=NOW + 7200, nbf=NOW, exp=NOW + 8100)),
    "lives a year": sign(header(), claims(exp=NOW + 365 * 86_400)),
    "exp missing": sign(header(), without(claims(), "exp")),
    "nbf missing": sign(header(), without(claims(), "nbf")),
    "iat missing": sign(header(), without(claims(), "iat")),
    "jti missing": sign(header(), without(claims(), "jti")),
    "sub missing": sign(header(), without(claims(), "sub")),
    "sid missing": sign(header(), without(claims(), "sid")),
    "exp as text": sign(header(), claims(exp=str(NOW + 900))),
    "exp as an infinity": sign(header(), json.dumps(claims()).replace(str(NOW), "1e999").encode()),
    "exp true": sign(header(), claims(exp=True)),
    "exp a fraction": sign(header(), claims(exp=NOW + 900.5)),
    "exp of ten thousand digits": sign(
        header(), json.dumps(claims()).encode().replace(b'"exp": 1', b'"exp": ' + b"1" * 999)
    ),
    "sub is no id": sign(header(), claims(sub="admin")),
    "sub a number": sign(header(), claims(sub=1)),
    "sub in another spelling": sign(header(), claims(sub=str(USER).upper())),
    "sub without dashes": sign(header(), claims(sub=USER.hex)),
    "sid null": sign(header(), claims(sid=None)),
    "sub twice": sign(header(), twice(claims(), "sub", str(uuid4()))),
    "exp twice": sign(header(), twice(claims(exp=NOW - 900), "exp", NOW + 900)),
    "a role of one's own": sign(header(), claims(role="admin")),
    "header changed": tampered(0),
    "claims changed": tampered(1),
    "signature changed": tampered(2),
    "signature in a second spelling": second_spelling(),
    "truncated": sign(header(), claims())[:-1],
    "truncated by half": sign(header(), claims())[:200],
    "padded": sign(header(), claims()) + "=",
    "a newline at the end": sign(header(), claims()) + "\n",
    "a space in front": " " + sign(header(), claims()),
    "standard base64": sign(header(), claims()).replace("-", "+").replace("_", "/") + "+",
    "a refresh token": make_refresh_token(),
    "very long": sign(header(), claims(jti="9" * 5000)),
    "deep JSON": sign(header(), b"[" * 900 + b"]" * 900),
    "other letters": "é" * 43 + "." + "é" * 43 + "." + "é" * 43,
    "JSON serialisation": json.dumps({"protected": "e30", "payload": "e30", "signature": "e30"}),
}


@pytest.fixture(scope="module")
def signer():
    return TokenSigner((KEY,))


def test_there_are_at_least_forty_forgeries():
    assert len(set(FORGERIES.values())) == len(FORGERIES) >= 40


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused_with_the_same_words(signer, forgery):
    with pytest.raises(AuthenticationError) as refused:
        signer.verify(forgery)

    assert str(refused.value) == "The access token is not valid."


def test_the_forger_of_these_tests_can_write_a_valid_token(signer):
    """Else the forgeries would prove nothing: each differs from this one in what its name says."""
    assert signer.verify(sign(header(), claims())).user_id == USER


def test_an_issued_token_says_whose_it_is(signer):
    token = signer.issue(user_id=USER, session_id=SESSION)
    said = signer.verify(token.text)

    assert (said.user_id, said.session_id) == (USER, SESSION)
    assert said.expires_at == token.expires_at
    assert timedelta(minutes=14) < token.expires_at - datetime.now(UTC) <= timedelta(minutes=15)


def test_a_token_carries_every_claim_and_nothing_else(signer):
    text = signer.issue(user_id=USER, session_id=SESSION).text
    names = jwt.decode(text, options={"verify_signature": False}).keys()

    assert set(names) == {"typ", "iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"}
    assert jwt.get_unverified_header(text) == {"alg": "HS256", "typ": "at+jwt", "kid": key_id(KEY)}


def test_no_two_tokens_have_the_same_id(signer):
    assert len({signer.verify(signer.issue(user_id=USER, session_id=SESSION).text).token_id for _ in range(50)}) == 50


@pytest.mark.parametrize("off_by_s", [-29, 29])
def test_clocks_may_differ_by_half_a_minute(signer, off_by_s):
    issued = datetime.now(UTC) - timedelta(minutes=15 if off_by_s < 0 else 0) + timedelta(seconds=off_by_s)

    assert signer.verify(signer.issue(user_id=USER, session_id=SESSION, now=issued).text).user_id == USER


def test_a_token_outlives_a_rotation_of_keys_until_the_old_key_is_dropped():
    text = TokenSigner((KEY,)).issue(user_id=USER, session_id=SESSION).text

    assert TokenSigner((OTHER_KEY, KEY)).verify(text).user_id == USER
    with pytest.raises(AuthenticationError):
        TokenSigner((OTHER_KEY,)).verify(text)


def test_new_tokens_are_signed_with_the_first_key():
    text = TokenSigner((OTHER_KEY, KEY)).issue(user_id=USER, session_id=SESSION).text

    assert TokenSigner((OTHER_KEY,)).verify(text).user_id == USER


@pytest.mark.parametrize("keys", [(), (b"",), (b"short",), (KEY, b"x" * 31)])
def test_weak_or_missing_keys_are_refused(keys):
    with pytest.raises(ConfigurationError):
        TokenSigner(keys)


@pytest.mark.parametrize("minutes", [0, -1, 16])
def test_no_token_lives_longer_than_a_quarter_of_an_hour(minutes):
    with pytest.raises(ConfigurationError):
        TokenSigner((KEY,), lifetime=timedelta(minutes=minutes))


@given(st.text(max_size=400) | st.from_regex(r"\A[\w-]{1,60}\.[\w-]{1,60}\.[\w-]{43}\Z"))
def test_whatever_is_sent_is_refused_as_unauthenticated(text):
    with pytest.raises(AuthenticationError):
        TokenSigner((KEY,)).verify(text)


def test_tokens_do_not_print_themselves(signer):
    token = signer.issue(user_id=USER, session_id=SESSION)

    assert token.text not in repr(token)


def test_the_key_id_gives_nothing_of_the_key_away():
    assert key_id(KEY) not in KEY.hex()
    assert key_id(KEY) != hashlib.sha256(KEY).hexdigest()[:16]


def test_a_refresh_token_has_256_random_bits_and_is_known_by_its_hash():
    made = {make_refresh_token() for _ in range(100)}
    body = next(iter(made)).removeprefix("grid_rt_")

    assert len(made) == 100
    assert len(decode(body)) * 8 == 256
    assert {len(digest_refresh_token(token) or "") for token in made} == {64}


@pytest.mark.parametrize("text", ["", "grid_rt_", "grid_rt_" + "x" * 42, "x" * 51, f"grid_rt_{'A' * 43}\n", "é" * 51])
def test_what_cannot_be_a_refresh_token_has_no_digest(text):
    assert digest_refresh_token(text) is None


def test_ids_come_back_as_uuids(signer):
    said = signer.verify(signer.issue(user_id=USER, session_id=SESSION).text)

    assert all(isinstance(value, UUID) for value in (said.user_id, said.session_id, said.token_id))


def test_a_token_that_was_good_a_moment_ago_still_ends_in_time(signer, monkeypatch):
    token = signer.issue(user_id=USER, session_id=SESSION)

    class Later(datetime):
        moment = token.expires_at + LEEWAY - timedelta(milliseconds=1)

        @classmethod
        def now(cls, tz=None):
            return cls.moment.astimezone(tz)

    known = signer.verify(token.text)
    monkeypatch.setattr("grid.core.tokens.datetime", Later)
    assert signer.verify(token.text) == known
    Later.moment = token.expires_at + LEEWAY
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            signer.verify(token.text)


def test_a_good_token_says_nothing_for_one_that_differs_from_it(signer):
    token = signer.issue(user_id=USER, session_id=SESSION).text
    signer.verify(token)
    for other in (token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), token + "A", token + "\ud800"):
        with pytest.raises(AuthenticationError):
            signer.verify(other)


def test_only_so_many_good_tokens_are_remembered(signer, monkeypatch):
    monkeypatch.setattr("grid.core.tokens.MOST_VERIFIED", 3)
    tokens = [signer.issue(user_id=USER, session_id=SESSION).text for _ in range(7)]
    ids = [signer.verify(token).token_id for token in tokens]

    assert [signer.verify(token).token_id for token in tokens] == ids
    assert len(signer._verified) <= 3

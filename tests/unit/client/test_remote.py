"""Servers on other machines: addresses that are taken, certificates that are checked, credentials that stay apart."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from tests.support.authorities import Authority

from grid.client import calls
from grid.client.client import GridClient, find_credential
from grid.client.credentials import LocalCredential
from grid.client.errors import CertificateError, ServerUnreachableError
from grid.client.remote import (
    Server,
    find_kept_address,
    find_server,
    forget_server,
    keep_server,
    make_context,
    read_address,
)
from grid.client.sender import Sender
from grid.core.errors import AuthenticationError, ConfigurationError
from grid.core.secrets import secrets_folder, write_private
from grid.core.settings import Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://grid.example.org", "https://grid.example.org"),
        ("https://Grid.Example.org:8443/", "https://grid.example.org:8443"),
        (" https://10.0.0.5 ", "https://10.0.0.5"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("http://[::1]:8001", "http://[::1]:8001"),
    ],
)
def test_addresses_are_read_as_they_are_compared(text, address):
    assert read_address(text, name="GRID_URL") == address


@pytest.mark.parametrize("text", ["http://grid.example.org", "http://10.0.0.5:8000", "http://0.0.0.0:8000"])
def test_plain_http_to_another_machine_is_refused_with_two_ways_on(text):
    with pytest.raises(ConfigurationError) as refused:
        read_address(text, name="GRID_URL")

    assert "GRID_URL is plain http to another machine" in str(refused.value)
    assert "use https" in str(refused.value)
    assert "ssh -N -L" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "grid.example.org", "ftp://grid.example.org", "https://", "https://:443", "https://a:0", "https://a:99999",
        "https://a:b", "https://[::1", "https://" + "a" * 3000, "https://user:word@a", "https://a/grid", "https://a?b=c",
        "https://a#b",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_by_the_name_of_the_setting_and_without_their_text(text):
    with pytest.raises(ConfigurationError, match="GRID_URL") as refused:
        read_address(text, name="GRID_URL")

    assert "word" not in str(refused.value)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GRID_URL", "GRID_HOST", "GRID_PORT", "GRID_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_setting_outranks_a_login_elsewhere_which_outranks_the_data_folder(home, monkeypatch):
    assert find_server(Settings()) is None

    keep_server(home, Server("https://kept.example"))
    assert find_server(Settings()) == Server("https://kept.example")

    monkeypatch.setenv("GRID_URL", "https://set.example")
    assert find_server(Settings()) == Server("https://set.example")

    monkeypatch.setenv("GRID_URL", "")  # as a Compose file passes on what is not set
    monkeypatch.setenv("GRID_PORT", "8123")  # where a server of this folder would listen
    assert find_server(Settings()) == Server("https://kept.example")

    forget_server(home)
    assert find_server(Settings()) is None
    assert find_kept_address(home) is None


def test_a_damaged_file_of_a_login_names_itself(home):
    write_private(secrets_folder(home) / "server.json", "{}")

    with pytest.raises(ConfigurationError, match=r"server\.json is damaged"):
        find_server(Settings())


def test_the_administrators_credential_never_goes_to_another_server(home, monkeypatch):
    write_private(secrets_folder(home) / "admin.json", json.dumps({"username": "admin", "password": "of this folder"}))
    asked = []
    monkeypatch.setenv("GRID_URL", "https://elsewhere.example")
    server = find_server(Settings())
    assert server is not None
    transport = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(401, json={}))
    credential = LocalCredential(home, server.address, server=server, transport=transport)

    with pytest.raises(AuthenticationError, match=r"Nobody is logged in at https://elsewhere\.example"):
        credential.access_token()

    assert asked == []


def test_tokens_of_each_server_are_in_a_file_of_their_own(home):
    tokens = {"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": 900}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=tokens))
    for name in ("one", "other"):
        server = Server(f"https://{name}.example")
        LocalCredential(home, server.address, server=server, transport=transport).log_in("someone", "a password")

    files = sorted((home / "secrets").glob("session*.json"))
    assert sorted(json.loads(file.read_text())["address"] for file in files) == [
        "https://one.example",
        "https://other.example",
    ]
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "ready", "parts": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def tls_address(authority, tmp_path_factory):
    """A server with TLS on loopback, whose certificate is for 127.0.0.1 and signed by `authority`."""
    context = authority.make_server_context(tmp_path_factory.mktemp("tls"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_certificate_of_a_private_authority_is_taken_by_its_file(home, monkeypatch, tmp_path, authority, tls_address):
    authority.write(tmp_path / "ca.pem")
    monkeypatch.setenv("GRID_URL", tls_address)
    monkeypatch.setenv("GRID_CA_FILE", str(tmp_path / "ca.pem"))
    credential = find_credential(Settings())

    with GridClient(credential.address, context=credential.context) as client:
        assert client.send(calls.ready())["status"] == "ready"


def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(tmp_path, tls_address):
    Authority().write(tmp_path / "other.pem")
    for ca_file in (None, tmp_path / "other.pem"):
        with (
            Sender(tls_address, context=make_context(ca_file)) as client,
            pytest.raises(CertificateError, match=r"Nothing was sent\. .*GRID_CA_FILE=/path/ca\.pem"),
        ):
            client.send(calls.ready())


def test_a_name_that_the_certificate_does_not_have_is_told(tmp_path, authority, tls_address):
    authority.write(tmp_path / "ca.pem")
    address = tls_address.replace("127.0.0.1", "localhost")

    with (
        Sender(address, context=make_context(tmp_path / "ca.pem")) as client,
        pytest.raises(CertificateError, match="Use the name that the certificate is for"),
    ):
        client.send(calls.ready())


def test_https_where_nothing_speaks_tls_is_told_and_advises_no_start(tmp_path):
    plain = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    try:
        with (
            Sender(f"https://127.0.0.1:{plain.server_port}", context=make_context(None)) as client,
            pytest.raises(ServerUnreachableError, match="TLS: ") as told,
        ):
            client.send(calls.ready())
    finally:
        plain.shutdown()
        plain.server_close()

    assert "grid up" not in str(told.value)


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigurationError, match=r"ca\.pem (cannot be read|has no certificate)"):
        make_context(path)

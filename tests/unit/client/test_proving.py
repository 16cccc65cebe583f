"""Secrets go to the server of the data folder and to nobody else: real sockets, and listeners that pretend."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from grid.client import calls
from grid.client.client import GridClient
from grid.client.credentials import LocalCredential
from grid.client.errors import ServerUnreachableError
from grid.client.proving import ServerNotProvenError
from grid.core.proofs import make_proof
from grid.core.secrets import load_server_key, secrets_folder, write_private
from grid.core.settings import Settings

PASSWORD = "a password that nobody else may see"
TOKENS = {"access_token": "access", "refresh_token": "refresh", "token_type": "bearer", "expires_in": 900}


class Listener:
    """Takes connections, notes all that comes, and answers `proof(nonce)`; then tokens, if it keeps the connection."""

    def __init__(self, proof, *, keeps=True):
        self.proof, self.keeps = proof, keeps
        self.heard, self.connections = b"", 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self.answer(connection)

    def answer(self, connection):
        while request := self.read(connection):
            head = request.partition(b"\r\n")[0]
            if b"/proof" in head:
                document = self.proof(head.partition(b"nonce=")[2].split(b" ")[0].decode(), self.port)
            else:
                document = TOKENS
            body = json.dumps(document).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            if not self.keeps:
                return

    def read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65_536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        missing = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
        while missing > 0:
            piece = connection.recv(65_536)
            data, missing = data + piece, missing - len(piece)
        self.heard += data
        return data


@contextmanager
def listening(proof, **options):
    listener = Listener(proof, **options)
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.socket.shutdown(socket.SHUT_RDWR)
        listener.socket.close()
        thread.join(timeout=5)


@pytest.fixture
def home(tmp_path):
    write_private(secrets_folder(tmp_path) / "admin.json", json.dumps({"username": "admin", "password": PASSWORD}))
    load_server_key(tmp_path)
    return tmp_path


def right(home):
    return lambda nonce, port: {"proof": make_proof(load_server_key(home), nonce, "127.0.0.1", port)}


def test_the_server_of_the_data_folder_gets_the_password_on_the_connection_that_proved_it(home):
    with listening(right(home)) as server:
        assert LocalCredential(home, server.address).access_token() == "access"
    assert PASSWORD.encode() in server.heard
    assert server.connections == 1


def relayed(home):
    """What the real server says at its own port, which is another."""
    return lambda nonce, port: {"proof": make_proof(load_server_key(home), nonce, "127.0.0.1", port + 1)}


@pytest.mark.parametrize(
    "proof",
    [
        lambda _home: lambda _nonce, _port: {},
        lambda _home: lambda _nonce, _port: {"proof": ""},
        lambda _home: lambda nonce, port: {"proof": make_proof(b"another key, of another folder...", nonce, "", port)},
        relayed,
    ],
    ids=["nothing", "empty", "another folder", "relayed"],
)
def test_a_listener_that_cannot_prove_itself_gets_nothing_secret(home, proof):
    with listening(proof(home)) as listener:
        with pytest.raises(ServerNotProvenError, match="no password was sent"):
            LocalCredential(home, listener.address).access_token()
        with pytest.raises(ServerNotProvenError):
            LocalCredential(home, listener.address).log_in("carol", PASSWORD)
    assert listener.heard.count(b"GET /api/v1/auth/proof") == 2
    assert PASSWORD.encode() not in listener.heard


def test_a_refresh_token_is_not_shown_to_a_listener_that_took_the_port_over(home):
    with listening(right(home)) as server:
        LocalCredential(home, server.address).access_token()
    with listening(lambda _nonce, _port: TOKENS) as listener:
        session = home / "secrets" / "session.json"
        cached = {**json.loads(session.read_text()), "address": listener.address, "expires_at": 0.0}
        write_private(session, json.dumps(cached))
        with pytest.raises(ServerNotProvenError):
            LocalCredential(home, listener.address).access_token()
    assert b'"refresh' not in listener.heard


def test_the_password_does_not_follow_to_another_connection(home):
    with listening(right(home), keeps=False) as listener, pytest.raises(ServerUnreachableError):
        LocalCredential(home, listener.address).access_token()
    assert PASSWORD.encode() not in listener.heard
    assert listener.connections == 1


def test_the_password_of_a_new_user_goes_the_same_way(home):
    with listening(lambda _nonce, _port: {}) as listener:
        settings = Settings(_env_file=None, grid_home=home, grid_port=listener.port)
        with GridClient.from_settings(settings) as client, pytest.raises(ServerNotProvenError):
            client.send(calls.add_user("carol", PASSWORD, "user"))
    assert PASSWORD.encode() not in listener.heard


def test_a_folder_without_a_server_trusts_nobody(tmp_path):
    with listening(lambda _nonce, _port: {"proof": "0" * 64}) as listener, pytest.raises(ServerNotProvenError):
        LocalCredential(tmp_path, listener.address).log_in("carol", PASSWORD)
    assert PASSWORD.encode() not in listener.heard

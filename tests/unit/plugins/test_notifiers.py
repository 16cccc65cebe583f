"""Notifiers: the log, and a webhook that goes to one checked address, signed, within limits."""

import hashlib
import hmac
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from grid.core.errors import ConfigurationError
from grid.core.ids import new_id
from grid.core.settings import Settings
from grid.plugins.builtin.notifiers import LogNotifier, WebhookNotifier, delivery
from grid.plugins.builtin.notifiers.delivery import WebhookError, is_allowed, read_target
from grid.plugins.registry import load_registry
from grid.schemas.alerts import Notice
from grid.services.alerts.notifiers import connect_notifiers

SECRET = "s" * 40
NOTICE = Notice(
    new_id(), "run:high:-", 3, "2026-01-01T00:00:00+00:00", {"status": "firing", "firing": [{"rule": "hot"}]}
)


def settings(**more):
    return Settings(_env_file=None, **more)


@contextmanager
def receiving(answer):
    """A server on this machine; `answer(handler)` answers, and what came is kept."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.path, dict(self.headers), body))
            answer(self)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status, body=b"", **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def connect(url, **more):
    return WebhookNotifier().connect(
        settings(**{"grid_webhook_url": url, "grid_webhook_secret": SECRET, "grid_webhook_loopback": True, **more})
    )


def test_a_notice_arrives_signed_with_its_delivery_and_time():
    with receiving(reply(204)) as (url, came):
        connect(f"{url}/hook?a=1")(NOTICE)

    ((path, headers, body),) = came
    signed = f"{headers['Grid-Timestamp']}.{NOTICE.id}.".encode() + body
    assert path == "/hook?a=1"
    assert headers["Grid-Delivery"] == str(NOTICE.id)
    assert headers["Grid-Signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert json.loads(body)["version"] == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (reply(500), "500"),
        (reply(302, Location="http://127.0.0.1:1/"), "302"),
        (reply(200, b"x" * (64 * 1024 + 1)), "bytes"),
    ],
)
def test_what_is_no_good_answer_is_a_failure_without_the_address(answer, told):
    with receiving(answer) as (url, came), pytest.raises(WebhookError, match=told) as caught:
        connect(url)(NOTICE)
    assert len(came) == 1  # no redirect was followed
    assert "127.0.0.1" not in str(caught.value)


def test_an_answer_that_does_not_come_ends_in_time(monkeypatch):
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        with pytest.raises(WebhookError, match="reached"):
            connect(f"http://127.0.0.1:{silent.getsockname()[1]}")(NOTICE)
    finally:
        silent.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::", "ff02::1", "nonsense",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address):
    assert not is_allowed(address, allows_loopback=False)


def test_public_addresses_are_allowed_and_loopback_only_where_it_is_meant():
    assert is_allowed("93.184.216.34", allows_loopback=False)
    assert is_allowed("2606:2800:220:1:248:1893:25c8:1946", allows_loopback=False)
    assert is_allowed("127.0.0.1", allows_loopback=True)
    assert is_allowed("::ffff:127.0.0.1", allows_loopback=True)
    assert not is_allowed("10.0.0.1", allows_loopback=True)


def test_the_name_is_resolved_once_and_one_private_address_of_it_is_enough_to_refuse(monkeypatch):
    asked = []

    def resolve(host, port, **_more):
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda *_args, **_more: pytest.fail("connected"))
    send = connect("https://hooks.example.org/x", grid_webhook_loopback=False)

    with pytest.raises(WebhookError, match="not public"):
        send(NOTICE)
    assert asked == ["hooks.example.org"]


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    went = []

    def connect_to(address, **_more):
        went.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, port, **_more: [(socket.AF_INET, 1, 6, "", ("93.184.216.34", port))]
    )
    monkeypatch.setattr(socket, "create_connection", connect_to)

    with pytest.raises(WebhookError):
        connect("https://hooks.example.org/x", grid_webhook_loopback=False)(NOTICE)
    assert went == [("93.184.216.34", 443)]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.org", "https"), ("ftp://example.org", "https"), ("https://", "host"),
        ("https://a:b@example.org", "user"), ("https://example.org/#x", "fragment"),
        ("https://example.org:x", "address"),
        ("https://example.org/\u00e9", "ASCII"),
    ],
)  # fmt: skip
def test_an_address_that_is_not_allowed_is_refused_at_the_start(url, told):
    with pytest.raises(ConfigurationError, match=told):
        read_target(url, False)


def test_the_webhook_needs_address_and_secret_and_is_off_without():
    for more in ({}, {"grid_webhook_url": "https://example.org"}, {"grid_webhook_secret": SECRET}):
        with pytest.raises(ConfigurationError, match="GRID_WEBHOOK"):
            WebhookNotifier().connect(settings(**more))
    with pytest.raises(ConfigurationError, match="32"):
        connect("https://example.org", grid_webhook_secret="short")
    assert settings().grid_notifiers == ("log",)
    assert SECRET not in repr(settings(grid_webhook_secret=SECRET))


def test_the_log_gets_a_line(caplog):
    LogNotifier().connect(settings())(NOTICE)

    (line,) = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert (line["event"], line["firing"], line["version"]) == ("alert_notice", ["hot"], 3)


def test_notifiers_are_chosen_by_name():
    registry = load_registry()

    assert list(connect_notifiers(registry, ("log",), settings())) == ["log"]
    with pytest.raises(ConfigurationError, match="pigeon"):
        connect_notifiers(registry, ("pigeon",), settings())

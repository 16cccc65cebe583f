"""A small S3 server on loopback that keeps the promises a store rests on, each of which a test may have it break.

It holds objects in memory, by path style. What it knows: conditional puts, SHA-256 and MD5 of what arrives, ranges,
pages of keys, uploads in parts. `faults` are taken one by one by the next requests of a method.
"""

import base64
import hashlib
import re
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "grid-tests"
WRITTEN_AT = "2026-01-02T03:04:05.000Z"  # of every upload, and of objects that were not put
PAGE = 7  # keys of a page, so that few objects make several


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class NoAnswerError(Exception):
    """The connection is closed without an answer."""


@dataclass
class S3Server:
    """The objects, and what the server is to do wrong."""

    url: str = ""
    port: int = 0
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, bytes], dict[str, str]]] = field(default_factory=dict)
    written_at: dict[str, str] = field(default_factory=dict)  # of objects that were put
    requests: list[str] = field(default_factory=list)
    # For a method, what happens before (`refuse`, `hang`) or after (`lose`) the next requests are carried out.
    faults: dict[str, deque[Callable[[str], None]]] = field(default_factory=lambda: defaultdict(deque))
    ignores_conditions: bool = False
    ignores_checksums: bool = False
    ignores_ranges: bool = False
    lock: Any = field(default_factory=threading.RLock)
    released: threading.Event = field(default_factory=threading.Event)

    def refuse(self, method: str, status: int, code: str, times: int = 1) -> None:
        """Refuse the next requests of a method."""

        def fault(moment: str) -> None:
            if moment == "before":
                raise RefusalError(status, code)

        self.faults[method].extend([fault] * times)

    def lose(self, method: str) -> None:
        """Carry the next request of a method out, and give no answer."""

        def fault(moment: str) -> None:
            if moment == "after":
                raise NoAnswerError

        self.faults[method].append(fault)

    def hang(self, method: str, times: int = 1) -> None:
        """Let the next requests of a method wait until the end of the test, and carry nothing out."""

        def fault(moment: str) -> None:
            if moment == "before":
                self.released.wait(60.0)
                raise NoAnswerError

        self.faults[method].extend([fault] * times)

    def start(self) -> None:
        """Listen: on a free port, or on that of before."""
        self._http = _HttpServer(self, self.port)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = {"poll_interval": 0.02}
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs=words, name="s3", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and end every connection."""
        self._http.shutdown()
        self._http.server_close()
        self._http.drop_connections()
        self._thread.join()

    def reset(self) -> None:
        """Forget everything."""
        self.objects.clear()
        self.written_at.clear()
        self.uploads.clear()
        self.requests.clear()
        self.faults.clear()
        self.ignores_conditions = self.ignores_checksums = self.ignores_ranges = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet
    disable_nagle_algorithm = True
    server: "_HttpServer"

    def log_message(self, *args: Any) -> None:  # type: ignore[override] - its name of one shadows a built-in
        pass

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = urlsplit(self.path)
        _, bucket, *key = unquote(place.path).split("/", 2)
        query = {name: values[0] for name, values in parse_qs(place.query, keep_blank_values=True).items()}
        state = self.server.state
        with state.lock:
            state.requests.append(f"{self.command} {'/'.join(key)}")
            faults = state.faults[self.command]
            fault = faults.popleft() if faults else lambda _: None
        try:
            fault("before")
            with state.lock:
                status, headers, answer = self.carry_out(bucket, key[0] if key else "", query, body)
            fault("after")
        except RefusalError as refusal:
            text = f"<Error><Code>{refusal.code}</Code><Message>refused</Message></Error>"
            status, headers, answer = refusal.status, {"Content-Type": "application/xml"}, text.encode()
        except NoAnswerError:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815 - as http.server calls them

    def carry_out(self, bucket: str, key: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        state = self.server.state
        if bucket != BUCKET:
            raise RefusalError(404, "NoSuchBucket")
        if self.command == "PUT" and "partNumber" in query:
            self.prove(body)
            state.uploads[query["uploadId"]][1][int(query["partNumber"])] = body
            return 200, {"ETag": _tag(body)}, b""
        if self.command == "PUT":
            self.prove(body)
            self.require_new(key)
            state.objects[key] = (body, self.metadata())
            state.written_at[key] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
            return 200, {"ETag": _tag(body)}, b""
        if self.command == "POST":
            return self.take_parts(key, query, body)
        if self.command == "DELETE":
            (state.uploads.pop(query["uploadId"], None) if "uploadId" in query else state.objects.pop(key, None))
            return 204, {}, b""
        if not key:
            return self.list_uploads() if "uploads" in query else self.list_objects(query)
        if key not in state.objects:
            raise RefusalError(404, "NoSuchKey")
        return self.give(*state.objects[key])

    def prove(self, body: bytes) -> None:
        md5 = hashlib.md5(body, usedforsecurity=False)
        for name, digest in (("x-amz-checksum-sha256", hashlib.sha256(body)), ("Content-MD5", md5)):
            told, found = self.headers.get(name), base64.b64encode(digest.digest()).decode()
            if told not in {None, found} and not self.server.state.ignores_checksums:
                raise RefusalError(400, "BadDigest")

    def require_new(self, key: str) -> None:
        state = self.server.state
        if self.headers.get("If-None-Match") == "*" and key in state.objects and not state.ignores_conditions:
            raise RefusalError(412, "PreconditionFailed")

    def metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def take_parts(self, key: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        state = self.server.state
        if "uploads" in query:
            number = f"upload-{len(state.requests)}"
            state.uploads[number] = (key, {}, self.metadata())
            text = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            return 200, {}, text.encode()
        self.require_new(key)
        _, parts, metadata = state.uploads.pop(query["uploadId"])
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
        assert numbers == sorted(parts)
        state.objects[key] = (b"".join(parts[number] for number in numbers), metadata)
        return 200, {}, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"

    def give(self, data: bytes, metadata: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None or self.server.state.ignores_ranges:
            return 200, {**metadata, "Content-Length": str(len(data))}, data
        first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
        return 206, {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

    def date(self, key: str) -> str:
        return f"<LastModified>{self.server.state.written_at.get(key, WRITTEN_AT)}</LastModified>"

    def list_objects(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        after, prefix = query.get("continuation-token", ""), query.get("prefix", "")
        keys = sorted(key for key in self.server.state.objects if key.startswith(prefix) and key > after)
        page, more = keys[:PAGE], len(keys) > PAGE
        text = "".join(f"<Contents><Key>{escape(key)}</Key>{self.date(key)}</Contents>" for key in page)
        text += f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        text += f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return 200, {}, f"<ListBucketResult>{text}</ListBucketResult>".encode()

    def list_uploads(self) -> tuple[int, dict[str, str], bytes]:
        begun = f"<Initiated>{WRITTEN_AT}</Initiated>"
        text = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{number}</UploadId>{begun}</Upload>"
            for number, (key, _, _) in self.server.state.uploads.items()
        )
        return 200, {}, f"<ListMultipartUploadsResult>{text}</ListMultipartUploadsResult>".encode()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: S3Server, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that has given up


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@contextmanager
def serving_s3() -> Iterator[S3Server]:
    """Serve on a free port until the end of the block."""
    state = S3Server()
    state.start()
    try:
        yield state
    finally:
        state.released.set()
        state.stop()

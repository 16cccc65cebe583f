"""Clients that write down what they ask and what they are told, and ask again with the same key when told nothing."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from tests.support.faults.history import Entry, History

TOKEN_LIFE_S = 600.0  # an access token lives for 15 minutes
IDLE_S = 5.0  # the server hangs up on a quiet connection after 20 s
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Answer:
    """Status and document of one answer."""

    status: int
    document: Any

    @property
    def is_ok(self) -> bool:
        return self.status < 300


@dataclass(frozen=True)
class Submission:
    """What to submit under one key: `points` jobs."""

    key: str
    body: dict[str, Any]
    points: int

    @classmethod
    def of(cls, key: str, simulation: str, *, sweep: Sequence[Mapping[str, Any]] = (), **params: Any) -> "Submission":
        """A sweep, or one job with `params`; the key is in its metadata, where the checker finds it."""
        what: dict[str, Any] = {"sweep": list(sweep)} if sweep else {"params": params}
        return cls(key, {"simulation": simulation, "metadata": {"key": key}, **what}, len(sweep) or 1)


class Caller:
    """One bare connection, not for several threads; it can be used again after an error."""

    def __init__(self, port: int, credential: Path) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._credential = credential
        self._token, self._token_until = "", 0.0
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, is_public: bool = False
    ) -> Answer:
        """Send one request and return its answer.

        Raises:
            OSError: No answer, or half of one: nobody knows what became of the request.
        """
        headers = {"Content-Type": "application/json"}
        if not is_public:
            headers["Authorization"] = f"Bearer {self._get_token()}"
        if key is not None:
            headers["Idempotency-Key"] = key
        if time.monotonic() - self._used_at > IDLE_S:
            self._http.close()  # the server may be about to; `request` connects again
        self._used_at = time.monotonic()
        try:
            self._http.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            response = self._http.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise ConnectionError(str(error)) from error
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(content) if is_json else content)

    def _get_token(self) -> str:
        if time.monotonic() > self._token_until:
            answer = self.send("POST", "/api/v1/auth/login", json.loads(self._credential.read_bytes()), is_public=True)
            if not answer.is_ok:
                raise ConnectionError(f"login: {answer}")
            self._token, self._token_until = answer.document["access_token"], time.monotonic() + TOKEN_LIFE_S
        return self._token

    def log_in(self) -> Self:
        """Log in and connect now, so that the next request is nothing but itself."""
        assert self.send("GET", "/api/v1/users/me").is_ok
        return self

    # -- with a history ------------------------------------------------------------------------------------------------

    def submit_once(self, history: History, submission: Submission) -> Answer | None:
        """Try once; None where no answer came."""
        history.add(Entry(submission.key, "submit", "invoke", submission.points))
        try:
            answer = self.send("POST", "/api/v1/jobs", submission.body, key=submission.key)
        except OSError:
            history.add(Entry(submission.key, "submit", "unknown", submission.points))
            return None
        jobs = tuple(UUID(job) for job in answer.document["jobs"]) if answer.is_ok else ()
        sweep = UUID(answer.document["sweep"]) if answer.is_ok and answer.document["sweep"] else None
        kind = "ok" if answer.is_ok else "unknown" if answer.status >= 500 else "fail"
        history.add(Entry(submission.key, "submit", kind, submission.points, answer.status, jobs, sweep))
        return answer

    def submit(self, history: History, submission: Submission) -> list[UUID]:
        """Try until accepted.

        Raises:
            AssertionError: Refused for good, or not accepted for two minutes.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.submit_once(history, submission)
            if answer is not None and answer.is_ok:
                return [UUID(job) for job in answer.document["jobs"]]
            assert answer is None or answer.status in {409, 429, 503, 507}, answer
            assert time.monotonic() < deadline, f"not accepted within {PATIENCE_S:.0f} s: {submission.key}, {answer}"
            time.sleep(0.1)

    def cancel(self, history: History, job_id: UUID) -> Answer | None:
        """Cancel a job and write down what was said."""
        key = f"cancel:{job_id}"
        history.add(Entry(key, "cancel", "invoke", jobs=(job_id,)))
        try:
            answer = self.send("DELETE", f"/api/v1/jobs/{job_id}")
        except OSError:
            history.add(Entry(key, "cancel", "unknown", jobs=(job_id,)))
            return None
        state = answer.document.get("status" if answer.is_ok else "job_status")
        kind = "ok" if answer.is_ok else "fail" if answer.status == 409 else "unknown"
        history.add(Entry(key, "cancel", kind, status=answer.status, jobs=(job_id,), state=state))
        return answer


class Submitter(threading.Thread):
    """Submits one after the other, from a thread of its own.

    Args:
        caller: Closed at the end.
        history: What is asked and told.
        submissions: What to submit.
        may_go_on: Told how many points were sent, says whether the next submission may go.
    """

    def __init__(
        self,
        caller: Caller,
        history: History,
        submissions: Sequence[Submission],
        may_go_on: Callable[[int], bool] = lambda _: True,
    ) -> None:
        super().__init__(name="submitter")
        self._caller, self._history, self._submissions, self._may_go_on = caller, history, submissions, may_go_on
        self._halt = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._caller:
                sent = 0
                for submission in self._submissions:
                    while not self._may_go_on(sent) and not self._halt.wait(0.02):
                        pass
                    if self._halt.is_set():
                        return
                    self._caller.submit(self._history, submission)
                    sent += submission.points
        except BaseException as error:  # noqa: BLE001 - `finish` raises it
            self._error = error

    def stop(self) -> None:
        """Submit no more: the run has failed."""
        self._halt.set()
        self.join()

    def finish(self) -> None:
        """Wait until everything is submitted, and raise what went wrong."""
        self.join()
        if self._error is not None:
            raise self._error

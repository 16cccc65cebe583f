"""A ledger in memory for tests of the worker's threads: it answers what it is told to, and remembers what was asked."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim, Share, SlotKind
from grid.services.ledger import ClaimedBatch, ClaimedJob, LogChunk, Outcome, Renewal
from grid.services.renders import ClaimedRender, RenderClaim, RenderReturned

OWNER = uuid4()  # of whatever a test names no owner for
NOTHING: frozenset[Claim] = frozenset()


class MemoryLedger:
    """Accepts every claim but those in `refused`; raises what waits in `troubles`, one a call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.batches: deque[ClaimedBatch] = deque()
        self.renders: deque[ClaimedRender] = deque()
        self.troubles: deque[Exception] = deque()
        self.unwritable: set[Claim] = set()
        self.refused: set[Claim] = set()
        self.concluded: list[tuple[list[Outcome], list[LogChunk], list[Claim]]] = []
        self.began_ago_s: dict[Claim, float] = {}
        self.render_ends: list[tuple[RenderClaim, RenderFinished | RenderReturned]] = []
        self.logs: list[LogChunk] = []
        self.progress: list[Mapping[Claim, float]] = []
        self.renewed: list[list[Claim]] = []
        self.renewal: Renewal | None = None
        self.shares: list[tuple[Share, ...]] = []
        self.renders_kept: frozenset[RenderClaim] | None = None

    def claim(self, shares: Sequence[Share] = ("any",)) -> ClaimedRender | ClaimedBatch | None:
        self._trouble()
        if self.renders:
            return self.renders.popleft()
        self.shares.append(tuple(shares))
        return self.batches.popleft() if self.batches else None

    def claim_render(self) -> ClaimedRender | None:
        self._trouble()
        return self.renders.popleft() if self.renders else None

    def conclude(
        self, outcomes: Sequence[Outcome], logs: Sequence[LogChunk], begun: Mapping[Claim, float]
    ) -> frozenset[Claim]:
        self._trouble()
        claims = {outcome.claim for outcome in outcomes}
        if self.unwritable & (claims | set(begun)):
            raise RuntimeError("a write that no database takes")
        self.concluded.append((list(outcomes), list(logs), list(begun)))
        self.began_ago_s.update(begun)
        return frozenset(claims - self.refused)

    def conclude_render(self, claim: RenderClaim, end: RenderFinished | RenderReturned) -> bool:
        self._trouble()
        self.render_ends.append((claim, end))
        return True

    def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        self._trouble()
        self.logs += chunks

    def report_progress(self, fractions: Mapping[Claim, float]) -> None:
        self._trouble()
        self.progress.append(dict(fractions))

    def renew(self, claims: Sequence[Claim]) -> Renewal:
        self._trouble()
        self.renewed.append(list(claims))
        return self.renewal or Renewal(frozenset(claims), NOTHING, NOTHING, NOTHING)

    def renew_renders(self, claims: Sequence[RenderClaim]) -> frozenset[RenderClaim]:
        self._trouble()
        return frozenset(claims) if self.renders_kept is None else self.renders_kept

    def _trouble(self) -> None:
        with self.lock:
            if self.troubles:
                raise self.troubles.popleft()


def make_batch(
    count: int = 1,
    *,
    slot: SlotKind = "small",
    wall_limit_s: float = 60.0,
    image: str | None = None,
    owner_id: UUID | None = None,
    share: Share = "any",
) -> ClaimedBatch:
    """Return a claimed batch of jobs that nobody submitted."""
    deadline = datetime.now(UTC) + timedelta(seconds=4 * wall_limit_s)
    jobs = tuple(
        ClaimedJob(uuid4(), 1, {"value": float(place)}, wall_limit_s, deadline, 0, 0, 2) for place in range(count)
    )
    simulation = None if slot == "program" else "toy"
    return ClaimedBatch(uuid4(), owner_id or OWNER, None, simulation, image, slot, jobs, 30.0, share)


def make_render(render_id: UUID | None = None) -> ClaimedRender:
    """Return a claimed request for files."""
    claim = RenderClaim(render_id or uuid4(), 1)
    return ClaimedRender(claim, uuid4(), "toy", {}, {"numerics_version": "toy-1"}, ("meta.json",), "renders/a/1/b/c-1")

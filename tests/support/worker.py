"""A worker without processes: claims, logs and concludes through the ledger, at the word of a test."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim, FileEntry, JobStatus, Manifest, Reason
from grid.schemas.media_types import find_media_type
from grid.services import ledger, renders
from grid.services.ports import ArtifactStore

METRICS = {"peak_temperature": 100.0, "steps": 200}
AUDIT = {"name": "finite", "verdict": "passed", "value": None, "limit": None, "detail": "all values are finite"}


@dataclass
class HandWorker:
    """Does one thing at a time."""

    uow: UnitOfWork
    store: ArtifactStore
    claims: dict[UUID, Claim] = field(default_factory=dict)

    def start(self) -> tuple[Claim, ...]:
        """Claim the next batch and begin to run it."""
        batch = ledger.claim(
            self.uow,
            worker_id="hand",
            host="here",
            slots=["small", "large", "program"],
            max_jobs=1000,
            work_budget_s=1e9,
            lease_s=600.0,
        )
        assert batch is not None, "nothing to claim"
        claims = tuple(job.claim for job in batch.jobs)
        ledger.conclude(self.uow, (), begun=claims)
        self.claims.update({claim.job_id: claim for claim in claims})
        return claims

    def log(self, job_id: UUID, seq: int, text: str) -> None:
        """Append to the log of a running job."""
        ledger.append_logs(self.uow, [ledger.LogChunk(self.claims[job_id], seq, text)])

    def succeed(self, claims: Sequence[Claim], files: Mapping[str, bytes] | None = None) -> None:
        """End jobs well: with files, as a program does, or with a record in a pack."""
        outcomes = [ledger.Succeeded(claim, self.make_manifest(claim, files)) for claim in claims]
        assert ledger.conclude(self.uow, outcomes) == frozenset(claims)

    def fail(self, claims: Sequence[Claim], reason: Reason = Reason.DIVERGED) -> None:
        """End jobs badly."""
        ledger.conclude(self.uow, [ledger.Failed(claim, JobStatus.FAILED, reason, "It did.") for claim in claims])

    def render(self, files: Mapping[str, bytes] | None = None, **failure: str) -> bool:
        """Make the files that somebody waits for, or fail to; False where nobody waits."""
        claimed = renders.claim_render(self.uow, "hand", 60.0)
        if claimed is None:
            return False
        entries = [self.put(f"{claimed.key_prefix}/{name}", name, data) for name, data in (files or {}).items()]
        assert renders.conclude_render(
            self.uow, claimed.claim, RenderFinished(claimed.claim.render_id, entries, **failure)
        )
        return True

    def make_manifest(self, claim: Claim, files: Mapping[str, bytes] | None) -> Manifest:
        """Store what a run leaves and return its manifest."""
        common: Manifest = {"metrics": dict(METRICS), "audits": [AUDIT], "numerics_version": "1"}  # type: ignore[list-item]
        if files is not None:
            prefix = f"jobs/{claim.job_id}/{claim.epoch}"
            return {**common, "files": [self.put(f"{prefix}/{name}", name, data) for name, data in files.items()]}
        with self.uow.read() as tx:
            key = f"packs/20260101/{tx.jobs.find(claim.job_id).batch_id}.npy"
        if key not in set(self.store.keys("packs/")):
            self.store.put(key, io.BytesIO(b"a pack"))
        pack = {"key": key, "index": 0, "offset": 0, "size": 6, "sha256": hashlib.sha256(b"a pack").hexdigest()}
        return {**common, "pack": pack}  # type: ignore[typeddict-item]

    def put(self, key: str, name: str, data: bytes) -> FileEntry:
        """Store one file."""
        size, sha256 = self.store.put(key, io.BytesIO(data))
        media_type = find_media_type(name) or "text/html"  # as a row would say that somebody had tampered with
        return {"name": name, "size": size, "sha256": sha256, "media_type": media_type, "key": key}

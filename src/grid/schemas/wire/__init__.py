"""The wire models of the job service, shared by the API that answers with them and the client that reads them."""

from grid.schemas.wire.jobs import (
    ArtifactOut,
    ArtifactPage,
    AuditOut,
    JobLinks,
    JobOut,
    JobPage,
    JobStateOut,
    JobStats,
    Throughput,
)
from grid.schemas.wire.simulations import SimulationList, SimulationOut, SimulationSummary
from grid.schemas.wire.submissions import (
    MAX_PRIORITY,
    MAX_RETRIES,
    MAX_SWEEP_POINTS,
    Metadata,
    SubmissionIn,
    SubmissionOut,
)
from grid.schemas.wire.sweeps import SweepCancelledOut, SweepOut, SweepPage, SweepRow, SweepTable

__all__ = [
    "MAX_PRIORITY",
    "MAX_RETRIES",
    "MAX_SWEEP_POINTS",
    "ArtifactOut",
    "ArtifactPage",
    "AuditOut",
    "JobLinks",
    "JobOut",
    "JobPage",
    "JobStateOut",
    "JobStats",
    "Metadata",
    "SimulationList",
    "SimulationOut",
    "SimulationSummary",
    "SubmissionIn",
    "SubmissionOut",
    "SweepCancelledOut",
    "SweepOut",
    "SweepPage",
    "SweepRow",
    "SweepTable",
    "Throughput",
]

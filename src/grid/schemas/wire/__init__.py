"""The wire models of the job service, shared by the API that answers with them and the client that reads them."""

from grid.schemas.wire.fields import FieldAxisOut, FieldList, FieldOut
from grid.schemas.wire.jobs import (
    ArtifactList,
    ArtifactOut,
    AttemptList,
    AttemptOut,
    AuditOut,
    JobLinks,
    JobOut,
    JobPage,
    JobStats,
    JobSummaryOut,
    JobSummaryPage,
    LabelKeyOut,
    LabelList,
    LabelValueOut,
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
from grid.schemas.wire.sweeps import SweepOut, SweepPage, SweepRow, SweepTable

__all__ = [
    "MAX_PRIORITY",
    "MAX_RETRIES",
    "MAX_SWEEP_POINTS",
    "ArtifactList",
    "ArtifactOut",
    "AttemptList",
    "AttemptOut",
    "AuditOut",
    "FieldAxisOut",
    "FieldList",
    "FieldOut",
    "JobLinks",
    "JobOut",
    "JobPage",
    "JobStats",
    "JobSummaryOut",
    "JobSummaryPage",
    "LabelKeyOut",
    "LabelList",
    "LabelValueOut",
    "Metadata",
    "SimulationList",
    "SimulationOut",
    "SimulationSummary",
    "SubmissionIn",
    "SubmissionOut",
    "SweepOut",
    "SweepPage",
    "SweepRow",
    "SweepTable",
    "Throughput",
]

"""The ledger of live runs: every call is one transaction, every write by a worker carries the epoch of its claim.

The row of a run is the only truth. A run belongs to a worker while it is starting, running, paused, resuming or
stopping. Every event in each state, with the call that handles it and the state that follows:

==================== ============================================= =================== =============================
State                Event                                         Call                Next state
==================== ============================================= =================== =============================
(none)               submission                                    `submit`            queued
queued               claim                                         `claim_run`         starting, with the next epoch
queued, parked,      stop                                          `accept`            stopped, without a result
interrupted
starting, resuming   first look; the lost ticks are there again    `begin_run`         running or paused
running              pause was applied                             `pause_run`         paused
paused               resume was applied                            `continue_run`      running
paused               10 minutes                                    `park_run`          parked
parked               resume                                        `accept`            parked, and can be claimed
parked, interrupted  claim                                         `claim_run`         resuming, with the next epoch
held but stopping    stop                                          `accept`            stopping
running              the run comes to its own end                  `begin_stop`        stopping
resuming             it was being stopped                          `resume_stop`       stopping
stopping             final snapshot and result are stored          `conclude_run`      stopped
held                 heartbeat of the worker                       `renew_leases`      the same, with a later lease
held                 the run cannot go on                          `fail_run`          failed
held                 a tick says something else than before        `record_events`     failed (`infra`)
held                 the worker ends in order                      `hand_back_runs`    parked where paused, with a
                                                                                       snapshot, else interrupted
held                 the child ends                                `restart_run`       resuming, with the next epoch,
                                                                                       by way of interrupted
held                 the lease ends                                `reap_runs`         interrupted
held                 the third loss within 10 healthy minutes      `restart_run`,      failed (`poison`)
                                                                   `reap_runs`
starting             6 min                                         `reap_runs`         failed (`start_timeout`)
stopped, failed      anything                                      any                 the same; nothing is written
==================== ============================================= =================== =============================

A run that was being stopped when its owner went is still wanted stopped: its next owner writes the result. Commands
that have not taken effect when a run ends are refused.
"""

from grid.services.live.branches import BranchRequest, LiveBranchService
from grid.services.live.claims import ClaimedRun, claim_run, is_any_waiting, restart_run
from grid.services.live.commands import (
    AcceptedCommand,
    ClientIdReusedError,
    CommandRequest,
    LiveCommandService,
    PayloadTooLargeError,
    RulesVersionError,
    RunStateError,
)
from grid.services.live.events import EventConflictError, RecordedEvents, record_events
from grid.services.live.leases import LiveRenewal, Look, renew_leases, write_looks
from grid.services.live.lifecycle import (
    begin_run,
    begin_stop,
    conclude_run,
    continue_run,
    fail_run,
    hand_back_runs,
    note_activity,
    park_run,
    pause_run,
    resume_stop,
)
from grid.services.live.limits import CommandLimitError, LiveLimits, RunTooDearError, TooManyRunsError
from grid.services.live.log_export import LogCut, export_log, read_log
from grid.services.live.news import EVENTS_AT_ONCE, RecentSamples, RunNews, read_news, read_recent_samples
from grid.services.live.queries import (
    MetricHistory,
    NewestSample,
    RunRules,
    describe_run,
    find_unknown_files,
    get_command,
    get_run,
    get_scene,
    list_runs,
    purge_run,
    read_commands,
    read_events,
    read_history,
    read_newest,
    read_rules,
)
from grid.services.live.reaper import LiveReapReport, reap_runs
from grid.services.live.snapshots import StoredSnapshot, add_snapshot, list_snapshots, pin_snapshot
from grid.services.live.submission import LiveSubmissionService, PricedRun
from grid.services.live.ticks import ResumeLog, commit_ticks, read_resume_log, read_waiting

__all__ = [
    "EVENTS_AT_ONCE",
    "AcceptedCommand",
    "BranchRequest",
    "ClaimedRun",
    "ClientIdReusedError",
    "CommandLimitError",
    "CommandRequest",
    "EventConflictError",
    "LiveBranchService",
    "LiveCommandService",
    "LiveLimits",
    "LiveReapReport",
    "LiveRenewal",
    "LiveSubmissionService",
    "LogCut",
    "Look",
    "MetricHistory",
    "NewestSample",
    "PayloadTooLargeError",
    "PricedRun",
    "RecentSamples",
    "RecordedEvents",
    "ResumeLog",
    "RulesVersionError",
    "RunNews",
    "RunRules",
    "RunStateError",
    "RunTooDearError",
    "StoredSnapshot",
    "TooManyRunsError",
    "add_snapshot",
    "begin_run",
    "begin_stop",
    "claim_run",
    "commit_ticks",
    "conclude_run",
    "continue_run",
    "describe_run",
    "export_log",
    "fail_run",
    "find_unknown_files",
    "get_command",
    "get_run",
    "get_scene",
    "hand_back_runs",
    "is_any_waiting",
    "list_runs",
    "list_snapshots",
    "note_activity",
    "park_run",
    "pause_run",
    "pin_snapshot",
    "purge_run",
    "read_commands",
    "read_events",
    "read_history",
    "read_log",
    "read_newest",
    "read_news",
    "read_recent_samples",
    "read_resume_log",
    "read_rules",
    "read_waiting",
    "reap_runs",
    "record_events",
    "renew_leases",
    "restart_run",
    "resume_stop",
    "write_looks",
]

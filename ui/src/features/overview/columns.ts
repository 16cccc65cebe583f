/** The three columns of the overview and its sentence, from what the server answered; nothing here knows the page. */
import { formatCount, plural, shortId } from "@/lib/format";
import { heard, SEVERITIES, type SeverityWord, worst } from "@/lib/severity";
import type { Alert, Job, Run, Sweep } from "./queries";

export type Kind = "alert" | "job" | "sweep" | "run";

/** One line of a column; `id` is that of the thing to open. */
export interface Line {
  readonly key: string;
  readonly kind: Kind;
  readonly id: string;
  readonly what: string;
  readonly severity?: SeverityWord;
  /** Nobody has acknowledged the alert. */
  readonly isRinging?: boolean;
  readonly state?: string;
  readonly at: string | null;
  /** Fraction that is done, 0 to 1; null where there is no end to come. */
  readonly progress?: number | null;
  readonly isNew?: boolean;
  /** Figures of a sweep: points that ended well, and all. */
  readonly done?: string;
}

const time = (at: string | null) => (at === null ? 0 : Date.parse(at));
const newestFirst = (a: Line, b: Line) => time(b.at) - time(a.at);
const MOST_LETTERS = 80; // of an alert's summary

export function nameOf(thing: { simulation?: string | null; container_image?: string | null }): string {
  return thing.simulation ?? thing.container_image ?? "job";
}

/** What somebody may want to act on: alerts, worst first, then what failed since `looked` [ms], newest first. */
export function needsALook(alerts: readonly Alert[], bad: readonly Job[], doubtful: readonly Job[], looked: number): Line[] {
  const rank = (alert: Alert) => SEVERITIES.findIndex((name) => name === alert.severity);
  const ringing = heard(alerts).filter((alert) => alert.severity !== null);
  const first = [...ringing].sort((a, b) => rank(a) - rank(b) || time(b.fired_at) - time(a.fired_at)).map((alert): Line => ({
    key: alert.id, kind: "alert", id: alert.run, at: alert.fired_at, severity: alert.severity as SeverityWord,
    isRinging: alert.acknowledged_at === null, what: clip(alert.summary === "" ? alert.rule : alert.summary),
  }));
  const since = (jobs: readonly Job[]) => jobs.filter((job) => time(job.finished_at) > looked);
  const audits = since(doubtful).map((job): Line => ({
    key: `audit-${job.id}`, kind: "job", id: job.id, at: job.finished_at, severity: "medium",
    what: `an audit of ${nameOf(job)} failed`,
  }));
  return [...first, ...[...failedLines(since(bad)), ...audits].sort(newestFirst)];
}

/** One line for each job that failed, and one for all points of a sweep that failed in one way. */
function failedLines(jobs: readonly Job[]): Line[] {
  const groups = new Map<string, Job[]>();
  for (const job of jobs) {
    const key = job.sweep_id === null ? job.id : `${job.sweep_id} ${job.reason ?? job.status}`;
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  return [...groups].flatMap(([key, members]): Line[] => {
    const [job] = members;
    if (job === undefined) return [];
    const last = members.map((member) => member.finished_at).sort((a, b) => time(b) - time(a))[0] ?? null;
    const how = job.reason === null || job.reason === "nonzero_exit" ? job.status : job.reason;
    const words = how.replaceAll("_", " ");
    const isPoint = job.sweep_id !== null;
    return [{
      key, kind: isPoint ? "sweep" : "job", id: job.sweep_id ?? job.id, at: last, severity: "medium",
      what: isPoint ? `${plural(members.length, "point")}: ${words}` : `${nameOf(job)}: ${words}`,
    }];
  });
}

function clip(text: string): string {
  return text.length <= MOST_LETTERS ? text : `${text.slice(0, MOST_LETTERS)}…`;
}

/** What goes on: live runs, sweeps, and jobs that are no points of one. */
export function running(jobs: readonly Job[], sweeps: readonly Sweep[], runs: readonly Run[]): Line[] {
  return [
    ...runs.map((run): Line => ({ key: run.id, kind: "run", id: run.id, what: run.name, state: run.status, at: run.started_at, progress: null })),
    ...sweeps.map((sweep): Line => ({
      key: sweep.id, kind: "sweep", id: sweep.id, what: nameOf(sweep), at: sweep.created_at, progress: sweep.progress,
    })),
    ...jobs.filter((job) => job.sweep_id === null).map((job): Line => ({
      key: job.id, kind: "job", id: job.id, what: nameOf(job), state: job.status, at: job.started_at, progress: job.progress,
    })),
  ];
}

/** What ended, newest first: single jobs, and sweeps, each by its end. */
export function finished(jobs: readonly Job[], sweeps: readonly Sweep[], looked: number): Line[] {
  const isNew = (at: string | null) => time(at) > looked;
  const lines = [
    ...jobs.filter((job) => job.sweep_id === null).map((job): Line => ({
      key: job.id, kind: "job", id: job.id, what: nameOf(job), state: job.status, at: job.finished_at, isNew: isNew(job.finished_at),
    })),
    ...sweeps.filter((sweep) => sweep.is_finished).map((sweep): Line => {
      const at = sweep.finished_at ?? sweep.created_at;
      const done = `${formatCount(sweep.by_status.success)} / ${formatCount(sweep.points)}`;
      return { key: sweep.id, kind: "sweep", id: sweep.id, what: nameOf(sweep), at, isNew: isNew(at), done };
    }),
  ];
  return lines.sort(newestFirst);
}

/** What the overview's sentence is made of. */
export interface Situation {
  readonly away: readonly string[];
  readonly alerts: readonly Alert[];
  readonly needs: readonly Line[];
  readonly goes: readonly Line[];
  readonly ends: readonly Line[];
  readonly waiting: number;
}

/** Answer the overview's question in one or two sentences. */
export function sentence(now: Situation): string {
  return [wrong(now), goingOn(now), lately(now)].filter((part) => part !== "").join(" ");
}

function wrong({ away, alerts, needs }: Situation): string {
  const audible = heard(alerts);
  const severity = worst(audible);
  const firing = audible.filter((alert) => alert.severity === severity).length;
  const failures = needs.filter((line) => line.kind !== "alert").length;
  const parts = [
    away.length > 0 ? `the ${away.join(" and the ")} ${away.length === 1 ? "is" : "are"} away` : "",
    severity === null ? "" : `${plural(firing, `${severity} alert`)} ${firing === 1 ? "fires" : "fire"}`,
    failures === 0 ? "" : `${plural(failures, "result")} ${failures === 1 ? "needs" : "need"} a look`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "Nothing needs you." : `${capital(joined(parts))}.`;
}

function goingOn({ goes, waiting }: Situation): string {
  const of = (kind: Kind) => goes.filter((line) => line.kind === kind).length;
  const counts: [number, string][] = [[of("job"), "job"], [of("sweep"), "sweep"], [of("run"), "live run"]];
  const parts = counts.filter(([count]) => count > 0).map(([count, noun]) => plural(count, noun));
  const queue = waiting === 0 ? "" : `, ${formatCount(waiting)} wait`;
  if (parts.length === 0) return waiting === 0 ? "Nothing runs." : `Nothing runs, ${plural(waiting, "job")} ${waiting === 1 ? "waits" : "wait"}.`;
  return `${capital(joined(parts))} ${goes.length === 1 ? "goes" : "go"} on${queue}.`;
}

function lately({ ends }: Situation): string {
  const fresh = ends.filter((line) => line.isNew);
  const last = fresh[0];
  if (last === undefined) return "";
  if (fresh.length === 1) return `${capital(last.kind)} ${shortId(last.id)} ended since you looked.`;
  return `${formatCount(fresh.length)} ended since you looked.`;
}

function joined(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

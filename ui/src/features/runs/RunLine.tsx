import { Link } from "@tanstack/react-router";
import { Severity, type SeverityName } from "@/components/Severity";
import { useNow } from "@/components/now";
import type { Link as SocketLink } from "@/live/socket";
import { formatAge, formatNumber, formatQuantity } from "@/lib/format";
import type { Alert, Run } from "./queries";
import { isHeard, worstOf } from "./severities";
import { isOver, isWaitingForKernels, markOf } from "./states";
import type { Figures } from "./stream";
import classes from "./run.module.css";

const ROOM_TONE = 0.9; // of the pace that is wanted

interface Props {
  readonly run: Run;
  readonly figures: Figures;
  readonly alerts: readonly Alert[];
  readonly link: SocketLink;
  /** Tick and simulated time of the past that is shown [s]. */
  readonly past: { readonly tick: number; readonly time: number } | undefined;
  readonly actions: React.ReactNode;
}

/** The line above a run: what is worst, how fast it goes, how old the data are, by which model. It never scrolls. */
export function RunLine({ run, figures, alerts, link, past, actions }: Props) {
  const { metrics } = figures;
  const isLive = !isOver(run.status) && past === undefined;
  return (
    <header className={classes["line"]}>
      <h1>
        {past === undefined ? <Worst run={run} alerts={alerts} isTicking={figures.isTicking} /> : <Past past={past} />}
      </h1>
      <Figure title="Simulated time" value={formatQuantity(past?.time ?? figures.time ?? run.time_s, "s", 6)} />
      <Figure name="tick" value={formatNumber(past?.tick ?? figures.tick ?? run.tick)} />
      {isLive && <Pace run={run} ratio={metrics["ratio"]} />}
      {isLive && <Age figures={figures} run={run} link={link} />}
      {past === undefined && <Model run={run} metrics={metrics} />}
      {figures.viewers > 0 && isLive && <Figure name="others look" value={String(figures.viewers)} />}
      {figures.notice !== undefined && isLive && run.status === "running" && <Figure tone="warn" value={`◆ ${figures.notice}`} />}
      {actions}
    </header>
  );
}

function Figure(props: { name?: string; value: React.ReactNode; tone?: "warn" | "stale" | undefined; title?: string }) {
  return (
    <span className={classes["figure"]} data-tone={props.tone} title={props.title}>
      {props.name !== undefined && `${props.name} `}<b>{props.value}</b>
    </span>
  );
}

function Past({ past }: { past: { tick: number; time: number } }) {
  return (
    <>
      <span data-past>PAST</span> t = {formatQuantity(past.time, "s", 6)}; this is not live.
    </>
  );
}

/** The sentence: the worst alert with its place in time, or what the run does. */
function Worst({ run, alerts, isTicking }: { run: Run; alerts: readonly Alert[]; isTicking: boolean }) {
  const now = useNow();
  const worst = worstOf(alerts);
  const name = run.name === "" ? (run.scenario ?? "Run") : run.name;
  const isWaiting = isWaitingForKernels(run, isTicking);
  if (worst === undefined || isOver(run.status)) {
    const quiet = alerts.filter((alert) => !isHeard(alert) && alert.state === "firing").length;
    return (
      <>
        <span aria-hidden="true">{markOf(run.status)}</span> {name} is {isWaiting ? "compiling its kernels" : run.status}
        {run.status === "running" && !isWaiting && (quiet === 0 ? ", nothing is wrong" : `, ${quiet} covered`)}
        {isOver(run.status) && run.reason !== null && run.reason !== "stopped_by_user" && run.reason !== "ok" && `: ${run.message}`}
        {run.parent_id !== null && (
          <span className={classes["figure"]}> · branch of <Link to="/runs/$runId" params={{ runId: run.parent_id }} search={{ beside: run.id }}>its trunk</Link></span>
        )}
      </>
    );
  }
  const seconds = (now - new Date(worst.fired_at).getTime()) / 1000;
  return (
    <>
      <Severity name={(worst.severity ?? "low") as SeverityName} isRinging={worst.acknowledged_at === null} />
      {worst.rule}: {worst.metric} {formatNumber(worst.value)}
      {worst.threshold !== null && ` (limit ${formatNumber(worst.threshold)})`}, {formatAge(seconds)}
    </>
  );
}

function Pace({ run, ratio }: { run: Run; ratio: number | null | undefined }) {
  if (run.status === "paused" || run.status === "parked") return <Figure value={run.status} />;
  const speed = run.speed === null ? "max" : `${formatNumber(run.speed, 2)}×`;
  const isBehind = typeof ratio === "number" && ratio < ROOM_TONE;
  return (
    <>
      <Figure name="speed" value={speed} />
      <Figure
        name="pace" tone={isBehind ? "warn" : undefined} title="Simulated time that passes, over what is wanted"
        value={typeof ratio === "number" ? `${isBehind ? "◆ " : ""}${ratio.toFixed(2)}` : "–"}
      />
    </>
  );
}

function Age({ figures, run, link }: { figures: Figures; run: Run; link: SocketLink }) {
  const isPaused = run.status === "paused" || run.status === "parked" || run.status === "queued";
  if (link.state !== "open" || figures.isStale) {
    const age = figures.ageMs === undefined ? "" : ` ${formatAge(figures.ageMs / 1000).replace(" ago", "")}`;
    const why = link.state === "open" ? "" : link.state === "waiting" ? ", not connected" : ", connecting";
    return <Figure tone="stale" value={`◌ STALE${age}${why}`} />;
  }
  if (isPaused) return <Figure value="paused: no new data" />;
  if (figures.ageMs === undefined) return <Figure value="no data yet" />;
  return <Figure title="Age of what is shown" value={figures.ageMs < 1000 ? `${Math.round(figures.ageMs / 10) * 10}\u2009ms old` : `${(figures.ageMs / 1000).toFixed(1)}\u2009s old`} />;
}

function Model({ run, metrics }: { run: Run; metrics: Readonly<Record<string, number | null>> }) {
  const isLumped = metrics["is_lumped"];
  if (typeof isLumped !== "number") return null;
  const share = metrics["share"] ?? metrics["certificate"];
  const words = `${isLumped > 0 ? "lumped" : "diffusive"}${run.model === "auto" ? "" : ", forced"}`;
  return (
    <Figure
      name="model" title="Who chooses, and the largest measure of the lumped model over its limit"
      tone={isLumped > 0 && typeof share === "number" && share > 1 ? "warn" : undefined}
      value={typeof share === "number" ? `${words} ${formatNumber(share, 2)}/1` : words}
    />
  );
}

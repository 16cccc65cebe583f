import { useQuery } from "@tanstack/react-query";
import { Button, NativeSelect, SegmentedControl, Switch } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { EmptyState } from "@/components/EmptyState";
import { useKeys } from "@/components/keyboard";
import { useLink } from "@/components/live";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { FIELDS, type FieldName, type RunSearch } from ".";
import { AlertsPanel } from "./AlertsPanel";
import { AXES, type Body, drawnAxes, openAxes, positionOf } from "./geometry";
import { change, type Ghost, LATE_MS, settle, SHOWN_MS } from "./ghosts";
import { Inject } from "./Inject";
import { type FieldSource, LiveField } from "./LiveField";
import { alertsQuery, commandsQuery, type Run, rulesQuery, runQuery, sendEvent } from "./queries";
import { RunLine } from "./RunLine";
import type { Span } from "./scale";
import { isOver, whyNotSteered } from "./states";
import { Steer } from "./Steer";
import { Timeline } from "./Timeline";
import { useEvents, useFigures, usePast, useRunStream } from "./useRunStream";
import classes from "./run.module.css";

const Trends = lazy(() => import("./Trends"));
const TREND_HEIGHT = 128;
const WORDS: Readonly<Record<FieldName, string>> = {
  temperature: "Temperature", stress: "Stress", utilisation: "Utilisation", damage: "Damage", state: "State",
};
/** Metric whose rules are drawn as iso-lines on a field. */
const METRIC_OF: Readonly<Partial<Record<FieldName, string>>> = {
  temperature: "highest", stress: "peak_stress", utilisation: "utilisation", damage: "damage",
};

interface Props {
  readonly run: Run;
  readonly error: unknown;
  readonly search: RunSearch;
  readonly onSearch: (change: Partial<{ [K in keyof RunSearch]: RunSearch[K] | undefined }>) => void;
  /** The state of the run has changed, as an event tells. */
  readonly onState: () => void;
}

/** One live run: what is wrong, where in the field, since when, and what caused it; and what can be done. */
export function RunView({ run, error, search, onSearch, onState }: Props) {
  const stream = useRunStream(run.id);
  const figures = useFigures(stream);
  const events = useEvents(stream);
  const link = useLink();
  const past = usePast(run.id);
  const pastState = useSyncExternalStore(past.follow, past.getState);
  const alerts = useQuery(alertsQuery(run.id, !isOver(run.status)));
  const rules = useQuery(rulesQuery(run.id));
  const commandList = useQuery(commandsQuery(run.id));
  const beside = useQuery({ ...runQuery(search.beside ?? ""), enabled: search.beside !== undefined });
  const [sent, setGhosts] = useState<readonly Ghost[]>([]);
  const ghosts = useMemo(() => settle(sent, events), [sent, events]);
  const [isHeld, setHeld] = useState(false);
  const [span, setSpan] = useState<Span>();

  const body = useBody(run);
  const field = search.field ?? "temperature";
  const isPast = search.tick !== undefined;
  const tickSeconds = Number(run.tick_s);
  const newest = Math.max(figures.tick ?? 0, run.tick);
  const unit = unitOf(field, run);
  const why = whyNotSteered(run.status, isPast);
  const locked = search.low !== undefined && search.high !== undefined ? { low: search.low, high: search.high } : undefined;
  const cut = search.axis === undefined ? undefined : AXES.indexOf(search.axis);
  const axes = drawnAxes(body.cells, cut);
  const slice = search.at ?? Math.floor((body.cells[axes.cut ?? 0] ?? 1) / 2);

  useTitle(run);
  useEffect(() => stream.rest(run.status !== "running"), [stream, run.status]);
  const isStopped = isOver(run.status);
  useEffect(() => stream.showField(isPast || isStopped ? null : field), [stream, field, isPast, isStopped]);
  const shownTick = search.tick ?? (isStopped && run.tick > 0 ? run.tick : undefined);
  useEffect(() => {
    if (shownTick === undefined) past.clear();
    else past.want(field, shownTick);
  }, [past, field, shownTick]);
  useEffect(() => () => past.clear(), [past]);

  const lastEvent = events.at(-1);
  useEffect(() => {
    if (lastEvent === undefined) return;
    if (["state", "switch", "mode", "applied", "refused"].includes(lastEvent.kind)) onState();
    if (lastEvent.kind === "alert") void alerts.refetch();
    if (lastEvent.kind === "applied" || lastEvent.kind === "refused") void commandList.refetch();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new event alone asks anew
  }, [lastEvent?.n]);
  const applied = ghosts.filter((ghost) => ghost.state === "applied").map((ghost) => ghost.clientId).join();
  useEffect(() => {
    if (applied === "") return undefined;
    const gone = applied.split(",");
    const timer = window.setTimeout(() => setGhosts((old) => old.filter((ghost) => !gone.includes(ghost.clientId))), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [applied]);

  const isFromPast = shownTick !== undefined;
  const source = useMemo<FieldSource>(
    () =>
      isFromPast
        ? { current: () => past.getState().frame, onFrame: past.follow, onDrawn: () => undefined }
        : { current: () => stream.frame, onFrame: stream.onFrame, onDrawn: (frame) => stream.grant(frame) },
    [isFromPast, past, stream],
  );
  const thresholds = useMemo(() => readThresholds(rules.data?.rules ?? []), [rules.data]);
  const lines = thresholds[METRIC_OF[field] ?? ""] ?? NONE;
  const isolines = useMemo(() => (field === "utilisation" ? [...lines, 1] : lines), [field, lines]);
  const names = useMemo(() => new Map((commandList.data ?? []).map((item) => [item.seq, nameOf(item)])), [commandList.data]);
  const commandName = useCallback((seq: number) => names.get(seq), [names]);
  const marks = useMemo(
    () => events.filter((event) => event.kind === "switch").slice(-20).map((event) => ({ at: event.tick * tickSeconds, label: String(event.payload["model"] ?? "") })),
    [events, tickSeconds],
  );

  const draft = ghosts.find((ghost) => ghost.state === "draft");
  const draw = (cell: [number, number], radius: number) => {
    const least = 2 * ((body.size?.[axes.across] ?? 1) / (body.cells[axes.across] ?? 1));
    setGhosts((old) => [
      ...old.filter((ghost) => ghost.state !== "draft" && ghost.state !== "refused" && ghost.state !== "failed"),
      {
        clientId: crypto.randomUUID(), cell, radius: radius > 0 ? Math.max(least, radius) : Math.max(least, draft?.radius ?? 0.05 * (body.size?.[axes.across] ?? 1)),
        power: draft?.power ?? 800, duration: draft?.duration ?? 60, state: "draft",
      },
    ]);
  };
  const drop = () => setGhosts((old) => old.filter((ghost) => ghost.state !== "draft"));
  const send = async (ghost: Ghost) => {
    const part = (change_: Partial<Ghost>) => setGhosts((old) => change(old, ghost.clientId, change_));
    part({ state: "sending" });
    const late = window.setTimeout(() => part({ state: "late" }), LATE_MS);
    try {
      const event = {
        kind: "burst", position_m: positionOf(body, ghost.cell, cut, slice), radius_m: ghost.radius, power_w: ghost.power, duration_s: ghost.duration,
      };
      const answer = await sendEvent(run.id, event, ghost.clientId);
      part({ state: "sent", seq: answer.seq });
      announce(`The burst is accepted as #${answer.seq}.`);
    } catch (failure) {
      part({ state: "failed", reason: asProblem(failure).detail });
      announce(`The burst was not sent: ${asProblem(failure).detail}`);
    } finally {
      window.clearTimeout(late);
    }
  };
  const sendDraft = () => (draft === undefined ? undefined : void send(draft));
  const sendOther = async (event: Record<string, unknown>, title: string) => {
    try {
      const answer = await sendEvent(run.id, event, crypto.randomUUID());
      announce(`${title} is accepted as #${answer.seq}.`);
    } catch (failure) {
      const problem = asProblem(failure);
      announce(`${title} was refused: ${problem.detail} ${problem.errors.map((item) => `${item.field}: ${item.message}`).join("; ")}`);
    }
  };
  const unacknowledged = ghosts.find((ghost) => ghost.state === "late" || ghost.state === "failed");

  const onTick = (tick: number | undefined) => onSearch({ tick: tick !== undefined && tick >= newest && !isStopped ? undefined : tick });
  const fields = run.has_structure === false ? FIELDS.slice(0, 1) : FIELDS;
  const toggleLock = () => onSearch(locked === undefined ? { low: span?.low, high: span?.high } : { low: undefined, high: undefined });
  const showField = (next: FieldName) => onSearch({ field: next === "temperature" ? undefined : next, low: undefined, high: undefined });
  useKeys([
    ...fields.map((name, place) => ({ keys: String(place + 1), does: WORDS[name], run: () => showField(name) })),
    { keys: "l", does: "Lock the scale", run: toggleLock },
    { keys: " ", does: "Hold the picture, not the run", run: () => setHeld((old) => !old) },
  ]);

  const onSpan = useCallback((next: Span) => setSpan((old) => (old?.low === next.low && old.high === next.high ? old : next)), []);
  const known = knownSpan(stream);
  const pastLine = search.tick === undefined ? undefined : { tick: search.tick, time: search.tick * tickSeconds };
  const shared = { field, unit, locked, thresholds: isolines, cut, slice, known };
  return (
    <div className={classes["page"]}>
      <RunLine
        run={run} figures={figures} alerts={alerts.data ?? []} link={link} past={pastLine}
        actions={isPast ? <Button size="compact-sm" variant="filled" onClick={() => onTick(undefined)}>To live</Button> : null}
      />
      {error !== undefined && <Problem error={error} />}
      <div className={classes["tools"]}>
        <SegmentedControl
          size="xs" aria-label="Field" value={field} onChange={(value) => showField(value as FieldName)}
          data={fields.map((name) => ({ value: name, label: WORDS[name] }))}
        />
        <Switch size="xs" label="Lock scale" checked={locked !== undefined} onChange={toggleLock} />
        <Switch size="xs" label="Hold picture" checked={isHeld} onChange={(event) => setHeld(event.currentTarget.checked)} />
        {axes.cut !== undefined && (
          <>
            <NativeSelect size="xs" aria-label="Slice normal to" data={openAxes(body.cells).map((axis) => ({ value: AXES[axis] ?? "z", label: `slice in ${AXES[axis] ?? ""}` }))}
              value={AXES[axes.cut]} onChange={(event) => onSearch({ axis: event.currentTarget.value as "x" | "y" | "z", at: undefined })} />
            <input type="range" aria-label="Slice" min={0} max={(body.cells[axes.cut] ?? 1) - 1} value={slice} onChange={(event) => onSearch({ at: Number(event.currentTarget.value) })} />
          </>
        )}
        <span style={{ flex: 1 }} />
        <Steer run={run} isPast={isPast} tick={search.tick} onBranch={(id) => onSearch({ beside: id, tick: undefined })} />
      </div>
      <div className={classes["main"]}>
        <div className={classes["left"]}>
          <div className={classes["fields"]}>
            <Panel isFlush>
              <LiveField
                {...shared} title={WORDS[field]} body={body} source={source} onSpan={onSpan} isPast={isPast}
                isStale={!isPast && !isStopped && (figures.isStale || link.state !== "open")} isHeld={isHeld} ghosts={ghosts}
                canSteer={why === undefined} onDraw={draw} onSend={sendDraft} onDrop={drop}
                empty={<Waiting run={run} isPast={isFromPast} error={isFromPast ? pastState.error : figures.error} />}
              />
            </Panel>
            {search.beside !== undefined && beside.data !== undefined && (
              <Beside key={beside.data.id} run={beside.data} shared={{ ...shared, locked: locked ?? span }} onClose={() => onSearch({ beside: undefined })} />
            )}
          </div>
          <Panel isFlush>
            <Suspense fallback={<div style={{ height: TREND_HEIGHT + 32 }} />}>
              <Trends
                stream={stream} unit={unitOf("temperature", run)} trend={search.trend ?? "temperature"} metrics={figures.metrics} marks={marks} thresholds={thresholds}
                onTrend={(trend) => onSearch({ trend: trend === "temperature" ? undefined : trend })} cursor={pastLine?.time ?? null} height={TREND_HEIGHT}
              />
            </Suspense>
          </Panel>
        </div>
        <div className={classes["right"]}>
          <AlertsPanel alerts={alerts.data ?? []} error={alerts.error} onTick={onTick} />
          <Panel title="Inject">
            <Inject
              dimension={body.cells.length} temperatureUnit={unitOf("temperature", run)} draft={draft} why={why}
              onDraft={(part) => draft !== undefined && setGhosts((old) => change(old, draft.clientId, part))}
              onBegin={() => draw(centreCell(body, cut), 0)} onSend={sendDraft} onDrop={drop} onEvent={(event, title) => void sendOther(event, title)}
            />
            {unacknowledged !== undefined && (
              <Button size="compact-sm" mt={8} onClick={() => void send(unacknowledged)}>Send again, acts once</Button>
            )}
          </Panel>
        </div>
      </div>
      <Panel isFlush>
        {isFromPast && pastState.error !== undefined && <Problem error={pastState.error} />}
        <Timeline events={events} commandName={commandName} newest={newest} tickSeconds={tickSeconds} tick={search.tick} onTick={onTick} />
      </Panel>
    </div>
  );
}

const NONE: readonly number[] = [];
const ignore = () => undefined;

/** The picture of a branch beside its trunk, on the scale of the trunk. */
function Beside({ run, shared, onClose }: {
  run: Run;
  shared: Pick<Parameters<typeof LiveField>[0], "field" | "unit" | "locked" | "thresholds" | "cut" | "slice" | "known">;
  onClose: () => void;
}) {
  const stream = useRunStream(run.id);
  const figures = useFigures(stream);
  const body = useBody(run);
  useEffect(() => stream.showField(isOver(run.status) ? null : shared.field), [stream, shared.field, run.status]);
  const source = useMemo<FieldSource>(
    () => ({ current: () => stream.frame, onFrame: stream.onFrame, onDrawn: (frame) => stream.grant(frame) }),
    [stream],
  );
  return (
    <Panel
      isFlush title={`${run.name} (${run.status}), tick ${figures.tick ?? run.tick}`}
      actions={<Button size="compact-sm" onClick={onClose}>Close</Button>}
    >
      <LiveField
        {...shared} title="Branch" body={body} source={source} onSpan={ignore} isPast={false} isStale={figures.isStale} isHeld={false}
        ghosts={[]} canSteer={false} empty={<Waiting run={run} isPast={false} error={figures.error} />}
      />
    </Panel>
  );
}

function Waiting({ run, isPast, error }: { run: Run; isPast: boolean; error: unknown }) {
  if (isPast) return error === undefined ? <EmptyState title="The past is computed again">From the nearest snapshot and the log.</EmptyState> : null;
  if (typeof error === "string") return <EmptyState title="The picture cannot be read">{error}</EmptyState>;
  if (isOver(run.status)) return <EmptyState title={`The run has ${run.status === "failed" ? "failed" : "stopped"}`}>{run.message}</EmptyState>;
  return <EmptyState title={run.activity === "compiling" ? "Kernels are compiled" : "No picture yet"}>{run.message}</EmptyState>;
}

function useBody(run: Run): Body {
  const key = JSON.stringify([run.cells, run.origin_m, run.size_m]);
  return useMemo(() => {
    const [cells, origin, size] = JSON.parse(key) as [number[] | null, number[] | null, number[] | null];
    const known = size !== null && size.length > 0;
    return { cells: cells ?? [1], origin: known ? origin : null, size: known ? size : null };
  }, [key]);
}

function useTitle(run: Run): void {
  useEffect(() => {
    document.title = `${run.name === "" ? (run.scenario ?? "Run") : run.name} · Grid`;
  }, [run.name, run.scenario]);
}

function unitOf(field: FieldName, run: Run): string {
  if (field === "temperature") return run.temperature_unit === "relative" || run.temperature_unit === null || run.temperature_unit === undefined ? "" : run.temperature_unit;
  return field === "stress" ? "Pa" : "1";
}

function readThresholds(rules: readonly Record<string, unknown>[]): Readonly<Record<string, readonly number[]>> {
  const found: Record<string, number[]> = {};
  for (const rule of rules) {
    const { metric, raise } = rule;
    if (typeof metric !== "string" || typeof raise !== "number" || rule["op"] === "<") continue;
    (found[metric] ??= []).push(raise);
  }
  return found;
}

function nameOf(command: { readonly kind: string; readonly payload: Readonly<Record<string, unknown>> }): string {
  const kind = command.payload["kind"];
  const model = command.payload["model"];
  if (command.kind === "event" && typeof kind === "string") return kind;
  return typeof model === "string" ? `${command.kind} ${model}` : command.kind;
}

/** Ends of the temperature over what the samples know. */
function knownSpan(stream: { rings: { last: (name: string) => number | undefined; windows: (names: readonly string[]) => Float64Array[] } }): Span | undefined {
  const [, lowest, highest] = stream.rings.windows(["lowest", "highest"]);
  if (lowest === undefined || highest === undefined || lowest.length === 0) return undefined;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of lowest) if (value < low) low = value;
  for (const value of highest) if (value > high) high = value;
  return Number.isFinite(low + high) ? { low, high } : undefined;
}

function centreCell(body: Body, cut: number | undefined): [number, number] {
  const { across, up } = drawnAxes(body.cells, cut);
  return [Math.floor((body.cells[across] ?? 1) / 2), up === undefined ? 0 : Math.floor((body.cells[up] ?? 1) / 2)];
}

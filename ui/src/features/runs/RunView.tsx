import { useQuery } from "@tanstack/react-query";
import { Button, SegmentedControl, Switch } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { useKeys } from "@/components/keyboard";
import { CODEC, useLink } from "@/components/live";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { formatAge } from "@/lib/format";
import type { Frame } from "@/lib/frame";
import { FIELDS, type FieldName, type RunSearch, type TrendName } from ".";
import { AlertsPanel } from "./AlertsPanel";
import type { Scene } from "./events";
import { FieldArea } from "./FieldArea";
import { type Body, drawnAxes, planesOf, toBody } from "./geometry";
import type { Ghost } from "./ghosts";
import { STATES } from "./Legends";
import { alertsQuery, commandsQuery, fetchWhole, type Run, rulesQuery, runQuery } from "./queries";
import { RunLine } from "./RunLine";
import { SaveMenu } from "./SaveMenu";
import type { Span } from "./scale";
import { isOver, whyNotSteered } from "./states";
import { Steer } from "./Steer";
import type { RunStream } from "./stream";
import { Timeline } from "./Timeline";
import { LINES } from "./trendLines";
import { MAPS, type FieldSource } from "./useFieldPainter";
import type { Bursts } from "./useInjection";
import { useBody, useTitle } from "./useRun";
import { useEvents, useFigures, usePast, useRunStream } from "./useRunStream";
import { Waiting } from "./Waiting";
import classes from "./run.module.css";

const Beside = lazy(() => import("./Beside"));
const Inject = lazy(() => import("./Inject")); // with the forms, which nobody needs to see the field
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
  const planes = planesOf(body.cells, [search.x, search.y, search.z]);
  const scene = useMemo<Scene>(
    () => ({ body, temperatureUnit: temperatureOf(run.temperature_unit), hasStructure: run.has_structure !== false }),
    [body, run.temperature_unit, run.has_structure],
  );
  const [bursts, setBursts] = useState<Bursts>();

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

  const isFromPast = shownTick !== undefined;
  const liveSource = useLiveSource(stream);
  const source = useMemo<FieldSource>(
    () => (isFromPast ? { current: () => past.getState().frame, onFrame: past.follow, onDrawn: () => undefined } : liveSource),
    [isFromPast, past, liveSource],
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

  const onTick = (tick: number | undefined) => onSearch({ tick: tick !== undefined && tick >= newest && !isStopped ? undefined : tick });
  const fields = run.has_structure === false ? FIELDS.slice(0, 1) : FIELDS;
  const toggleLock = () => onSearch(locked === undefined ? { low: span?.low, high: span?.high } : { low: undefined, high: undefined });
  const showField = (next: FieldName) => onSearch({ field: next === "temperature" ? undefined : next, low: undefined, high: undefined });
  useKeys([
    ...fields.map((name, place) => ({ keys: String(place + 1), does: WORDS[name], run: () => showField(name) })),
    { keys: "l", does: "Lock the scale", run: toggleLock },
    { keys: " ", does: "Hold the picture, not the run", run: () => setHeld((old) => !old) },
    ...(why === undefined && bursts !== undefined ? [{ keys: "e", does: "A burst at the centre", run: () => bursts.draw(centreOfBody(body, planes), 0) }] : []),
  ]);

  const onSpan = useCallback((next: Span) => setSpan((old) => (old?.low === next.low && old.high === next.high ? old : next)), []);
  const pastLine = search.tick === undefined ? undefined : { tick: search.tick, time: search.tick * tickSeconds };
  const isStale = !isPast && !isStopped && (figures.isStale || link.state !== "open");
  const stale = !isStale ? undefined : figures.ageMs === undefined ? "not connected" : formatAge(figures.ageMs / 1000).replace(" ago", " old");
  const shared = { field, unit, locked, thresholds: isolines, cut: undefined, planes, known: knownSpan(stream) };
  const trend = search.trend ?? "temperature";
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
        <span style={{ flex: 1 }} />
        <Steer run={run} isPast={isPast} tick={search.tick} onBranch={(id) => onSearch({ beside: id, tick: undefined })} />
        <SaveMenu
          name={run.name === "" ? (run.scenario ?? "run") : run.name} body={body} frame={source.current} whole={() => loadWhole(run.id, field)} title={WORDS[field]} unit={unit} map={MAPS[field]}
          span={locked ?? span} names={field === "state" ? STATES : undefined} trends={() => trendColumns(stream, trend, unitOf("temperature", run))} events={events} commandName={commandName} newest={newest} tickSeconds={tickSeconds}
        />
      </div>
      <div className={classes["main"]}>
        <div className={classes["left"]}>
          <div className={classes["fields"]}>
            <Panel isFlush>
              <FieldArea
                {...shared} runId={run.id} title={WORDS[field]} body={body} source={source} liveSource={liveSource} span={span} onSpan={onSpan} isPast={isPast} stale={stale}
                isHeld={isHeld} ghosts={bursts?.ghosts ?? NO_GHOSTS} canSteer={why === undefined && bursts !== undefined}
                onDraw={(at, radius) => bursts?.draw(at, radius)} onSend={() => void bursts?.send()} onDrop={() => bursts?.drop()}
                onPlanes={(next) => onSearch({ x: next[0], y: next[1], z: next[2] })} newest={newest} stored={run.tick} tick={search.tick} onTick={onTick} tickSeconds={tickSeconds}
                empty={<Waiting run={run} isPast={isFromPast} error={isFromPast ? pastState.error : figures.error} />}
              />
            </Panel>
            {search.beside !== undefined && beside.data !== undefined && (
              <Suspense fallback={null}>
                <Beside key={beside.data.id} run={beside.data} shared={{ ...shared, locked: locked ?? span }} onClose={() => onSearch({ beside: undefined })} />
              </Suspense>
            )}
          </div>
          <Panel isFlush>
            <Suspense fallback={<div style={{ height: TREND_HEIGHT + 32 }} />}>
              <Trends
                stream={stream} unit={unitOf("temperature", run)} trend={trend} metrics={figures.metrics} marks={marks} thresholds={thresholds}
                onTrend={(next) => onSearch({ trend: next === "temperature" ? undefined : next })} cursor={pastLine?.time ?? null} height={TREND_HEIGHT}
              />
            </Suspense>
          </Panel>
        </div>
        <div className={classes["right"]}>
          <AlertsPanel alerts={alerts.data ?? []} error={alerts.error} onTick={onTick} />
          <Panel title="Inject">
            <Suspense fallback={null}><Inject runId={run.id} scene={scene} events={events} why={why} onBursts={setBursts} /></Suspense>
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
const NO_GHOSTS: readonly Ghost[] = [];

async function loadWhole(runId: string, field: FieldName): Promise<Frame> {
  const [bytes, frames] = await Promise.all([fetchWhole(runId, field, CODEC), import("@/live/frames")]);
  return frames.decodeFrame(bytes);
}

/** Frames of the stream, granted once they are drawn. */
function useLiveSource(stream: RunStream): FieldSource {
  return useMemo(() => ({ current: () => stream.frame, onFrame: stream.onFrame, onDrawn: (frame) => stream.grant(frame) }), [stream]);
}

function temperatureOf(unit: Run["temperature_unit"]): string {
  return unit === "relative" || unit === null || unit === undefined ? "" : unit;
}

function unitOf(field: FieldName, run: Run): string {
  if (field === "temperature") return temperatureOf(run.temperature_unit);
  return field === "stress" ? "Pa" : "1";
}

/** What the trends show, as columns of a table. */
function trendColumns(stream: RunStream, trend: TrendName, temperature: string) {
  const lines = LINES[trend];
  const heads = lines.map((line) => `${line.label} [${line.unit === "temperature" ? temperature : line.unit}]`);
  return { heads: ["time [s]", ...heads.map((head) => head.replace(/ \[1?\]$/, ""))], columns: stream.rings.windows(lines.map((line) => line.metric)) };
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

/** The middle of a body, in the planes that are shown. */
function centreOfBody(body: Body, planes: readonly number[]): number[] {
  const { across, up } = drawnAxes(body.cells, undefined);
  const middle = (axis: number | undefined) => Math.floor((body.cells[axis ?? 0] ?? 1) / 2);
  return toBody(body, [middle(across), up === undefined ? 0 : middle(up)], undefined, planes);
}

import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { formatNumber, formatQuantity } from "@/lib/format";
import { printUnit } from "@/lib/units";
import { type Frame, scaleOf } from "@/lib/frame";
import { makeHeatmap, type HeatmapPainter } from "@/draw/heatmap";
import { lutOf, type MapName } from "@/draw/luts";
import { slicePlane } from "@/draw/planes";
import { findExtremes } from "@/draw/scale";
import type { FieldName } from ".";
import { AXES, type Body, centreOf, drawnAxes, fit, lengthOf, moveCell, toFull } from "./geometry";
import { describe, type Ghost } from "./ghosts";
import { LEAST_SPANS, RunScale, type Span } from "./scale";
import classes from "./run.module.css";

const MAPS: Readonly<Record<FieldName, MapName>> = {
  temperature: "cividis", utilisation: "cividis", stress: "viridis", damage: "viridis", state: "cividis",
};
const NAMES: Readonly<Record<FieldName, string>> = {
  temperature: "Temperature", stress: "Stress", utilisation: "Utilisation", damage: "Damage", state: "State",
};
const STATES = ["sound", "yielding", "failed"] as const;
const READ_MS = 250;
const LEGEND = 96; // pixels beside the picture

export interface FieldSource {
  readonly current: () => Frame | null;
  readonly onFrame: (paint: () => void) => () => void;
  readonly onDrawn: (frame: Frame) => void;
}

interface Props {
  readonly title: string;
  readonly body: Body;
  readonly field: FieldName;
  readonly unit: string;
  readonly source: FieldSource;
  /** Ends of a locked scale; absent: the scale of the run. */
  readonly locked: Span | undefined;
  readonly onSpan: (span: Span) => void;
  readonly thresholds: readonly number[];
  readonly cut: number | undefined;
  readonly slice: number;
  readonly isPast: boolean;
  readonly isStale: boolean;
  readonly isHeld: boolean;
  /** Ends of the temperature over the whole run, from its samples. */
  readonly known: Span | undefined;
  readonly ghosts: readonly Ghost[];
  readonly canSteer: boolean;
  /** A burst is drawn, from a cell with a radius [m]. */
  readonly onDraw?: (cell: [number, number], radius: number) => void;
  readonly onSend?: () => void;
  readonly onDrop?: () => void;
  readonly empty: ReactNode;
}

/** What is read off a picture four times a second at most. */
interface Reading {
  readonly probed: readonly [number, number] | undefined;
  readonly probe: number | undefined;
  readonly highest: number | undefined;
  readonly hottest: readonly [number, number] | undefined;
  readonly span: Span;
  readonly size: readonly [number, number];
  readonly number: number;
  readonly time: number;
}

/** The field of a run as a heatmap, with its legend, the worst cell, a probe and the bursts that are on their way. */
export function LiveField(props: Props) {
  const { body, field, unit, source, ghosts, onDraw, canSteer } = props;
  const room = useRef<HTMLDivElement>(null);
  const holder = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  const cursor = useRef<[number, number] | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [reading, setReading] = useState<Reading | null>(null);
  const [drag, setDrag] = useState<{ cell: [number, number]; radius: number } | null>(null);
  const repaint = useRef<() => void>(() => undefined);
  const kept = useRef<{ readonly key: string; readonly scale: RunScale } | null>(null);
  const painterRef = useRef<HeatmapPainter | null>(null);
  useLayoutEffect(() => {
    latest.current = props;
    repaint.current();
  });
  const { across, up } = drawnAxes(body.cells, props.cut);

  useLayoutEffect(() => {
    const element = room.current;
    if (element === null) return undefined;
    const measure = () => {
      const next = fit(element.clientWidth - 24 - LEGEND, element.clientHeight - 20, lengthOf(body, across), lengthOf(body, up));
      setSize((old) => (old.width === next.width && old.height === next.height ? old : next));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [body, across, up]);

  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const canvas = document.createElement("canvas");
    element.prepend(canvas);
    const painter = makeHeatmap(canvas);
    painterRef.current = painter;
    canvas.dataset["painter"] = painter.kind;
    const key = `${field} ${body.cells.join()}`;
    if (kept.current?.key !== key) kept.current = { key, scale: new RunScale(LEAST_SPANS[field] ?? null) };
    const { scale } = kept.current; // the same for live pictures and those of the past
    let request = 0;
    let readAt = 0;
    let drawn: Frame | null = null;
    const paint = () => {
      request = 0;
      const { locked, thresholds, cut, slice, isHeld, known } = latest.current;
      const fresh = source.current();
      const frame = isHeld && drawn !== null ? drawn : fresh;
      if (fresh !== null) source.onDrawn(fresh);
      if (frame === null) return;
      drawn = frame;
      const axes = drawnAxes(body.cells, cut);
      const plane = axes.cut === undefined ? frame : slicePlane(frame, axes.cut, Math.floor(slice / 2 ** frame.level));
      if (field === "temperature" && known !== undefined) scale.widen(known.low, known.high);
      const ends = findExtremes(frame);
      if (ends !== null) scale.widen(ends.low, ends.high);
      const span = locked ?? scale.span;
      const shown = axes.cut === undefined ? ends : findExtremes(plane);
      const [columns, rows] = planeCells(plane);
      const hottest = shown === null ? undefined : cellOf(shown.highCell, rows);
      const at = cursor.current;
      painter.draw(plane, {
        map: MAPS[field], ...span,
        isolines: thresholds.filter((value) => value > span.low && value < span.high).map((value) => ({ value, double: field === "utilisation" && value === 1 })),
        marks: [
          ...(hottest === undefined || field === "state" ? [] : [{ x: hottest[0], y: hottest[1], kind: "hottest" as const }]),
          ...(at === null ? [] : [{ x: Math.min(at[0], columns - 1), y: Math.min(at[1], rows - 1), kind: "probe" as const }]),
        ],
      });
      canvas.dataset["tick"] = String(frame.tick);
      const now = performance.now();
      if (now - readAt < READ_MS) return;
      readAt = now;
      setReading({
        probed: at ?? undefined, probe: at === null ? undefined : valueAt(plane, at, rows), highest: shown?.high, hottest, span, size: [columns, rows],
        number: frame.number, time: frame.time,
      });
    };
    const ask = () => {
      if (request === 0) request = requestAnimationFrame(paint);
    };
    repaint.current = () => {
      readAt = 0;
      ask();
    };
    const stop = source.onFrame(ask);
    ask();
    return () => {
      stop();
      cancelAnimationFrame(request);
      repaint.current = () => undefined;
      painter.destroy();
      painterRef.current = null;
      canvas.remove();
      setReading(null);
    };
  }, [source, field, body]);

  useEffect(() => {
    if (size.width > 0) painterRef.current?.resize(size.width, size.height);
    repaint.current();
  }, [size, field, source]);

  const { onSpan } = props;
  const span = reading?.span;
  useEffect(() => {
    if (span !== undefined) onSpan(span);
  }, [span, onSpan]);

  const cells = reading?.size ?? [1, 1];
  const full = [body.cells[across] ?? 1, up === undefined ? 1 : (body.cells[up] ?? 1)] as const;
  const inFull = (cell: readonly [number, number]): [number, number] => 
    moveCell([toFull(cell[0], cells[0], full[0]), toFull(cell[1], cells[1], full[1])], 0, 0, full);
  const metres = lengthOf(body, across) / Math.max(1, size.width);
  const cellUnder = (event: PointerEvent): [number, number] | null => {
    const box = event.currentTarget.getBoundingClientRect();
    const picked = painterRef.current?.pick(event.clientX - box.left, event.clientY - box.top) ?? null;
    return picked === null ? null : [picked[0] ?? 0, picked[1] ?? 0];
  };
  const begin = (event: PointerEvent<HTMLDivElement>) => {
    const cell = cellUnder(event);
    if (cell === null || event.button !== 0) return;
    cursor.current = cell;
    repaint.current();
    if (!canSteer || onDraw === undefined) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    // by the pointer, not by the cell: the level of the pictures may have changed since the last reading
    const box = event.currentTarget.getBoundingClientRect();
    const [right, above] = [(event.clientX - box.left) / size.width, 1 - (event.clientY - box.top) / size.height];
    setDrag({ cell: moveCell([Math.floor(right * full[0]), Math.floor(above * full[1])], 0, 0, full), radius: 0 });
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    if (drag === null) {
      cursor.current = cellUnder(event);
      repaint.current();
      return;
    }
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = placeOf(drag.cell, full, size);
    setDrag({ cell: drag.cell, radius: Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) * metres });
  };
  const end = () => {
    if (drag !== null && drag.radius > 3 * metres) onDraw?.(drag.cell, drag.radius);
    setDrag(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const far = event.shiftKey ? 10 : 1;
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, far], ArrowDown: [0, -far],
    };
    const step = moves[event.key];
    const draft = ghosts.find((ghost) => ghost.state === "draft");
    if (step !== undefined) {
      const from = cursor.current ?? reading?.hottest ?? [Math.floor(cells[0] / 2), Math.floor(cells[1] / 2)];
      cursor.current = moveCell(from, step[0], step[1], cells);
      repaint.current();
    } else if (event.key === "Enter" && draft !== undefined) props.onSend?.();
    else if (event.key === "Enter" && canSteer && cursor.current !== null) onDraw?.(inFull(cursor.current), 0);
    else if (event.key === "Escape" && draft !== undefined) props.onDrop?.();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const place = (axis: number | undefined, cell: number) =>
    axis === undefined ? "" : `${AXES[axis] ?? ""} ${formatNumber(centreOf(body, axis, cell), 3)}`;
  const where = (cell: readonly [number, number]) => {
    const [right, above] = inFull(cell);
    return [place(across, right), place(up, above)].filter((text) => text !== "").join(", ") + (body.size === null ? "" : "\u2009m");
  };
  const ended = span ?? { low: 0, high: 1 };
  const sentence = reading === null
    ? `${NAMES[field]}: no picture yet`
    : `${NAMES[field]}, ${formatNumber(ended.low)} to ${formatQuantity(ended.high, unit)}, highest ${formatQuantity(reading.highest, unit)}` +
      (reading.hottest === undefined ? "" : ` at ${where(reading.hottest)}`);
  return (
    <div className={classes["field"]}>
      <div className={classes["picture"]}>
        <div ref={room} className={classes["room"]}>
          {reading === null && <div style={{ position: "absolute" }}>{props.empty}</div>}
          <div
            ref={holder}
            className={classes["frame"]}
            style={{ width: size.width, height: size.height, visibility: reading === null ? "hidden" : "visible" }}
            data-past={props.isPast || undefined}
            data-stale={props.isStale || undefined}
            role="application"
            aria-roledescription="field"
            aria-label={`${sentence}. Arrows move the probe${canSteer ? ", Enter begins a burst there" : ""}.`}
            tabIndex={0}
            onPointerDown={begin}
            onPointerMove={move}
            onPointerUp={end}
            onPointerCancel={() => setDrag(null)}
            onKeyDown={onKeyDown}
          >
            {props.isPast && <div className={classes["hatch"]} />}
            <svg className={classes["overlay"]} aria-hidden="true">
              {ghosts.map((ghost) => (
                <GhostRing key={ghost.clientId} at={placeOf(ghost.cell, full, size)} radius={ghost.radius / metres} state={ghost.state} />
              ))}
              {drag !== null && <GhostRing at={placeOf(drag.cell, full, size)} radius={drag.radius / metres} state="draft" />}
            </svg>
            {ghosts.map((ghost) => {
              const [x, y] = placeOf(ghost.cell, full, size);
              return (
                <span key={ghost.clientId} className={classes["tag"]} style={{ left: Math.min(x + 10, size.width - 120), top: Math.max(0, y - 32) }}>
                  {describe(ghost)}
                </span>
              );
            })}
          </div>
          {reading !== null && (field === "state" ? <StateLegend /> : <Legend map={MAPS[field]} span={ended} unit={unit} isLocked={props.locked !== undefined} />)}
        </div>
      </div>
      <p className={classes["foot"]} style={{ margin: 0 }}>
        <span>
          {reading === null ? "" : field === "state" ? "" : (
            <>✕ highest <b>{formatQuantity(reading.highest, unit)}</b>{reading.hottest !== undefined && ` at ${where(reading.hottest)}`}</>
          )}
        </span>
        <span aria-live="polite">
          {reading?.probe === undefined || reading.probed === undefined
            ? "probe: point at a cell, or use the arrows"
            : <>probe {where(reading.probed)}: <b>{field === "state" ? STATES[reading.probe] ?? "–" : formatQuantity(reading.probe, unit)}</b></>}
        </span>
      </p>
      <span className={classes["unseen"]} role="img" aria-label={sentence} />
    </div>
  );
}

function GhostRing(props: { at: readonly [number, number]; radius: number; state: Ghost["state"] }) {
  const { at: [x, y], radius, state } = props;
  const isWhole = state === "applied";
  const colour = state === "refused" || state === "failed" || state === "late" ? "var(--grid-high)" : "var(--grid-accent)";
  const r = Math.max(4, radius);
  return (
    <g fill="none" data-ghost={state}>
      <circle cx={x} cy={y} r={r} stroke="var(--grid-surface)" strokeWidth="4" />
      <circle cx={x} cy={y} r={r} stroke={colour} strokeWidth="2" {...(isWhole ? {} : { strokeDasharray: state === "sent" ? "10 4" : "4 4" })} />
      <circle cx={x} cy={y} r="2" fill={colour} />
    </g>
  );
}

function Legend({ map, span, unit, isLocked }: { map: MapName; span: Span; unit: string; isLocked: boolean }) {
  return (
    <div className={classes["legend"]}>
      <b>{formatNumber(span.high)}</b>
      <div className={classes["bar"]} style={{ background: gradient(map) }} />
      <b>{formatNumber(span.low)}</b>
      <span>{printUnit(unit) || "no unit"}</span>
      <span title="Equal colours are equal values">{isLocked ? "locked" : "over the run"}</span>
    </div>
  );
}

function StateLegend() {
  const colours = lutOf("cividis");
  return (
    <div className={classes["legend"]}>
      <div className={classes["states"]}>
        {STATES.map((name, place) => {
          const at = 3 * Math.round((place / 2) * 255);
          return (
            <span key={name}>
              <i style={{ display: "inline-block", width: 12, height: 12, marginRight: 6, background: `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})` }} />
              {name}
            </span>
          );
        })}
      </div>
    </div>
  );
}

function gradient(map: MapName): string {
  const colours = lutOf(map);
  const stops = Array.from({ length: 17 }, (_, place) => {
    const at = 3 * Math.round((place / 16) * 255);
    return `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})`;
  });
  return `linear-gradient(to top, ${stops.join(", ")})`;
}

/** Columns and rows of a plane: axes with more than one cell, in their order. */
function planeCells(plane: Frame): [number, number] {
  const open = plane.shape.filter((count) => count > 1);
  return [open[0] ?? 1, open[1] ?? 1];
}

function cellOf(place: number, rows: number): [number, number] {
  return [Math.floor(place / rows), place % rows];
}

function valueAt(plane: Frame, [column, row]: readonly [number, number], rows: number): number | undefined {
  const code = plane.codes[column * rows + row];
  return code === undefined || code === plane.masked ? undefined : plane.low + scaleOf(plane) * code;
}

/** Centre of a cell in pixels from the upper left. */
function placeOf(cell: readonly [number, number], cells: readonly [number, number], size: { width: number; height: number }): [number, number] {
  return [((cell[0] + 0.5) / cells[0]) * size.width, (1 - (cell[1] + 0.5) / cells[1]) * size.height];
}

/** The loop that draws a field of a run: newest frame, its plane, its scale, what is read off it. */
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { makeHeatmap, type HeatmapPainter } from "@/draw/heatmap";
import type { MapName } from "@/draw/luts";
import { slicePlane } from "@/draw/planes";
import { findExtremes } from "@/draw/scale";
import { type Frame, scaleOf } from "@/lib/frame";
import type { FieldName } from ".";
import { type Body, drawnAxes } from "./geometry";
import { LEAST_SPANS, RunScale, type Span } from "./scale";

export const MAPS: Readonly<Record<FieldName, MapName>> = {
  temperature: "cividis", utilisation: "cividis", stress: "viridis", damage: "viridis", state: "cividis",
};
const READ_MS = 250;

export interface FieldSource {
  readonly current: () => Frame | null;
  readonly onFrame: (paint: () => void) => () => void;
  readonly onDrawn: (frame: Frame) => void;
}

/** What a picture is drawn with. */
export interface Picture {
  readonly body: Body;
  readonly field: FieldName;
  readonly source: FieldSource;
  /** Ends of a locked scale; absent: the scale of the run. */
  readonly locked: Span | undefined;
  readonly thresholds: readonly number[];
  /** The axis that the plane is normal to, in a body of three, and its cell there. */
  readonly cut: number | undefined;
  readonly slice: number;
  readonly isHeld: boolean;
  /** Ends of the temperature over the whole run, from its samples. */
  readonly known: Span | undefined;
  /** Makes what draws it; absent: a heatmap. */
  readonly makePainter?: (canvas: HTMLCanvasElement) => HeatmapPainter;
}

/** What is read off a picture four times a second at most. */
export interface Reading {
  readonly probed: readonly [number, number] | undefined;
  readonly probe: number | undefined;
  readonly highest: number | undefined;
  readonly hottest: readonly [number, number] | undefined;
  readonly span: Span;
  readonly size: readonly [number, number];
}

export interface FieldPainter {
  readonly reading: Reading | null;
  readonly repaint: () => void;
  readonly pick: (x: number, y: number) => [number, number] | null;
}

/** Draw a picture into an element, at a size, with the probe where the cursor is. */
export function useFieldPainter(
  holder: RefObject<HTMLElement | null>, cursor: RefObject<[number, number] | null>, picture: Picture,
  size: { readonly width: number; readonly height: number },
): FieldPainter {
  const { source, field, body, makePainter = makeHeatmap } = picture;
  const latest = useRef(picture);
  const [reading, setReading] = useState<Reading | null>(null);
  const ask = useRef<() => void>(() => undefined);
  const kept = useRef<{ readonly key: string; readonly scale: RunScale } | null>(null);
  const painterRef = useRef<HeatmapPainter | null>(null);
  useLayoutEffect(() => {
    const isSame = looksAs(latest.current, picture);
    latest.current = picture;
    if (!isSame) ask.current(); // else what a picture tells would draw the next, for as long as the page is open
  });

  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const canvas = document.createElement("canvas");
    element.prepend(canvas);
    const painter = makePainter(canvas);
    painterRef.current = painter;
    canvas.dataset["painter"] = painter.kind;
    const key = `${field} ${body.cells.join()}`;
    if (kept.current?.key !== key) kept.current = { key, scale: new RunScale(LEAST_SPANS[field] ?? null) };
    const { scale } = kept.current; // the same for live pictures and those of the past
    let request = 0;
    let readAt = 0;
    let drawn: Frame | null = null;
    let still: Frame | null = null; // that is held
    const paint = () => {
      request = 0;
      const { isHeld } = latest.current;
      const fresh = source.current();
      if (!isHeld) still = null;
      else if (drawn !== null) still ??= drawn;
      const frame = still ?? fresh;
      if (fresh !== null) source.onDrawn(fresh);
      if (frame === null) return;
      drawn = frame;
      const found = drawFrame(painter, frame, latest.current, scale, cursor.current);
      canvas.dataset["tick"] = String(frame.tick);
      const now = performance.now();
      if (now - readAt < READ_MS) return;
      readAt = now;
      setReading((old) => (old !== null && tellsAs(old, found) ? old : found));
    };
    const want = () => {
      if (request === 0) request = requestAnimationFrame(paint);
    };
    ask.current = () => {
      readAt = 0;
      want();
    };
    const stop = source.onFrame(want);
    want();
    return () => {
      stop();
      cancelAnimationFrame(request);
      ask.current = () => undefined;
      painter.destroy();
      painterRef.current = null;
      canvas.remove();
      setReading(null);
    };
  }, [holder, cursor, source, field, body, makePainter]);

  useEffect(() => {
    if (size.width > 0) painterRef.current?.resize(size.width, size.height);
    ask.current();
  }, [size, field, source]);

  const pick = (x: number, y: number): [number, number] | null => {
    const found = painterRef.current?.pick(x, y) ?? null;
    return found === null ? null : [found[0] ?? 0, found[1] ?? 0];
  };
  return { reading, repaint: () => ask.current(), pick };
}

const DRAWN_WITH = ["locked", "thresholds", "cut", "slice", "isHeld", "known"] as const;
const READ_OFF = ["probed", "probe", "highest", "hottest", "span", "size"] as const;

/** Whether two pictures of the same source are drawn alike. */
export function looksAs(one: Picture, other: Picture): boolean {
  return DRAWN_WITH.every((name) => isAlike(one[name], other[name]));
}

/** Whether two readings tell the same. */
export function tellsAs(one: Reading, other: Reading): boolean {
  return READ_OFF.every((name) => isAlike(one[name], other[name]));
}

/** Whether two values are the same, or lists and records of the same values. */
function isAlike(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const [values, others] = [Object.entries(one), other as Record<string, unknown>];
  return values.length === Object.keys(other).length && values.every(([name, value]) => Object.is(value, others[name]));
}

/** Draw a frame's plane on the scale of the run; returns what is read off it. */
function drawFrame(painter: HeatmapPainter, frame: Frame, picture: Picture, scale: RunScale, at: readonly [number, number] | null): Reading {
  const { body, field, locked, thresholds, cut, slice, known } = picture;
  const axes = drawnAxes(body.cells, cut);
  const plane = axes.cut === undefined ? frame : slicePlane(frame, axes.cut, Math.floor(slice / 2 ** frame.level));
  if (field === "temperature" && known !== undefined) scale.widen(known.low, known.high);
  const ends = findExtremes(frame);
  if (ends !== null) scale.widen(ends.low, ends.high);
  const span = locked ?? scale.span;
  const shown = axes.cut === undefined ? ends : findExtremes(plane);
  const [columns, rows] = planeCells(plane);
  const hottest = shown === null ? undefined : cellOf(shown.highCell, rows);
  painter.draw(plane, {
    map: MAPS[field], ...span,
    isolines: thresholds.filter((value) => value > span.low && value < span.high).map((value) => ({ value, double: field === "utilisation" && value === 1 })),
    marks: [
      ...(hottest === undefined || field === "state" ? [] : [{ x: hottest[0], y: hottest[1], kind: "hottest" as const }]),
      ...(at === null ? [] : [{ x: Math.min(at[0], columns - 1), y: Math.min(at[1], rows - 1), kind: "probe" as const }]),
    ],
  });
  return {
    probed: at ?? undefined, probe: at === null ? undefined : valueAt(plane, at, rows), highest: shown?.high, hottest, span, size: [columns, rows],
  };
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

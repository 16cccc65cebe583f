import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { gradientOf } from "@/components/gradient";
import { UNSAVED } from "@/components/picture";
import { Problem } from "@/components/Problem";
import { SaveMenu } from "@/components/SaveMenu";
import { makeCanvasPainter } from "@/draw/heatmap2d";
import type { MapName } from "@/draw/luts";
import { openAxes, slicePlane } from "@/draw/planes";
import { findExtremes } from "@/draw/scale";
import { formatNumber, formatQuantity, inSentence, plural } from "@/lib/format";
import { type Frame, toValues } from "@/lib/frame";
import { isDone, type Points, printValue } from "./points";
import { jobFieldsQuery, pointFieldsQuery } from "./queries";
import classes from "./sweeps.module.css";
import { fieldTable } from "./tables";

export const MOST_FIELDS = 24;
const [WIDTH, HEIGHT] = [176, 104];

interface Props {
  readonly sweepId: string;
  readonly points: Points;
  /** In the order of the table. */
  readonly rows: Uint32Array;
  readonly field: string | undefined;
  readonly onOpen: (row: number) => void;
  /** Start of the names of files. */
  readonly fileName: string;
}

/** The last fields of up to 24 points on one scale, in the order of the table. */
export function PointFields({ sweepId, points, rows, field, onOpen, fileName }: Props) {
  const figure = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => Array.from(rows.filter((row) => isDone(points, row)).subarray(0, MOST_FIELDS)), [points, rows]);
  const first = shown[0] === undefined ? undefined : points.jobIds[shown[0]];
  const guide = useQuery(jobFieldsQuery(first));
  const about = guide.data?.items.find((item) => item.name === field) ?? guide.data?.items[0];
  const places = useMemo(() => shown.map((row) => points.place[row] ?? row).sort((a, b) => a - b), [shown, points]);
  const frames = useQuery(pointFieldsQuery(sweepId, about?.name, places));
  const byPlace = useMemo(() => new Map((frames.data ?? []).map((frame) => [frame.epoch, flat(frame)])), [frames.data]);
  const scale = useMemo(() => scaleOf([...byPlace.values()]), [byPlace]);
  if (shown.length === 0) return <p className={classes["quiet"]}>None of the chosen points has a result yet.</p>;
  if (guide.error !== null || frames.error !== null) return <Problem error={guide.error ?? frames.error} />;
  if (guide.data !== undefined && about === undefined) return <p className={classes["quiet"]}>This simulation has no fields.</p>;
  if (about === undefined || scale === null) return <p className={classes["quiet"]}>Fields are being read…</p>;
  const map = about.map as MapName;
  const named = points.numbers.filter((column) => !column.isMetric).slice(0, 3);
  return (
    <div ref={figure} className={classes["multiples"]}>
      <div className={classes["bar"]}>
        <ScaleBar map={map} low={scale[0]} high={scale[1]} unit={about.unit} isLine={[...byPlace.values()].every((frame) => frame.shape.length === 1)} />
        <span className={classes["caption"]}>
          {about.title} at the end, one scale for all{named.length > 0 && `; below each ${named.map((column) => inSentence(column.label)).join(", ")}`}
          {shown.length < rows.length && `; ${shown.length} of ${plural(rows.length, "chosen point")}, in the order of the table`}
        </span>
        <span className={classes["spread"]}>
          <SaveMenu
            picture={figure} title={`${about.title} of ${plural(shown.length, "point")}`} fileName={`${fileName}-fields`}
            tables={[{ label: "All values of these fields", make: () => fieldTable([...byPlace.values()], about.title, about.unit, about.axes) }]}
          />
        </span>
      </div>
      <ul className={classes["tiles"]}>
        {shown.map((row) => {
          const frame = byPlace.get(points.place[row] ?? row);
          const what = named.map((column) => `${column.label} ${printValue(column, column.values[row])}`).join(", ");
          const short = named.map((column) => `${printValue(column, column.values[row])}${column.unit === "" ? "" : `\u2009${column.unit}`}`).join(", ");
          return (
            <li key={row}>
              <button type="button" className={classes["tile"]} onClick={() => onOpen(row)} aria-label={`Point ${(points.place[row] ?? row) + 1}: ${what}`}>
                {frame === undefined ? <span className={classes["missing"]}>no field</span>
                  : frame.shape.length === 1 ? <Profile frame={frame} scale={scale} /> : <Tile frame={frame} scale={scale} map={map} />}
                <span className={classes["tileName"]} title={what}>{(points.place[row] ?? row) + 1} · {short}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <p className={classes["caption"]} {...UNSAVED}>A click opens the point.</p>
    </div>
  );
}

/** The colours of the scale and its ends; fields of one axis are lines between the same ends. */
function ScaleBar({ map, low, high, unit, isLine }: { map: MapName; low: number; high: number; unit: string; isLine: boolean }) {
  return (
    <span className={classes["scale"]}>
      {isLine && "from "}<span>{formatNumber(low)}</span>
      {isLine ? " to " : <span className={classes["colours"]} style={{ background: gradientOf(map, "right") }} aria-hidden="true" />}
      <span>{formatQuantity(high, unit)}</span>
    </span>
  );
}

/** A field of three axes is shown by its middle plane. */
function flat(frame: Frame): Frame {
  if (openAxes(frame.shape).length < 3) return frame;
  return slicePlane(frame, 2, Math.floor((frame.shape[2] ?? 1) / 2));
}

function scaleOf(frames: readonly Frame[]): readonly [number, number] | null {
  const ends = frames.map(findExtremes).filter((found) => found !== null);
  if (ends.length === 0) return null;
  return [Math.min(...ends.map((end) => end.low)), Math.max(...ends.map((end) => end.high))];
}

function Tile({ frame, scale, map }: { frame: Frame; scale: readonly [number, number]; map: MapName }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current === null) return;
    const painter = makeCanvasPainter(canvas.current);
    painter.resize(WIDTH, HEIGHT);
    painter.draw(frame, { map, low: scale[0], high: scale[1], isolines: [], marks: [] });
    return () => painter.destroy();
  }, [frame, scale, map]);
  return <canvas ref={canvas} className={classes["picture"]} width={WIDTH} height={HEIGHT} aria-hidden="true" />;
}

/** A field of one axis: its value along it. */
function Profile({ frame, scale }: { frame: Frame; scale: readonly [number, number] }) {
  const values = useMemo(() => toValues(frame), [frame]);
  const [low, high] = scale;
  const span = high > low ? high - low : 1;
  const path = [...values].map((value, index) => {
    const [x, y] = [4 + ((WIDTH - 8) * index) / Math.max(1, values.length - 1), HEIGHT - 4 - ((HEIGHT - 8) * (value - low)) / span];
    return Number.isNaN(value) ? "" : `${x.toFixed(1)},${y.toFixed(1)}`;
  }).join(" ");
  return (
    <svg className={classes["picture"]} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <polyline points={path} className={classes["profile"]} />
    </svg>
  );
}

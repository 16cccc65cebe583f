import { Input } from "@mantine/core";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { UNSAVED } from "@/components/picture";
import { SaveMenu, type Table } from "@/components/SaveMenu";
import { onColours } from "@/draw/colours";
import { type Chart, type Charts, DASHES, type Picture } from "./picture";
import { isDone, isFailed, linesAlong, type NumberColumn, type Points, printValue, whyOf } from "./points";
import classes from "./sweeps.module.css";
import { chosenPoints } from "./tables";

interface Props {
  readonly points: Points;
  readonly chosen: Uint32Array;
  readonly isBrushed: boolean;
  readonly x: NumberColumn;
  readonly y: NumberColumn;
  readonly onAxes: (axes: { x?: string; y?: string }) => void;
  readonly onOpen: (row: number) => void;
  /** Start of the names of files, and the table of all points. */
  readonly fileName: string;
  readonly whole: Table;
}

const MOST_RINGS = 500;
const MOST_SERIES = 12;

/**
 * One metric over one parameter: a line for each set of the others, or a scatter where these are many. What is called
 * back looks at the newest of the page, so that other functions alone draw nothing anew.
 */
export const ResponsePlot = memo(Response, (old, now) =>
  (["points", "chosen", "isBrushed", "x", "y", "fileName", "whole"] as const).every((name) => old[name] === now[name]));

function Response({ points, chosen, isBrushed, x, y, onAxes, onOpen, fileName, whole }: Props) {
  const figure = useRef<HTMLDivElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const rings = useRef<HTMLCanvasElement>(null);
  const redraw = useRef<() => void>(() => undefined);
  const chart = useRef<Chart>(null);
  const open = useRef(onOpen);
  const [charts, setCharts] = useState<Charts>();
  const [scheme, setScheme] = useState(0);
  useEffect(() => onColours(() => setScheme((old) => old + 1)), []);
  useEffect(() => {
    open.current = onOpen;
  });
  useEffect(() => {
    let isHere = true;
    void import("./charts").then((file) => isHere && setCharts(() => file));
    return () => {
      isHere = false;
    };
  }, []);
  useEffect(() => {
    const element = place.current;
    if (charts === undefined || element === null) return;
    const made = charts.makeChart(element);
    chart.current = made;
    made.on("click", (event) => {
      const data: unknown = event.data;
      if (Array.isArray(data)) open.current(Number(data[2]));
    });
    const observer = new ResizeObserver(() => {
      made.resize();
      redraw.current();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, [charts]);

  const picture = useMemo(() => makePicture(points, x, y), [points, x, y]);
  useEffect(() => {
    if (charts === undefined || chart.current === null) return;
    const style = getComputedStyle(document.documentElement);
    charts.drawChart(chart.current, picture, (name) => style.getPropertyValue(name).trim());
  }, [charts, picture, scheme]);
  useEffect(() => {
    redraw.current = () => {
      if (charts === undefined || chart.current === null || rings.current === null) return;
      const shown = isBrushed ? chosen.filter((row) => hasBoth(points, x, y, row)).subarray(0, MOST_RINGS) : [];
      const accent = getComputedStyle(document.documentElement).getPropertyValue("--grid-accent").trim();
      charts.drawRings(chart.current, rings.current, Array.from(shown, (row) => [x.values[row] as number, y.values[row] as number] as const), accent);
    };
    redraw.current();
  }, [charts, picture, points, chosen, isBrushed, x, y, scheme]);

  const select = (label: string, value: string, onChange: (name: string) => void) => (
    <label className={classes["pair"]}>
      {label}
      <Input component="select" pointer rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {points.numbers.map((one) => <option key={one.name} value={one.name}>{one.label}</option>)}
      </Input>
    </label>
  );
  return (
    <div ref={figure} className={classes["response"]}>
      <div className={classes["head"]} {...UNSAVED}>
        {select("y", y.name, (name) => onAxes({ y: name }))}
        {select("over x", x.name, (name) => onAxes({ x: name }))}
        <SaveMenu
          picture={figure} title={`${y.label} over ${x.label}`} fileName={`${fileName}-response`}
          tables={[chosenPoints(points, chosen, x === y ? [x] : [x, y]), whole]}
        />
      </div>
      {(picture.lines.length > 1 || picture.failed.length > 0) && <Legend picture={picture} />}
      <div className={classes["ringed"]}>
        <div ref={place} className={classes["chart"]} role="img" aria-label={`${y.label} over ${x.label}, ${picture.lines.length} series`} />
        <canvas ref={rings} className={classes["rings"]} aria-hidden="true" />
      </div>
    </div>
  );
}

/** Which line is which: by colour and dash, in words. */
function Legend({ picture }: { picture: Picture }) {
  return (
    <ul className={classes["legend"]} aria-label="Lines">
      {picture.lines.length > 1 && picture.lines.map((line, at) => (
        <li key={line.label} title={line.label}>
          <svg width="24" height="8" aria-hidden="true">
            <line x1="0" y1="4" x2="24" y2="4" strokeWidth="2" stroke={`var(--grid-series-${(at % 5) + 1})`} strokeDasharray={DASHES[Math.floor(at / 5) % 5]?.join(" ")} />
          </svg>
          {line.label}
        </li>
      ))}
      {picture.failed.length > 0 && <li><span aria-hidden="true" className={classes["lane"]}>○</span> failed, at the foot</li>}
    </ul>
  );
}

function hasBoth(points: Points, x: NumberColumn, y: NumberColumn, row: number): boolean {
  return isDone(points, row) && !Number.isNaN(x.values[row]) && !Number.isNaN(y.values[row]);
}

function makePicture(points: Points, x: NumberColumn, y: NumberColumn): Picture {
  const all = Uint32Array.from({ length: points.count }, (_, row) => row);
  const shown = all.filter((row) => hasBoth(points, x, y, row));
  const datum = (row: number) => [x.values[row] as number, y.values[row] as number, row] as const;
  const lines = x.isMetric ? [] : linesAlong(points, shown, x);
  const few = lines.length > 0 && lines.length <= MOST_SERIES ? lines : [{ label: "points", rows: [...shown] }];
  const title = (column: NumberColumn) => (column.unit === "" ? column.label : `${column.label}, ${column.unit}`);
  return {
    x: { title: title(x), isLog: x.isLog },
    y: { title: title(y), isLog: y.isLog },
    lines: few.map((line) => ({ label: line.label, data: line.rows.map(datum) })),
    failed: x.isMetric ? [] : [...all.filter((row) => isFailed(points, row))].map((row) => [x.values[row] as number, row] as const),
    low: y.low,
    tooltip: (row) => pointText(points, row),
  };
}

/** A point in words: its number, then what tells it from the others. */
export function pointText(points: Points, row: number): string {
  const lines = points.numbers.filter((column) => !Number.isNaN(column.values[row])).map((column) => `${column.label}  ${printValue(column, column.values[row])}${column.unit === "" ? "" : `\u2009${column.unit}`}`);
  const why = whyOf(points, row);
  return [`Point ${(points.place[row] ?? row) + 1}${why === undefined ? "" : `, failed: ${why}`}`, ...lines].join("\n");
}

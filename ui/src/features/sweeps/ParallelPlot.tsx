import { Button, Input } from "@mantine/core";
import { memo, type PointerEvent, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { UNSAVED } from "@/components/picture";
import { SaveMenu, type Table } from "@/components/SaveMenu";
import { onColours, parseHex } from "@/draw/colours";
import { formatNumber, plural } from "@/lib/format";
import { parseQuantity } from "@/lib/units";
import { type Layout, layoutAxes, LinesPainter, placeValues } from "./parallel";
import { isDone, isFailed, type NumberColumn, type Points, printValue, type Ranges, shareOf, valueAt } from "./points";
import classes from "./sweeps.module.css";

interface Props {
  readonly points: Points;
  readonly columns: readonly NumberColumn[];
  readonly chosen: Uint32Array;
  readonly ranges: Ranges;
  readonly onRanges: (ranges: Ranges) => void;
  /** Start of the names of files, and what can be saved beside the picture. */
  readonly fileName: string;
  readonly tables: readonly Table[];
}

const HEIGHT = 276;
const LEAST_DRAG = 4; // pixels; less is a click, which clears the axis
const MOST_MARKS = 500;

/** Points as lines over parallel axes; a drag along an axis chooses a range of it. Failed points are marks beside it. */
export function ParallelPlot({ points, columns, chosen, ranges, onRanges, fileName, tables }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const ground = useRef<HTMLCanvasElement>(null);
  const top = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [scheme, setScheme] = useState(0);
  const [drag, setDrag] = useState<{ axis: number; from: number; to: number } | null>(null);
  useEffect(() => onColours(() => setScheme((old) => old + 1)), []);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    setWidth(Math.floor(element.clientWidth));
    return () => observer.disconnect();
  }, []);
  const layout = useMemo(() => layoutAxes(columns.length, Math.max(240, width), HEIGHT), [columns.length, width]);
  const heights = useMemo(() => placeValues(columns, layout), [columns, layout]);
  const done = useMemo(() => rowsWhere(points, isDone), [points]);
  const isBrushed = Object.keys(ranges).length > 0 || chosen.length < points.count;

  const doneChosen = useMemo(() => (isBrushed ? chosen.filter((row) => isDone(points, row)) : NOTHING), [isBrushed, chosen, points]);
  const [painters] = useState(() => ({ ground: new LinesPainter(false), top: new LinesPainter(true) }));

  const colours = useMemo(() => ({ scheme, ground: colour("--grid-series-5"), top: colour("--grid-accent") }), [scheme]); // styles are not asked for while a brush moves
  useEffect(
    () => draw(ground.current, layout, (context) => painters.ground.draw(context, heights, done, layout, colours.ground)),
    [painters, heights, done, layout, colours],
  );
  useLayoutEffect( // in the frame of the pointer that it follows
    () => draw(top.current, layout, (context) => painters.top.draw(context, heights, doneChosen, layout, colours.top)),
    [painters, heights, doneChosen, layout, colours],
  );

  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: Math.max(layout.top, Math.min(layout.bottom, event.clientY - box.top)) };
  };
  const choose = (axis: number, from: number, to: number) => {
    const column = columns[axis];
    if (column === undefined) return;
    const { [column.name]: before, ...rest } = ranges;
    if (Math.abs(to - from) < LEAST_DRAG) return onRanges(before === undefined ? ranges : rest);
    const share = (y: number) => (layout.bottom - y) / (layout.bottom - layout.top);
    const ends = [valueAt(column, share(Math.max(from, to))), valueAt(column, share(Math.min(from, to)))] as const;
    onRanges({ ...rest, [column.name]: ends });
  };
  const failed = useMemo(() => rowsWhere(points, isFailed), [points]);
  const failedCount = failed.length;
  return (
    <div ref={place} className={classes["parallel"]}>
      <div className={classes["plot"]} style={{ height: HEIGHT }}>
        <canvas ref={ground} className={classes["layer"]} role="img" aria-label={`Parallel coordinates of ${plural(done.length, "point")}: ${columns.map((column) => column.label).join(", ")}`} />
        <canvas ref={top} className={classes["layer"]} aria-hidden="true" />
        <svg
          className={classes["layer"]} viewBox={`0 0 ${layout.width} ${HEIGHT}`} width={layout.width} height={HEIGHT} data-testid="parallel" aria-hidden="true"
          onPointerDown={(event) => {
            const { x, y } = at(event);
            const axis = layout.xs.findIndex((left) => Math.abs(left - x) < 16);
            if (axis < 0 || event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            setDrag({ axis, from: y, to: y });
          }}
          onPointerMove={(event) => {
            if (drag === null) return;
            const { y } = at(event);
            setDrag({ ...drag, to: y });
            if (Math.abs(y - drag.from) >= LEAST_DRAG) choose(drag.axis, drag.from, y);
          }}
          onPointerUp={() => {
            if (drag !== null) choose(drag.axis, drag.from, drag.to);
            setDrag(null);
          }}
        >
          {columns.map((column, axis) => (
            <AxisMarks key={column.name} column={column} x={layout.xs[axis] ?? 0} room={(layout.xs[1] ?? 200) - (layout.xs[0] ?? 0)} top={layout.top} bottom={layout.bottom} range={ranges[column.name]} />
          ))}
          <FailedMarks columns={columns} heights={heights} layout={layout} failed={failed} />
        </svg>
      </div>
      <div className={classes["under"]}>
        {failedCount > 0 && <span className={classes["lane"]}><span aria-hidden="true">○</span> {plural(failedCount, "failed point")} beside the axes, without a place in any ranking</span>}
        <div className={classes["choose"]} {...UNSAVED}>
          <RangeFields columns={columns} ranges={ranges} onRanges={onRanges} />
          <SaveMenu picture={place} title="Parallel coordinates" fileName={`${fileName}-parallel`} tables={tables} />
        </div>
      </div>
    </div>
  );
}

const NOTHING = new Uint32Array();

/** A hollow mark beside each parameter's axis for each failed point; a brush leaves them as they are. */
const FailedMarks = memo(function FailedMarks(props: {
  columns: readonly NumberColumn[]; heights: readonly Float32Array[]; layout: Layout; failed: Uint32Array;
}) {
  const { columns, heights, layout, failed } = props;
  return columns.map((column, axis) =>
    column.isMetric ? null : [...failed.subarray(0, MOST_MARKS)].map((row) => {
      const y = heights[axis]?.[row] ?? Number.NaN;
      return Number.isNaN(y) ? null : <circle key={`${column.name}-${row}`} className={classes["failedMark"]} cx={(layout.xs[axis] ?? 0) - 12} cy={y} r={3.5} />;
    }),
  );
});

function rowsWhere(points: Points, is: (points: Points, row: number) => boolean): Uint32Array {
  return Uint32Array.from({ length: points.count }, (_, row) => row).filter((row) => is(points, row));
}

function draw(canvas: HTMLCanvasElement | null, layout: { width: number; height: number }, paint: (context: CanvasRenderingContext2D) => void): void {
  const context = canvas?.getContext("2d");
  if (canvas === null || context === null || context === undefined) return;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [wide, high] = [Math.round(layout.width * ratio), Math.round(layout.height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    [canvas.width, canvas.height] = [wide, high];
    canvas.style.width = `${layout.width}px`;
    canvas.style.height = `${layout.height}px`;
  }
  paint(context);
}

function colour(token: string): readonly [number, number, number] {
  return parseHex(getComputedStyle(document.documentElement).getPropertyValue(token).trim());
}

const AxisMarks = memo(function AxisMarks(props: { column: NumberColumn; x: number; room: number; top: number; bottom: number; range: readonly [number, number] | undefined }) {
  const { column, x, room, top, bottom, range } = props;
  const y = (value: number) => bottom - (bottom - top) * shareOf(column, value);
  return (
    <g className={classes["axis"]}>
      <line x1={x} x2={x} y1={top} y2={bottom} />
      <rect x={x - 16} y={top} width={32} height={bottom - top} className={classes["grip"]} />
      {range !== undefined && <rect className={classes["brush"]} x={x - 6} width={12} y={y(range[1])} height={Math.max(2, y(range[0]) - y(range[1]))} />}
      <text x={x} y={14} className={classes["name"]} data-metric={column.isMetric || undefined}>{shorten(column.label, room)}<title>{column.label}</title></text>
      <text x={x} y={30} className={classes["unit"]}>{[column.unit, column.isLog ? "log" : ""].filter((part) => part !== "").join(", ")}</text>
      <text x={x} y={top - 7} className={classes["tick"]}>{printValue(column, column.high)}</text>
      <text x={x} y={bottom + 16} className={classes["tick"]}>{printValue(column, column.low)}</text>
    </g>
  );
});

/** Leave out the middle of a name that is wider than the room between two axes. */
function shorten(name: string, room: number): string {
  const most = Math.max(6, Math.floor(room / 7.5));
  if (name.length <= most) return name;
  const half = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - half)}…${name.slice(name.length - half)}`;
}

/** The same as a drag, by keyboard: a range of one axis, and what is chosen now. */
function RangeFields({ columns, ranges, onRanges }: Pick<Props, "columns" | "ranges" | "onRanges">) {
  const [name, setName] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const column = columns.find((one) => one.name === name) ?? columns[0];
  const [low, high] = [parseQuantity(from), parseQuantity(to)];
  if (column === undefined) return null;
  return (
    <form
      className={classes["ranges"]}
      onSubmit={(event) => {
        event.preventDefault();
        const ends = [low.ok ? low.value : column.low, high.ok ? high.value : column.high] as const;
        onRanges({ ...ranges, [column.name]: ends });
      }}
    >
      {Object.entries(ranges).map(([axis, [least, most]]) => (
        <Button key={axis} size="compact-sm" variant="light" aria-label={`Remove the range of ${axis}`}
          onClick={() => onRanges(Object.fromEntries(Object.entries(ranges).filter(([other]) => other !== axis)))}>
          {columns.find((one) => one.name === axis)?.label ?? axis} {formatNumber(least, 3)} to {formatNumber(most, 3)} ✕
        </Button>
      ))}
      <Input component="select" pointer rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" aria-label="Axis" value={column.name} onChange={(event) => setName(event.currentTarget.value)}>
        {columns.map((one) => <option key={one.name} value={one.name}>{one.label}</option>)}
      </Input>
      <Input className={classes["end"]} aria-label="From" placeholder="from" value={from} onChange={(event) => setFrom(event.currentTarget.value)} />
      <Input className={classes["end"]} aria-label="To" placeholder="to" value={to} onChange={(event) => setTo(event.currentTarget.value)} />
      <Button size="compact-sm" type="submit" disabled={!low.ok && !high.ok}>Choose</Button>
    </form>
  );
}

import { Button, SegmentedControl } from "@mantine/core";
import { type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import type { Isoline, Look } from "@/draw/heatmap";
import type { MapName } from "@/draw/luts";
import type { Mark } from "@/draw/marks";
import { slicePlane } from "@/draw/planes";
import { findExtremes, symmetric } from "@/draw/scale";
import { formatCount } from "@/lib/format";
import type { Frame } from "@/lib/frame";
import { type Column, DataTable } from "./DataTable";
import { FieldCanvas } from "./FieldCanvas";
import { FieldLegend } from "./FieldLegend";
import { FieldProfile } from "./FieldProfile";
import classes from "./FieldView.module.css";
import { fieldCsv } from "./fieldFiles";
import {
  axesOf, cellAt, cellIndices, type FieldAxis, fieldSentence, placeText, positionOf, valueAt, worstWord,
} from "./fieldPlaces";
import { Quantity } from "./Quantity";
import { SaveMenu } from "./SaveMenu";
import { type FrameSource, useSlowFrame } from "./useSource";

export interface FieldViewProps {
  /** A stream of frames; or one frame. */
  readonly source?: FrameSource;
  readonly frame?: Frame | null;
  /** `Temperature`; default: the frame's own name. */
  readonly title?: string;
  /** What is to be different from the field's own look: its map, fixed ends of the scale, iso-lines, marks. */
  readonly look?: { map?: MapName; low?: number; high?: number; isolines?: readonly Isoline[]; marks?: readonly Mark[] };
  /** From `/jobs/{id}/fields`; absent: cells by their number. */
  readonly axes?: readonly FieldAxis[];
  /** The cell that the probe is on, where somebody else holds it too. */
  readonly probe?: readonly number[] | null;
  readonly onProbe?: (cell: readonly number[]) => void;
  /** Exact value of a cell, where it is known better than by its code; asked for the probe alone. */
  readonly exactAt?: ((cell: number) => number | null) | undefined;
  /** Controls above the picture: time, scale. */
  readonly controls?: ReactNode;
  /** Start of the names of files. */
  readonly fileName?: string;
  readonly height?: number;
}

const HEIGHT = 360;
const MAPS: Record<string, MapName> = { stress: "viridis", damage: "viridis", state: "viridis" };

/**
 * A field: a heatmap with scale, probe and worst cell; a rod as a line; three axes by slices. All numbers behind a button,
 * and everything as a picture or a table.
 */
export function FieldView(props: FieldViewProps) {
  const { source, axes: given, controls, height = HEIGHT } = props;
  const frame = useSlowFrame(source, props.frame);
  const [slice, setSlice] = useState<{ axis: number; index: number | null }>({ axis: 2, index: null });
  const [ownProbe, setOwnProbe] = useState<readonly number[] | null>(null);
  const [hover, setHover] = useState<readonly number[] | null>(null);
  const [isTable, setTable] = useState(false);
  const picture = useRef<HTMLDivElement>(null);
  const isDeep = frame !== null && frame.shape.length === 3 && frame.shape.every((cells) => cells > 1);
  const count = frame?.shape[slice.axis] ?? 1;
  const index = Math.min(count - 1, slice.index ?? Math.floor(count / 2));
  const toPlane = useCallback(
    (whole: Frame) => (isDeep ? slicePlane(whole, slice.axis, index) : whole), [isDeep, slice.axis, index],
  );
  const plane = useMemo(() => (frame === null ? null : toPlane(frame)), [frame, toPlane]);
  const axes = useMemo(() => (frame === null ? [] : axesOf(frame, given)), [frame, given]);
  const look = useLook(frame, plane, props, isDeep, slice.axis, index);
  if (frame === null || plane === null || look === null) return <div className={classes["waiting"]} style={{ height }} />;

  const title = props.title ?? frame.name;
  const fileName = props.fileName ?? `${title}-${frame.tick}`;
  const open = isDeep ? [0, 1, 2].filter((axis) => axis !== slice.axis) : frame.shape.flatMap((cells, axis) => (cells > 1 ? [axis] : []));
  const isRod = open.length < 2;
  const shownAxes = (isRod ? [axes[open[0] ?? 0]] : open.map((axis) => axes[axis])) as FieldAxis[];
  /** Indices in the whole field of a cell of the plane. */
  const widen = (cell: readonly number[]) =>
    frame.shape.map((_, axis) => (open.includes(axis) ? (cell[open.indexOf(axis)] ?? 0) : isDeep ? index : 0));
  const probe = props.probe !== undefined ? props.probe : ownProbe;
  const onProbe = (cell: readonly number[]) => {
    setOwnProbe(cell);
    props.onProbe?.(cell);
  };
  const read = hover ?? probe;
  const sentence = fieldSentence(frame, title, axes);
  const full = { ...look, marks: [...look.marks, ...(probe === null || isRod ? [] : [markOf(probe)])] };
  return (
    <div className={classes["field"]}>
      {(controls !== undefined || isDeep) && (
        <div className={classes["controls"]}>
          {controls}
          {isDeep && <SliceControl axes={axes} axis={slice.axis} index={index} onChange={setSlice} />}
        </div>
      )}
      <div ref={picture}>
        {isRod ? (
          <FieldProfile
            frame={plane} axis={shownAxes[0] as FieldAxis} look={full} title={title} sentence={sentence}
            probe={probe?.[0] ?? null} onProbe={onProbe} onHover={setHover} height={height}
          />
        ) : (
            <FieldCanvas
              source={source} toPlane={toPlane} frame={plane} look={full} axes={shownAxes as unknown as readonly [FieldAxis, FieldAxis]}
              sentence={sentence} probe={probe} onHover={setHover} onProbe={onProbe} mostHeight={height}
              legend={<FieldLegend frame={plane} look={look} height={Math.min(200, height - 96)} />}
            />
        )}
      </div>
      <div className={classes["foot"]}>
        <Reading frame={frame} axes={axes} cell={read === null ? null : cellAt(frame.shape, widen(read))} exactAt={props.exactAt} isFixed={hover === null} />
        <span className={classes["buttons"]}>
          <Button size="compact-sm" aria-expanded={isTable} onClick={() => setTable(!isTable)}>{isTable ? "Hide numbers" : "Show numbers"}</Button>
          <SaveMenu
            picture={picture} title={title} fileName={fileName}
            tables={[{ label: `All ${formatCount(frame.codes.length)} values`, make: () => fieldCsv(frame, title, axes) }]}
          />
        </span>
      </div>
      {isTable && <Numbers frame={frame} axes={axes} title={title} />}
    </div>
  );
}

function markOf(cell: readonly number[]): Mark {
  return { x: cell[0] ?? 0, y: cell[1] ?? 0, kind: "probe" };
}

/** The look of a field: its own scale where none is given, its worst cell where that is in the plane. */
function useLook(
  frame: Frame | null, plane: Frame | null, { look, source }: FieldViewProps, isDeep: boolean, axis: number, index: number,
): Look | null {
  const { map, low, high, isolines, marks } = look ?? {};
  return useMemo(() => {
    if (frame === null || plane === null) return null;
    const found = findExtremes(frame);
    const chosen = map ?? MAPS[frame.name] ?? "cividis";
    const own = source === undefined && found !== null ? ([found.low, found.high] as const) : ([frame.low, frame.high] as const);
    const ends = [low ?? own[0], high ?? own[1]] as const;
    const [from, to] = chosen === "PuOr" ? symmetric(...ends) : ends;
    const worst = found === null ? [] : cellIndices(frame.shape, found.highCell);
    const isSeen = found !== null && (!isDeep || worst[axis] === index);
    const flat = isDeep ? worst.filter((_, at) => at !== axis) : worst.filter((_, at) => frame.shape.length < 3 || (frame.shape[at] ?? 1) > 1);
    const hottest: Mark[] = isSeen && found.high > found.low ? [{ x: flat[0] ?? 0, y: flat[1] ?? 0, kind: "hottest" }] : [];
    return { map: chosen, low: from, high: to, isolines: isolines ?? [], marks: [...hottest, ...(marks ?? [])] };
  }, [frame, plane, source, map, low, high, isolines, marks, isDeep, axis, index]);
}

/** Value and place under the pointer, or under the probe; what the worst cell is while there is neither. */
function Reading(props: { frame: Frame; axes: readonly FieldAxis[]; cell: number | null; exactAt: FieldViewProps["exactAt"]; isFixed: boolean }) {
  const { frame, axes, cell, exactAt } = props;
  const found = findExtremes(frame);
  const at = cell ?? found?.highCell ?? 0;
  const exact = cell === null ? null : (exactAt?.(cell) ?? null);
  const place = placeText(axes, cellIndices(frame.shape, at));
  return (
    <output className={classes["reading"]} aria-live={props.isFixed ? "polite" : "off"} data-cell={cell ?? undefined}>
      {cell === null ? worstWord(frame.name) : "probe"}{" "}
      <strong><Quantity value={exact ?? valueAt(frame, at)} unit={frame.unit} why="The cell is outside of the body." /></strong>
      {place !== "" && ` at ${place}`}
    </output>
  );
}

function SliceControl(props: { axes: readonly FieldAxis[]; axis: number; index: number; onChange: (slice: { axis: number; index: number | null }) => void }) {
  const { axes, axis, index, onChange } = props;
  const shown = axes[axis] as FieldAxis;
  return (
    <span className={classes["slice"]}>
      <span>slice</span>
      <SegmentedControl
        size="xs" aria-label="Axis that the slice is normal to" value={String(axis)}
        data={axes.map((one, at) => ({ value: String(at), label: one.name }))}
        onChange={(value) => onChange({ axis: Number(value), index: null })}
      />
      <input
        type="range" min={0} max={shown.count - 1} value={index} className={classes["slider"]} aria-label={`Slice along ${shown.name}`}
        aria-valuetext={placeText([shown], [index])} onChange={(event) => onChange({ axis, index: Number(event.target.value) })}
      />
      <span className={classes["value"]}>{placeText([shown], [index])}</span>
    </span>
  );
}

/** All cells as rows. */
function Numbers({ frame, axes, title }: { frame: Frame; axes: readonly FieldAxis[]; title: string }) {
  const rows = useMemo(() => Array.from({ length: frame.codes.length }, (_, cell) => cell), [frame.codes.length]);
  const columns: Column<number>[] = [
    ...axes.map((axis, place) => ({
      key: axis.name, title: axis.name, width: "minmax(96px, 1fr)", align: "right" as const,
      render: (cell: number) => <Quantity value={Number(positionOf(axis, cellIndices(frame.shape, cell)[place] ?? 0).toPrecision(12))} unit={axis.unit} />,
    })),
    {
      key: "value", title, width: "minmax(120px, 2fr)", align: "right",
      render: (cell) => <Quantity value={valueAt(frame, cell)} unit={frame.unit} digits={6} why="The cell is outside of the body." />,
    },
  ];
  return <DataTable label={`Numbers of ${title}`} rows={rows} columns={columns} rowKey={String} height={260} />;
}

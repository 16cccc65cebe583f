import { type KeyboardEvent, useMemo, useRef } from "react";
import type { Look } from "@/draw/heatmap";
import { type Frame, toValues } from "@/lib/frame";
import { type FieldAxis, positionOf } from "./fieldPlaces";
import classes from "./FieldView.module.css";
import { TrendView } from "./TrendView";

/** A field of one axis as a line over it; the scale is the one of the look, so that times compare. */
export function FieldProfile(props: {
  frame: Frame; axis: FieldAxis; look: Look; title: string; sentence: string; probe: number | null; height: number;
  onProbe: (cell: readonly number[]) => void; onHover: (cell: readonly number[] | null) => void;
}) {
  const { frame, axis, look, title, probe } = props;
  const hovered = useRef<number | null>(null);
  const count = frame.codes.length;
  const data = useMemo(
    () => [Float64Array.from({ length: count }, (_, cell) => positionOf(axis, cell)), toValues(frame)],
    [frame, axis, count],
  );
  const options = useMemo(
    () => ({
      series: [{ label: title, unit: frame.unit }], axis: { label: axis.name, unit: axis.unit }, height: props.height - 40,
      range: [look.low, look.high] as const,
      bands: look.isolines.map(({ value }) => ({ low: value, high: value, label: "" })),
    }),
    [title, frame.unit, axis.name, axis.unit, props.height, look.low, look.high, look.isolines],
  );
  const marks = useMemo(() => (probe === null ? [] : [{ at: positionOf(axis, probe), label: "probe" }]), [axis, probe]);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = (event.shiftKey ? 10 : 1) * (event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0);
    if (step === 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    props.onProbe([Math.max(0, Math.min(count - 1, (probe ?? Math.floor(count / 2)) + step))]);
  };
  return (
    <div
      className={classes["profile"]} tabIndex={0} role="group" aria-label={`Probe of ${title}: the arrows move it`}
      onKeyDown={onKeyDown}
      onPointerDown={() => hovered.current !== null && props.onProbe([hovered.current])}
      onPointerLeave={() => props.onHover(null)}
    >
      <TrendView
        options={options} data={data} marks={marks} sentence={props.sentence}
        onCursor={(cell) => {
          hovered.current = cell;
          props.onHover(cell === null ? null : [cell]);
        }}
      />
    </div>
  );
}

import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { type HeatmapPainter, type Look, makeHeatmap } from "@/draw/heatmap";
import { planeSize } from "@/draw/planes";
import { roundTicks } from "@/draw/ticks";
import { formatTick } from "@/lib/format";
import type { Frame } from "@/lib/frame";
import { axisSpan, type FieldAxis } from "./fieldPlaces";
import classes from "./FieldView.module.css";
import type { FrameSource } from "./useSource";

interface Props {
  readonly source?: FrameSource | undefined;
  /** Makes of a frame of the source what is drawn: a slice of three axes. */
  readonly toPlane: (frame: Frame) => Frame;
  readonly frame: Frame;
  readonly look: Look;
  readonly axes: readonly [FieldAxis, FieldAxis];
  readonly sentence: string;
  readonly probe: readonly number[] | null;
  readonly onHover: (cell: readonly number[] | null) => void;
  readonly onProbe: (cell: readonly number[]) => void;
  readonly mostHeight: number;
  /** What stands at the right of the picture. */
  readonly legend: ReactNode;
}

const LEFT = 56; // pixels for the ticks at the left
const RIGHT = 128; // and for the legend
const LEAST_SHARE = 0.12; // of the longer side; thinner fields are drawn wider than they are

/** A canvas with its axes: the pointer reads cells, a click or the arrows move the probe. */
export function FieldCanvas(props: Props) {
  const { source, toPlane, frame, look, axes, probe } = props;
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<HeatmapPainter>(null);
  const [room, setRoom] = useState(0);
  const [columns, rows] = planeSize(frame.shape);
  const { width, height } = fit(axes, Math.max(0, room - LEFT - RIGHT), props.mostHeight);

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setRoom(element.clientWidth));
    observer.observe(element);
    setRoom(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (canvas.current === null) return;
    painter.current = makeHeatmap(canvas.current);
    return () => {
      painter.current?.destroy();
      painter.current = null;
    };
  }, []);

  useEffect(() => {
    if (width > 0) painter.current?.resize(width, height);
  }, [width, height]);

  // One picture for each frame of the browser at most; nothing new is nothing drawn.
  useEffect(() => {
    let request = 0;
    const draw = () => {
      request = 0;
      const newest = source?.current();
      painter.current?.draw(newest === null || newest === undefined ? frame : toPlane(newest), look);
    };
    const ask = () => {
      if (request === 0) request = requestAnimationFrame(draw);
    };
    const stop = source?.subscribe(ask);
    ask();
    return () => {
      stop?.();
      cancelAnimationFrame(request);
    };
  }, [source, toPlane, frame, look]);

  const pick = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return painter.current?.pick(event.clientX - box.left, event.clientY - box.top) ?? null;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 10 : 1;
    const [x = Math.floor(columns / 2), y = Math.floor(rows / 2)] = probe ?? [];
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    };
    const move = moves[event.key];
    if (move === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const within = (at: number, count: number) => Math.max(0, Math.min(count - 1, at));
    props.onProbe([within(x + move[0], columns), within(y + move[1], rows)]);
  };
  return (
    <div ref={place} className={classes["place"]}>
      <div className={classes["plot"]} style={{ gridTemplateColumns: `${LEFT}px ${width + 2}px ${RIGHT}px` }}>
        <Ticks axis={axes[1]} isUpright length={height} />
        <div className={classes["ground"]} style={{ width, height }}>
          <canvas
            ref={canvas}
            className={classes["canvas"]}
            role="img"
            aria-label={props.sentence}
            tabIndex={0}
            onKeyDown={onKeyDown}
            onPointerMove={(event) => props.onHover(pick(event))}
            onPointerLeave={() => props.onHover(null)}
            onPointerDown={(event) => {
              const cell = pick(event);
              if (cell !== null && event.button === 0) props.onProbe(cell);
            }}
          />
        </div>
        {props.legend}
        <Ticks axis={axes[0]} length={width} />
      </div>
    </div>
  );
}

/** Size of a picture in its true proportions within the room that there is. */
export function fit(axes: readonly [FieldAxis, FieldAxis], room: number, mostHeight: number): { width: number; height: number } {
  const [across, along] = axes.map((axis) => axisSpan(axis)[1] - axisSpan(axis)[0]) as [number, number];
  const comparable = axes[0].unit === axes[1].unit && across > 0 && along > 0;
  const share = comparable ? Math.max(LEAST_SHARE, Math.min(1 / LEAST_SHARE, along / across)) : 0.6;
  const width = Math.floor(Math.min(room, mostHeight / share));
  return { width, height: Math.round(width * share) };
}

/** Values along one side of the picture. */
function Ticks({ axis, length, isUpright = false }: { axis: FieldAxis; length: number; isUpright?: boolean }) {
  const [low, high] = axisSpan(axis);
  const ticks = roundTicks(low, high, Math.max(1, Math.min(6, Math.floor(length / 60))));
  const unit = axis.unit === "" ? "" : `, ${axis.unit}`;
  return (
    <div className={isUpright ? classes["upright"] : classes["level"]} style={isUpright ? { height: length } : undefined} aria-hidden="true">
      {ticks.map((tick) => {
        const share = `${(100 * (tick - low)) / (high - low)}%`;
        return <span key={tick} className={classes["tick"]} style={isUpright ? { bottom: share } : { left: share }}>{formatTick(tick)}</span>;
      })}
      <span className={classes["axis"]}>{axis.name}{unit}</span>
    </div>
  );
}

import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { roundTicks } from "@/draw/ticks";
import { formatNumber, formatQuantity, formatTick } from "@/lib/format";
import type { FieldName } from ".";
import { FieldOverlay, type DrawnGhost } from "./FieldOverlay";
import { AXES, type Body, centreOf, drawnAxes, fit, lengthOf, moveCell, toBody, toFull } from "./geometry";
import type { Ghost } from "./ghosts";
import { Legend, STATES, StateLegend } from "./Legends";
import type { Span } from "./scale";
import { MAPS, type Picture, useFieldPainter } from "./useFieldPainter";
import classes from "./run.module.css";

export type { FieldSource } from "./useFieldPainter";

const NAMES: Readonly<Record<FieldName, string>> = {
  temperature: "Temperature", stress: "Stress", utilisation: "Utilisation", damage: "Damage", state: "State",
};
const LEGEND = 96; // pixels beside the picture
const LEAST_DRAG = 3; // pixels
const TICKS = 18; // pixels below the profile of a rod

export interface LiveFieldProps extends Omit<Picture, "slice"> {
  /** What the picture is called where it is saved. */
  readonly title: string;
  readonly unit: string;
  readonly onSpan: (span: Span) => void;
  /** Cell of each plane, a number for each axis of the body. */
  readonly planes: readonly number[];
  readonly isPast: boolean;
  /** Said over the picture where its data are too old, as `12 s old`. */
  readonly stale: string | undefined;
  readonly ghosts: readonly Ghost[];
  readonly canSteer: boolean;
  /** A burst is drawn, from a cell of the body with a radius [m]. */
  readonly onDraw?: (at: readonly number[], radius: number) => void;
  readonly onSend?: () => void;
  readonly onDrop?: () => void;
  /** The other planes of a body of three axes are put through a cell. */
  readonly onPlanes?: (planes: readonly number[]) => void;
  /** Whether the legend stands beside this picture, as beside one of several on one scale. */
  readonly hasLegend?: boolean;
  readonly empty: ReactNode;
}

/** The field of a run: a heatmap, the profile of a rod, or a plane of a body, with the worst cell, a probe and bursts. */
export function LiveField(props: LiveFieldProps) {
  const { body, field, unit, ghosts, onDraw, canSteer, cut, planes, hasLegend = true } = props;
  const room = useRef<HTMLDivElement>(null);
  const holder = useRef<HTMLDivElement>(null);
  const cursor = useRef<[number, number] | null>(null);
  const { across, up, cut: normal } = drawnAxes(body.cells, cut);
  const slice = planes[normal ?? 0] ?? 0;
  const size = useRoom(room, body, across, up, hasLegend);
  const [drag, setDrag] = useState<{ cell: [number, number]; radius: number } | null>(null);
  const { reading, repaint, pick } = useFieldPainter(holder, cursor, { ...props, slice }, size);

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
  const placed = (cell: readonly [number, number]) => placeOf(cell, full, size);
  const inBody = (cell: readonly [number, number]) => toBody(body, cell, cut, planes);
  const offset = (event: PointerEvent): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  // by the pointer, not by the picture: the level of the pictures may have changed since the last reading
  const fullCell = (event: PointerEvent): [number, number] => {
    const [x, y] = offset(event);
    return moveCell([Math.floor((x / size.width) * full[0]), Math.floor((1 - y / size.height) * full[1])], 0, 0, full);
  };
  const begin = (event: PointerEvent<HTMLDivElement>) => {
    const cell = pick(...offset(event));
    if (cell === null || event.button !== 0) return;
    cursor.current = cell;
    repaint();
    if (props.onPlanes !== undefined && event.shiftKey) return props.onPlanes(inBody(fullCell(event)));
    if (!canSteer || onDraw === undefined) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({ cell: fullCell(event), radius: 0 });
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    if (drag === null) {
      cursor.current = pick(...offset(event));
      return repaint();
    }
    const [x, y] = placed(drag.cell);
    const [right, down] = offset(event);
    const far = up === undefined ? Math.abs(right - x) : Math.hypot(right - x, down - y);
    setDrag({ cell: drag.cell, radius: far * metres });
  };
  const end = () => {
    if (drag !== null && drag.radius > LEAST_DRAG * metres) onDraw?.(inBody(drag.cell), Math.max(drag.radius, 2 * lengthOf(body, across) / full[0]));
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
      repaint();
    } else if (event.key === "Enter" && draft !== undefined) props.onSend?.();
    else if (event.key === "Enter" && canSteer && cursor.current !== null) onDraw?.(inBody(inFull(cursor.current)), 0);
    else if (event.key === "Escape" && draft !== undefined) props.onDrop?.();
    else if (event.key === "c" && props.onPlanes !== undefined && cursor.current !== null) props.onPlanes(inBody(inFull(cursor.current)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const where = (cell: readonly [number, number]) => {
    const [right, above] = inFull(cell);
    const places = [[across, right], [up, above]] as const;
    return places.flatMap(([axis, at]) => (axis === undefined ? [] : [`${AXES[axis] ?? ""} ${formatNumber(centreOf(body, axis, at), 3)}`])).join(", ") + (body.size === null ? "" : "\u2009m");
  };
  const ended = span ?? { low: 0, high: 1 };
  const name = normal === undefined ? NAMES[field] : `${NAMES[field]} in the plane ${AXES[normal] ?? ""} = ${formatNumber(centreOf(body, normal, slice), 3)} m`;
  const sentence = reading === null
    ? `${name}: no picture yet`
    : `${name}, ${formatNumber(ended.low)} to ${formatQuantity(ended.high, unit)}, highest ${formatQuantity(reading.highest, unit)}` +
      (reading.hottest === undefined ? "" : ` at ${where(reading.hottest)}`);
  const hints = ["Arrows move the probe", ...(canSteer ? ["Enter begins a burst there"] : []), ...(props.onPlanes === undefined ? [] : ["c puts the other planes through it"])];
  return (
    <div className={classes["field"]}>
      <div className={classes["picture"]}>
        <div ref={room} className={classes["room"]} data-rod={up === undefined || undefined}>
          {reading === null && <div style={{ position: "absolute" }}>{props.empty}</div>}
          <div
            ref={holder} className={classes["frame"]} data-tile={props.title}
            style={{ width: size.width, height: size.height, visibility: reading === null ? "hidden" : "visible" }}
            data-past={props.isPast || undefined} data-stale={props.stale !== undefined || undefined}
            role="application" aria-roledescription="field" aria-label={`${sentence}. ${hints.join(", ")}.`} tabIndex={0}
            onPointerDown={begin} onPointerMove={move} onPointerUp={end} onPointerCancel={() => setDrag(null)} onKeyDown={onKeyDown}
          >
            {props.isPast && <div className={classes["hatch"]} />}
            {props.stale !== undefined && <span className={classes["age"]}>◌ {props.stale}</span>}
            <FieldOverlay
              size={size} isRod={up === undefined} drag={drag === null ? null : { at: placed(drag.cell), radius: drag.radius / metres }}
              ghosts={ghosts.flatMap((ghost) => toDrawn(ghost, { across, up, normal, slice, body, placed, metres }))}
              cuts={normal === undefined ? { x: undefined, y: undefined } : cutsOf(placed, planes, across, up)}
            />
            {up === undefined && <Places body={body} axis={across} />}
          </div>
          {reading !== null && hasLegend && (field === "state" ? <StateLegend /> : <Legend map={MAPS[field]} span={ended} unit={unit} isLocked={props.locked !== undefined} />)}
        </div>
      </div>
      <p className={classes["foot"]} style={{ margin: 0 }}>
        <span>
          {reading === null || field === "state" ? "" : (
            <>✕ highest <b>{formatQuantity(reading.highest, unit)}</b>{reading.hottest !== undefined && ` at ${where(reading.hottest)}`}</>
          )}
        </span>
        <span aria-live="polite">
          {reading?.probe === undefined || reading.probed === undefined
            ? (normal === undefined ? "probe: point at a cell, or use the arrows" : "")
            : <>probe {where(reading.probed)}: <b>{field === "state" ? STATES[reading.probe] ?? "–" : formatQuantity(reading.probe, unit)}</b></>}
        </span>
      </p>
      <span className={classes["unseen"]} role="img" aria-label={sentence} />
    </div>
  );
}

/** The size of a picture in the room that there is. */
function useRoom(room: React.RefObject<HTMLDivElement | null>, body: Body, across: number, up: number | undefined, hasLegend: boolean) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = room.current;
    if (element === null) return undefined;
    const measure = () => {
      const below = up === undefined ? TICKS : 0;
      const next = fit(element.clientWidth - 24 - (hasLegend ? LEGEND : 0), element.clientHeight - 20 - below, lengthOf(body, across), lengthOf(body, up));
      setSize((old) => (old.width === next.width && old.height === next.height ? old : next));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [room, body, across, up, hasLegend]);
  return size;
}

/** Places along a rod below its profile. */
export function Places({ body, axis }: { body: Body; axis: number }) {
  const low = body.origin?.[axis] ?? 0;
  const length = lengthOf(body, axis);
  return (
    <span className={classes["places"]} aria-hidden="true">
      {roundTicks(low, low + length, 5).map((tick) => (
        <span key={tick} style={{ left: `${(100 * (tick - low)) / length}%` }}>{formatTick(tick)}{body.size === null ? "" : "\u2009m"}</span>
      ))}
    </span>
  );
}

interface Projection {
  readonly across: number;
  readonly up: number | undefined;
  readonly normal: number | undefined;
  readonly slice: number;
  readonly body: Body;
  readonly placed: (cell: readonly [number, number]) => [number, number];
  readonly metres: number;
}

/** Where a burst lies in a picture; one whose radius does not reach the plane is fainter. */
function toDrawn(ghost: Ghost, { across, up, normal, slice, body, placed, metres }: Projection): DrawnGhost[] {
  if (ghost.at === null || ghost.state === "done" || ghost.state === "ended") return [];
  const far = normal === undefined ? 0 : Math.abs((ghost.at[normal] ?? 0) - slice) * (lengthOf(body, normal) / (body.cells[normal] ?? 1));
  const at = placed([ghost.at[across] ?? 0, up === undefined ? 0 : (ghost.at[up] ?? 0)]);
  return [{ ghost, at, radius: ghost.radius / metres, isNear: far <= ghost.radius }];
}

function cutsOf(placed: Projection["placed"], planes: readonly number[], across: number, up: number | undefined) {
  const [x, y] = placed([planes[across] ?? 0, up === undefined ? 0 : (planes[up] ?? 0)]);
  return { x, y };
}

/** Centre of a cell in pixels from the upper left. */
function placeOf(cell: readonly [number, number], cells: readonly [number, number], size: { width: number; height: number }): [number, number] {
  return [((cell[0] + 0.5) / cells[0]) * size.width, (1 - (cell[1] + 0.5) / cells[1]) * size.height];
}

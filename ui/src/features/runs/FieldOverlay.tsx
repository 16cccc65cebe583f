import { describe, type Ghost } from "./ghosts";
import classes from "./run.module.css";

/** A burst as it lies in a picture, in pixels; a share of 1 lies in the plane, less of it before or behind. */
export interface DrawnGhost {
  readonly ghost: Ghost;
  readonly at: readonly [number, number];
  readonly radius: number;
  readonly isNear: boolean;
}

interface Props {
  readonly ghosts: readonly DrawnGhost[];
  readonly drag: { readonly at: readonly [number, number]; readonly radius: number } | null;
  /** Where the other planes cut this one, in pixels from the left and from above. */
  readonly cuts: { readonly x: number | undefined; readonly y: number | undefined };
  readonly size: { readonly width: number; readonly height: number };
  /** Whether bursts are spans along a rod. */
  readonly isRod: boolean;
}

/** What stands over a picture: bursts on their way with a word each, and where other planes lie. */
export function FieldOverlay({ ghosts, drag, cuts, size, isRod }: Props) {
  const tall = isRod ? size.height : undefined;
  return (
    <>
      <svg className={classes["overlay"]} aria-hidden="true">
        {cuts.x !== undefined && <Cut from={[cuts.x, 0]} to={[cuts.x, size.height]} />}
        {cuts.y !== undefined && <Cut from={[0, cuts.y]} to={[size.width, cuts.y]} />}
        {ghosts.map(({ ghost, at, radius, isNear }) => <Ring key={ghost.clientId} at={at} radius={radius} state={ghost.state} isNear={isNear} tall={tall} />)}
        {drag !== null && <Ring at={drag.at} radius={drag.radius} state="draft" isNear tall={tall} />}
      </svg>
      {ghosts.filter(({ isNear }) => isNear).map(({ ghost, at: [x, y] }) => (
        <span key={ghost.clientId} className={classes["tag"]} style={{ left: Math.max(0, Math.min(x + 10, size.width - 120)), top: Math.max(0, y - 32) }}>
          {describe(ghost)}
        </span>
      ))}
    </>
  );
}

function Cut({ from, to }: { from: readonly [number, number]; to: readonly [number, number] }) {
  const ends = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
  return (
    <g>
      <line {...ends} stroke="var(--grid-surface)" strokeWidth="3" opacity="0.7" />
      <line {...ends} stroke="var(--grid-text)" strokeWidth="1" strokeDasharray="6 4" />
    </g>
  );
}

interface RingProps {
  readonly at: readonly [number, number];
  readonly radius: number;
  readonly state: Ghost["state"];
  readonly isNear: boolean;
  /** Height of a span along a rod; absent: a ring. */
  readonly tall: number | undefined;
}

function Ring({ at: [x, y], radius, state, isNear, tall }: RingProps) {
  const isWhole = state === "applied";
  const colour = state === "refused" || state === "failed" || state === "late" ? "var(--grid-high)" : "var(--grid-accent)";
  const r = Math.max(4, radius);
  const dash = isWhole ? {} : { strokeDasharray: state === "sent" ? "10 4" : "4 4" };
  const shape = (line: object) => (tall === undefined ? <circle cx={x} cy={y} r={r} {...line} /> : <rect x={x - r} y="1" width={2 * r} height={tall - 2} {...line} />);
  return (
    <g fill="none" data-ghost={state} opacity={isNear ? 1 : 0.4}>
      {shape({ stroke: "var(--grid-surface)", strokeWidth: 4 })}
      {shape({ stroke: colour, strokeWidth: 2, ...dash })}
      <circle cx={x} cy={y} r="2" fill={colour} />
    </g>
  );
}

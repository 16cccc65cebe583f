/** A box seen from an angle, without perspective: where its points lie in a picture, in pixels from its upper left. */

export type Vector = readonly [number, number, number];

export interface BoxView {
  /** Turn about the upright axis, and height above the ground [rad]. */
  readonly yaw: number;
  readonly pitch: number;
  readonly zoom: number;
}

export const FIRST_VIEW: BoxView = { yaw: -1.05, pitch: 0.45, zoom: 1 };
const MOST_PITCH = 1.5;
const ROOM = 0.8; // of the shorter side of the picture, for the longest diagonal

/** Directions of the picture in the box's own axes. */
export interface Basis {
  readonly right: Vector;
  readonly up: Vector;
  /** From the eye into the picture. */
  readonly ahead: Vector;
}

export function basisOf({ yaw, pitch }: BoxView): Basis {
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  return { right: [-sy, cy, 0], up: [-sp * cy, -sp * sy, cp], ahead: [-cp * cy, -cp * sy, -sp] };
}

/** Sides of a box of some lengths, the longest as 1. */
export function sidesOf(lengths: readonly number[]): Vector {
  const most = Math.max(...lengths, Number.MIN_VALUE);
  return [(lengths[0] ?? 0) / most, (lengths[1] ?? 0) / most, (lengths[2] ?? 0) / most];
}

/** Pixels for the length 1 of a box in a picture. */
export function pixelsOf(sides: Vector, view: BoxView, width: number, height: number): number {
  return (ROOM * Math.min(width, height) * view.zoom) / Math.hypot(...sides);
}

/** Turn a view by a drag over pixels. */
export function turn(view: BoxView, right: number, down: number): BoxView {
  const pitch = Math.max(-MOST_PITCH, Math.min(MOST_PITCH, view.pitch + 0.01 * down));
  return { ...view, yaw: view.yaw - 0.01 * right, pitch };
}

/** Where a point lies; its coordinates are shares of the sides, 0 to 1. */
export function project(
  share: Vector, sides: Vector, view: BoxView, width: number, height: number,
): readonly [number, number] {
  const { right, up } = basisOf(view);
  const scale = pixelsOf(sides, view, width, height);
  const at = sides.map((side, axis) => side * ((share[axis] as number) - 0.5)) as unknown as Vector;
  return [width / 2 + scale * dot(at, right), height / 2 - scale * dot(at, up)];
}

/** The corners of the plane normal to an axis at a share of its side, in their order around it. */
export function planeCorners(axis: number, share: number): readonly Vector[] {
  const others = [0, 1, 2].filter((other) => other !== axis);
  return ([[0, 0], [1, 0], [1, 1], [0, 1]] as const).map((ends) => {
    const corner: [number, number, number] = [0, 0, 0];
    corner[axis] = share;
    corner[others[0] as number] = ends[0];
    corner[others[1] as number] = ends[1];
    return corner;
  });
}

/** The twelve edges, each with whether it lies behind the body. */
export function boxEdges(view: BoxView): readonly { readonly from: Vector; readonly to: Vector; readonly isBehind: boolean }[] {
  const { ahead } = basisOf(view);
  return [0, 1, 2].flatMap((axis) =>
    planeCorners(axis, 0).map((from) => {
      const to: [number, number, number] = [...from];
      to[axis] = 1;
      // the two faces that meet in an edge are both turned away from the eye
      const isBehind = [0, 1, 2].every((other) => other === axis || (2 * (from[other] as number) - 1) * (ahead[other] as number) > 0);
      return { from, to, isBehind };
    }),
  );
}

export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

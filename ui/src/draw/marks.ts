/** Marks on a heatmap as line segments, the same for each painter: drawn with a halo, so that any ground shows them. */

export interface Mark {
  /** Cell along x and y; the mark stands at its centre. */
  readonly x: number;
  readonly y: number;
  readonly kind: "hottest" | "probe" | "event";
}

const RADIUS = 6; // CSS pixels

/** Segments of a mark around (0, 0), four numbers each: a cross, cross hairs with a gap, or a ring. */
export function markSegments(kind: Mark["kind"]): readonly number[] {
  const r = RADIUS;
  if (kind === "hottest") return [-r, -r, r, r, -r, r, r, -r];
  if (kind === "probe") return [-2 * r, 0, -3, 0, 3, 0, 2 * r, 0, 0, -2 * r, 0, -3, 0, 3, 0, 2 * r];
  const corners = Array.from({ length: 13 }, (_, at) => [r * Math.cos((at * Math.PI) / 6), r * Math.sin((at * Math.PI) / 6)]);
  return corners.slice(1).flatMap((corner, at) => [...(corners[at] as number[]), ...corner]);
}

/** Place of a mark along one side, kept so far from the edge that all of it is seen. */
export function markPlace(cell: number, cells: number, length: number): number {
  const margin = RADIUS + 2;
  const place = ((cell + 0.5) / cells) * length;
  return length < 2 * margin ? place : Math.max(margin, Math.min(length - margin, place));
}

export const HALO_WIDTH = 4;
export const LINE_WIDTH = 2;

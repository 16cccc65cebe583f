/** What the picture of the box shows within it: regions of materials, holes, sources and contacts. Pure. */
import { getAt, isRecord, type Json } from "@/lib/json";
import { compile, type Compiled, type Place } from "./expressions";
import { dimensionOf } from "./heat";

/** A run of equal squares of one row, by its place on the unit square: x to the right, y up. */
export interface Run {
  readonly kind: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Kinds of squares that are no material. */
export const HOLE = -1;
export const CONFLICT = -2; // no material, or more than one

export interface Scene {
  readonly materials: number;
  readonly hasHoles: boolean;
  /** Whether two materials meet in one place, or none is there: the server refuses that. */
  readonly hasConflict: boolean;
  /** What of the box can be read; false: an expression is not right yet. */
  readonly isReadable: boolean;
  /** Squares of a face of the box, at the place that `at` gives. */
  readonly paint: (at: (u: number, v: number) => readonly [number, number, number]) => { readonly regions: Run[]; readonly sources: Run[] };
  readonly contacts: readonly { readonly axis: "x" | "y" | "z"; readonly share: number }[];
}

const SQUARES = 96; // along each side of a face
const START: Pick<Place, "t" | "T"> = { t: 0, T: 300 };

/** Read what a problem has within its box. */
export function sceneOf(problem: Json | undefined): Scene {
  const material = getAt(problem, ["material"]);
  const materials = Array.isArray(material) ? material : [material ?? null];
  const wheres = materials.map((one) => (materials.length === 1 ? always : readText(getAt(one, ["where"]))));
  const active = getAt(problem, ["domain", "active"]);
  const body = active === undefined ? always : readText(active);
  const term = getAt(problem, ["source_term"]);
  const source = term === undefined ? never : typeof term === "number" ? () => term : (readText(term) ?? never);
  const isReadable = body !== undefined && wheres.every((where) => where !== undefined);
  const axes = dimensionOf(problem);
  const kindAt = (place: Place): number => {
    if (body !== undefined && body(place) === 0) return HOLE;
    if (!isReadable) return 0;
    const there = wheres.flatMap((where, index) => (where !== undefined && where(place) !== 0 ? [index] : []));
    return there.length === 1 ? (there[0] ?? 0) : CONFLICT;
  };
  const paint: Scene["paint"] = (at) => {
    const rows = axes === 1 ? 1 : SQUARES;
    const kinds = new Int8Array(SQUARES * rows);
    const heats = new Int8Array(SQUARES * rows);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < SQUARES; column += 1) {
        const [x, y, z] = at((column + 0.5) / SQUARES, (row + 0.5) / rows);
        const place = { x, y, z, ...START };
        const kind = kindAt(place);
        kinds[row * SQUARES + column] = kind;
        const heat = source(place);
        heats[row * SQUARES + column] = kind !== HOLE && heat !== 0 && Number.isFinite(heat) ? 1 : 0;
      }
    }
    return { regions: runsOf(kinds, rows), sources: runsOf(heats, rows).filter((run) => run.kind === 1) };
  };
  const all = paint(faceOf(problem, "front")).regions;
  return {
    materials: materials.length, isReadable, paint, hasHoles: active !== undefined, hasConflict: all.some((run) => run.kind === CONFLICT),
    contacts: contactsOf(problem),
  };
}

const always: Compiled = () => 1;
const never: Compiled = () => 0;

function readText(value: Json | undefined): Compiled | undefined {
  const text = isRecord(value) ? value["expression"] : typeof value === "string" ? value : undefined;
  return typeof text === "string" ? compile(text) : undefined;
}

/** Equal squares as few rectangles: runs along each row, and rows that are equal as one. */
function runsOf(kinds: Int8Array, rows: number): Run[] {
  const runs: Run[] = [];
  for (let row = 0; row < rows; ) {
    const line = kinds.subarray(row * SQUARES, (row + 1) * SQUARES);
    let end = row + 1;
    while (end < rows && line.every((kind, column) => kinds[end * SQUARES + column] === kind)) end += 1;
    for (let from = 0; from < SQUARES; ) {
      const kind = line[from] ?? 0;
      let to = from + 1;
      while (to < SQUARES && line[to] === kind) to += 1;
      runs.push({ kind, x: from / SQUARES, y: row / rows, width: (to - from) / SQUARES, height: (end - row) / rows });
      from = to;
    }
    row = end;
  }
  return runs;
}

function contactsOf(problem: Json | undefined): Scene["contacts"] {
  const list = getAt(problem, ["contacts"]);
  return (Array.isArray(list) ? list : []).flatMap((contact) => {
    const [axis, position] = [getAt(contact, ["axis"]), getAt(contact, ["position"])];
    if ((axis !== "x" && axis !== "y" && axis !== "z") || typeof position !== "number") return [];
    const [origin, size] = spanOf(problem, "xyz".indexOf(axis));
    return [{ axis, share: (position - origin) / size }];
  });
}

/** Low corner and length of the box along an axis. */
function spanOf(problem: Json | undefined, axis: number): readonly [number, number] {
  const [origin, size] = [getAt(problem, ["domain", "origin", axis]), getAt(problem, ["domain", "size", axis])];
  return [typeof origin === "number" ? origin : 0, typeof size === "number" && size > 0 ? size : 1];
}

/** Places on a face that is seen: the front at low z, the top at high y, the side at high x. */
export function faceOf(problem: Json | undefined, face: "front" | "top" | "side"): (u: number, v: number) => readonly [number, number, number] {
  const spans = [0, 1, 2].map((axis) => spanOf(problem, axis));
  const at = (axis: number, share: number) => (spans[axis]?.[0] ?? 0) + share * (spans[axis]?.[1] ?? 1);
  const [low, high] = [1e-9, 1 - 1e-9]; // just within the box
  if (face === "top") return (u, v) => [at(0, u), at(1, high), at(2, v)];
  if (face === "side") return (u, v) => [at(0, high), at(1, v), at(2, u)];
  return (u, v) => [at(0, u), at(1, v), at(2, low)];
}

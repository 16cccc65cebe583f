import { isRecord, getAt, type Json } from "@/lib/json";
import { formatNumber } from "@/lib/format";
import { dimensionOf, facesOf, faceTitle, lawText } from "./heat";
import classes from "./submit.module.css";

interface Props {
  readonly problem: Json | undefined;
  /** A face was chosen: its fields are wanted. */
  readonly onFace: (face: string) => void;
}

type Point = readonly [number, number];
const WIDTH = 420;
const HEIGHTS = [0, 96, 200, 220] as const; // by the number of axes
const COLOURS: Readonly<Record<string, string>> = {
  temperature: "var(--grid-series-2)", flux: "var(--grid-series-4)", convection: "var(--grid-series-1)",
  radiation: "var(--grid-series-3)",
};

/** A picture of the box in its proportions: its size, and at each face the law that holds there. */
export function HeatBox({ problem, onFace }: Props) {
  const dimension = dimensionOf(problem);
  const size = [0, 1, 2].map((axis) => {
    const length = getAt(problem, ["domain", "size", axis]);
    return typeof length === "number" && length > 0 ? length : 1;
  });
  const height = HEIGHTS[dimension] ?? 200;
  const box = layout(dimension, size, height);
  const materials = getAt(problem, ["material"]);
  const regions = Array.isArray(materials) ? materials.length : 1;
  const source = getAt(problem, ["source_term"]);
  const lengths = size.slice(0, dimension).map((length) => formatNumber(length, 3)).join(" × ");
  return (
    <figure className={classes["box"]}>
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={`Box of ${lengths} m, ${regions === 1 ? "one material" : `${regions} materials`}`}>
        {box.outline.map((line, index) => (
          <polyline key={index} points={line.map((point) => point.join(",")).join(" ")} className={classes["edge"]} />
        ))}
        {facesOf(dimension).map((face) => {
          const place = box.faces[face];
          if (place === undefined) return null;
          const law = String(getAt(problem, ["boundaries", face, "type"]) ?? "");
          return (
            <polyline key={face} points={place.line.map((point) => point.join(",")).join(" ")} className={classes["face"]}
              stroke={COLOURS[law] ?? "var(--grid-muted)"} strokeDasharray={law === "insulated" || law === "" ? "2 4" : undefined} />
          );
        })}
        <text x={WIDTH / 2} y={height - 6} textAnchor="middle" className={classes["size"]}>
          {lengths} m{regions > 1 ? `, ${regions} materials` : ""}{source === undefined || source === 0 ? "" : ", with a source"}
        </text>
      </svg>
      <ul className={classes["faces"]}>
        {facesOf(dimension).map((face) => {
          const law = getAt(problem, ["boundaries", face]);
          const name = isRecord(law) ? String(law["type"]) : "";
          return (
            <li key={face}>
              <button type="button" className={classes["law"]} onClick={() => onFace(face)}>
                <span className={classes["swatch"]} style={{ background: COLOURS[name] ?? "var(--grid-muted)" }} />
                {faceTitle(face)}: {lawText(law)}
              </button>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}

interface Layout {
  readonly outline: readonly (readonly Point[])[];
  readonly faces: Readonly<Record<string, { readonly line: readonly Point[] }>>;
}

/** Corners of the box on the picture: x to the right, y up, z into the page at an angle. */
function layout(dimension: number, size: readonly number[], height: number): Layout {
  const [x = 1, y = 1, z = 1] = size;
  const room = [WIDTH - 60, height - 56] as const;
  const depth = dimension === 3 ? 0.4 * z : 0;
  const high = dimension === 1 ? x * 0.12 : Math.max(y, 0.08 * x);
  const scale = Math.min(room[0] / (Math.max(x, 0.08 * y) + depth), room[1] / (high + depth));
  const [w, h, d] = [Math.max(x, 0.08 * y) * scale, high * scale, depth * scale];
  const [left, bottom] = [(WIDTH - w - d) / 2, 20 + (room[1] + h + d) / 2];
  const at = (a: number, b: number, c: number): Point => [left + a * w + c * d, bottom - b * h - c * d];
  const front = [at(0, 0, 0), at(1, 0, 0), at(1, 1, 0), at(0, 1, 0), at(0, 0, 0)];
  const back = [at(0, 1, 0), at(0, 1, 1), at(1, 1, 1), at(1, 0, 1), at(1, 0, 0)];
  const mid = 0.5;
  const faces: Record<string, { line: readonly Point[] }> = {
    x_min: { line: [at(0, 0, 0), at(0, 1, 0)] },
    x_max: { line: dimension === 3 ? [at(1, 0, mid), at(1, 1, mid)] : [at(1, 0, 0), at(1, 1, 0)] },
    y_min: { line: [at(0, 0, 0), at(1, 0, 0)] },
    y_max: { line: dimension === 3 ? [at(0, 1, mid), at(1, 1, mid)] : [at(0, 1, 0), at(1, 1, 0)] },
    z_min: { line: [at(0.25, mid, 0), at(0.75, mid, 0)] },
    z_max: { line: [at(0, 1, 1), at(1, 1, 1)] },
  };
  return { outline: dimension === 3 ? [front, back, [at(1, 1, 0), at(1, 1, 1)]] : [front], faces };
}

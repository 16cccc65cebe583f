import { Menu, Button } from "@mantine/core";
import { useMemo } from "react";
import { isRecord, getAt, type Json } from "@/lib/json";
import { formatNumber, plural } from "@/lib/format";
import { printUnit } from "@/lib/units";
import { dimensionOf, facesOf, faceTitle, hasPart, lawText, type Part, PARTS, temperatureUnit } from "./heat";
import { CONFLICT, faceOf, HOLE, type Run, type Scene, sceneOf } from "./scene";
import classes from "./submit.module.css";

interface Props {
  readonly problem: Json | undefined;
  /** A part was chosen in the picture: its fields are wanted. */
  readonly onOpen: (path: string) => void;
  /** A part is to come, or to go. */
  readonly onPart: (part: Part) => void;
}

type Point = readonly [number, number];
const WIDTH = 420;
const HEIGHTS = [0, 96, 220, 240] as const; // by the number of axes
const COLOURS: Readonly<Record<string, string>> = {
  temperature: "var(--grid-series-2)", flux: "var(--grid-series-4)", convection: "var(--grid-series-1)",
  radiation: "var(--grid-series-3)", convection_radiation: "var(--grid-series-3)",
};
const PART_WORDS: Readonly<Record<Part, readonly [string, string]>> = {
  materials: ["A second material", "Only the first material"], contact: ["A contact with a jump of temperature", "No contacts"],
  holes: ["A hole", "No holes"], flow: ["A flow that carries heat", "No flow"],
};

/** A picture of the box in its proportions: materials, holes, sources and contacts within, and at each face the law that holds there. */
export function HeatBox({ problem, onOpen, onPart }: Props) {
  const dimension = dimensionOf(problem);
  const size = [0, 1, 2].map((axis) => {
    const length = getAt(problem, ["domain", "size", axis]);
    return typeof length === "number" && length > 0 ? length : 1;
  });
  const height = HEIGHTS[dimension] ?? 200;
  const box = layout(dimension, size, height);
  const scene = useMemo(() => sceneOf(problem), [problem]);
  const lengths = size.slice(0, dimension).map((length) => formatNumber(length, 3)).join(" × ");
  const faces = [...facesOf(dimension), ...(scene.hasHoles ? ["internal"] : [])];
  const degrees = printUnit(temperatureUnit(problem));
  return (
    <figure className={classes["box"]}>
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={`Box of ${lengths} m, ${scene.materials === 1 ? "one material" : `${scene.materials} materials`}${scene.hasHoles ? ", with holes" : ""}`}>
        <defs>
          <pattern id="grid-heat" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" stroke="var(--grid-series-2)" strokeWidth="2" /></pattern>
        </defs>
        {box.sides.map(({ name, corner, along, up }) => (
          <Side key={name} scene={scene} problem={problem} name={name} corner={corner} along={along} up={up} />
        ))}
        {box.outline.map((line, index) => <polyline key={index} points={pointsOf(line)} className={classes["edge"]} />)}
        {scene.contacts.map((contact, index) => {
          const line = box.cut(contact.axis, contact.share);
          return line === undefined ? null : <polyline key={index} points={pointsOf(line)} className={classes["contact"]} />;
        })}
        {facesOf(dimension).map((face) => {
          const place = box.faces[face];
          if (place === undefined) return null;
          const law = String(getAt(problem, ["boundaries", face, "type"]) ?? "");
          return (
            <polyline key={face} points={pointsOf(place.line)} className={classes["face"]}
              stroke={COLOURS[law] ?? "var(--grid-muted)"} strokeDasharray={law === "insulated" || law === "" ? "2 4" : undefined} />
          );
        })}
        <text x={WIDTH / 2} y={height - 6} textAnchor="middle" className={classes["size"]}>{lengths} m</text>
      </svg>
      <div className={classes["parts"]}>
        <ul className={classes["faces"]} aria-label="Parts of the box">
          {faces.map((face) => {
            const law = getAt(problem, ["boundaries", face]);
            const name = isRecord(law) ? String(law["type"]) : "";
            return (
              <li key={face}>
                <button type="button" className={classes["law"]} onClick={() => onOpen(`problem.boundaries.${face}.type`)}>
                  <span className={classes["swatch"]} data-dashed={name === "insulated" || name === "" || undefined} style={{ background: COLOURS[name] ?? "var(--grid-muted)" }} />
                  {faceTitle(face)}: {lawText(law, degrees)}
                </button>
              </li>
            );
          })}
          {scene.materials > 1 && Array.from({ length: scene.materials }, (_, index) => (
            <li key={`material ${index}`}>
              <button type="button" className={classes["law"]} onClick={() => onOpen(`problem.material[${index}].where`)}>
                <span className={classes["patch"]} style={{ background: colourOf(index) }} /> material {index + 1}
              </button>
            </li>
          ))}
        </ul>
        {!scene.isReadable && <p className={classes["muted"]}>A place cannot be drawn yet: its expression is not complete.</p>}
        {scene.hasConflict && <p className={classes["wrong"]} role="status">Where the box is red, no material is there, or more than one.</p>}
        <Menu position="bottom-start">
          <Menu.Target><Button size="compact-sm" rightSection="▾">Add or take away</Button></Menu.Target>
          <Menu.Dropdown>
            {PARTS.map((part) => <Menu.Item key={part} onClick={() => onPart(part)}>{PART_WORDS[part][hasPart(problem, part) ? 1 : 0]}</Menu.Item>)}
          </Menu.Dropdown>
        </Menu>
        <span className={classes["muted"]}>{plural(scene.materials, "material")}{scene.contacts.length > 0 ? `, ${plural(scene.contacts.length, "contact")}` : ""}</span>
      </div>
    </figure>
  );
}

function pointsOf(line: readonly Point[]): string {
  return line.map((point) => point.join(",")).join(" ");
}

function colourOf(material: number): string {
  return `color-mix(in srgb, var(--grid-series-${(material % 5) + 1}) 26%, var(--grid-surface))`;
}

/** One side of the box that is seen, with what lies at it. */
function Side(props: { scene: Scene; problem: Json | undefined; name: "front" | "top" | "side"; corner: Point; along: Point; up: Point }) {
  const { scene, problem, name, corner, along, up } = props;
  const { regions, sources } = useMemo(() => scene.paint(faceOf(problem, name)), [scene, problem, name]);
  const fillOf = (kind: number) => (kind === HOLE ? "var(--grid-page)" : kind === CONFLICT ? "var(--grid-critical)" : scene.materials === 1 ? "var(--grid-hover)" : colourOf(kind));
  const rect = (run: Run, fill: string, key: string) => (
    <rect key={key} x={run.x} y={run.y} width={run.width + 0.002} height={run.height + 0.002} fill={fill} />
  );
  // a unit square, laid onto the side; patterns are drawn as polygons, so that they keep their own size
  const corners = (run: Run) => [[run.x, run.y], [run.x + run.width, run.y], [run.x + run.width, run.y + run.height], [run.x, run.y + run.height]]
    .map(([u = 0, v = 0]) => [corner[0] + u * along[0] + v * up[0], corner[1] + u * along[1] + v * up[1]] as const);
  return (
    <>
      <g transform={`matrix(${along[0]} ${along[1]} ${up[0]} ${up[1]} ${corner[0]} ${corner[1]})`} shapeRendering="crispEdges">
        {regions.map((run, index) => rect(run, fillOf(run.kind), String(index)))}
      </g>
      {sources.map((run, index) => <polygon key={index} points={pointsOf(corners(run))} fill="url(#grid-heat)" fillOpacity={0.5} />)}
    </>
  );
}

interface Layout {
  readonly outline: readonly (readonly Point[])[];
  readonly faces: Readonly<Record<string, { readonly line: readonly Point[] }>>;
  readonly sides: readonly { readonly name: "front" | "top" | "side"; readonly corner: Point; readonly along: Point; readonly up: Point }[];
  /** A plane across the box, at a share of an axis. */
  readonly cut: (axis: "x" | "y" | "z", share: number) => readonly Point[] | undefined;
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
  const sides: Layout["sides"] = [
    { name: "front", corner: at(0, 0, 0), along: [w, 0], up: [0, -h] },
    ...(dimension === 3
      ? [{ name: "top" as const, corner: at(0, 1, 0), along: [w, 0] as const, up: [d, -d] as const }, { name: "side" as const, corner: at(1, 0, 0), along: [d, -d] as const, up: [0, -h] as const }]
      : []),
  ];
  const cut: Layout["cut"] = (axis, share) => {
    if (!(share >= 0 && share <= 1)) return undefined;
    if (axis === "x") return [at(share, 0, 0), at(share, 1, 0), ...(dimension === 3 ? [at(share, 1, 1)] : [])];
    if (axis === "y") return dimension < 2 ? undefined : [at(0, share, 0), at(1, share, 0), ...(dimension === 3 ? [at(1, share, 1)] : [])];
    return dimension < 3 ? undefined : [at(0, 1, share), at(1, 1, share), at(1, 0, share)];
  };
  return { outline: dimension === 3 ? [front, back, [at(1, 1, 0), at(1, 1, 1)]] : [front], faces, sides, cut };
}

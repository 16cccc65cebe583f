/**
 * Events that a person may send into a run, as schemas of forms: what each takes, in which unit, within which limits, as
 * the engine reads it. What depends on the scene (a face that has no film, say) the server answers, field by field.
 */
import type { Json } from "@/lib/json";
import type { Schema } from "@/lib/schema";
import { AXES, type Body, centreOf, lengthOf, openAxes } from "./geometry";

export interface Scene {
  readonly body: Body;
  /** Unit of temperatures; empty where they are relative. */
  readonly temperatureUnit: string;
  readonly hasStructure: boolean;
}

export interface Variant {
  readonly name: string;
  readonly title: string;
}

export interface EventKind {
  readonly kind: string;
  readonly title: string;
  readonly what: string;
  /** What its `law` or `region` may be, where there is a choice. */
  readonly variants?: readonly Variant[];
  /** The member that the variants stand for. */
  readonly varies?: "law" | "region";
  /** Members that are shown behind a heading of their own. */
  readonly more?: readonly string[];
  readonly makeSchema: (scene: Scene, variant: string) => Schema;
  readonly makeStart: (scene: Scene, variant: string) => Record<string, Json>;
}

const REGIONS: readonly Variant[] = [
  { name: "all", title: "the whole body" }, { name: "box", title: "a box" }, { name: "disc", title: "a disc or ball" }, { name: "name", title: "a region of the structure" },
];
const LAWS: readonly Variant[] = [
  { name: "temperature", title: "a temperature" }, { name: "flux", title: "a heat flux" }, { name: "convection", title: "convection" },
  { name: "radiation", title: "radiation" }, { name: "convection_radiation", title: "convection and radiation" }, { name: "insulated", title: "insulated" },
];

const number = (title: string, unit: string, more: Schema = {}): Schema => ({ type: "number", title, unit, ...more });
const share = (title: string, least = 0): Schema => number(title, "1", { minimum: least, maximum: 1 });
const POWER = number("Power", "W", { minimum: -1e15, maximum: 1e15 });
const ENERGY = number("Energy", "J", { minimum: -1e18, maximum: 1e18, description: "in place of the power" });
const RADIUS = number("Radius", "m", { minimum: 1e-9, maximum: 1e9, description: "standard deviation of a Gaussian, or of the disc" });
const FLUX = number("Heat flux", "W/m2", { minimum: -1e15, maximum: 1e15, description: "positive into the body" });
const COEFFICIENT = number("Coefficient", "W/(m2 K)", { minimum: 0, maximum: 1e12 });
const DURATION = number("Duration", "s", { minimum: 1e-15, maximum: 1e15, description: "simulated" });
const UNTIL_ENDED: Schema = {
  anyOf: [number("Duration", "s", { minimum: 1e-15, maximum: 1e15 }), { type: "null" }], default: null, title: "Duration", unit: "s",
  description: "simulated; without it, until it is ended",
};

function object(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  return {
    type: "object", properties, additionalProperties: false, required: Object.keys(properties).filter((name) => !optional.includes(name)),
  };
}

/** A place or a corner: a number for each of some axes. */
function place(title: string, axes: readonly number[], description = ""): Schema {
  return {
    type: "array", title, unit: "m", minItems: axes.length, maxItems: axes.length, items: { type: "number" }, names: axes.map((axis) => AXES[axis] ?? ""),
    ...(description === "" ? {} : { description }),
  };
}

/** A corner along a face, whose axes depend on the face. */
function facePlace(title: string, count: number, description = ""): Schema {
  return { type: "array", title, unit: "m", minItems: count, maxItems: count, items: { type: "number" }, ...(description === "" ? {} : { description }) };
}

function faces(body: Body): Schema {
  return { enum: body.cells.flatMap((_, axis) => [`${AXES[axis] ?? ""}_min`, `${AXES[axis] ?? ""}_max`]), title: "Face" };
}

/** Plates and slabs are cooled at the faces of their first axis. */
const FACE = "x_max";

const every = (body: Body) => body.cells.map((_, axis) => axis);
const middle = (body: Body, axes: readonly number[]) => axes.map((axis) => tidy((body.origin?.[axis] ?? 0) + 0.5 * lengthOf(body, axis)));
const longest = (body: Body) => Math.max(...every(body).map((axis) => lengthOf(body, axis)));

function makeRegion(scene: Scene, variant: string): Schema {
  const { body } = scene;
  const axes = every(body);
  if (variant === "box") {
    return object({ box: { ...object({ from_m: place("From", axes), to_m: place("To", axes) }), title: "Box" } });
  }
  if (variant === "disc") {
    return object({ disc: { ...object({ centre_m: place("Centre", axes), radius_m: number("Radius", "m", { exclusiveMinimum: 0, maximum: 1e9 }) }), title: "Disc" } });
  }
  return object({ name: { type: "string", title: "Name of the region", minLength: 1, maxLength: 100 } });
}

function startRegion({ body }: Scene, variant: string): Record<string, Json> {
  const axes = every(body);
  if (variant === "all") return {};
  return { region: startPart(body, axes, variant) };
}

function startPart(body: Body, axes: readonly number[], variant: string): Json {
  if (variant === "box") return { box: { from_m: axes.map((axis) => tidy(body.origin?.[axis] ?? 0)), to_m: middle(body, axes) } };
  if (variant === "disc") return { disc: { centre_m: middle(body, axes), radius_m: tidy(0.1 * longest(body)) } };
  return { name: "" };
}

function makeLaw({ temperatureUnit }: Scene, variant: string): Schema {
  const temperature = (title: string) => number(title, temperatureUnit, { minimum: temperatureUnit === "K" ? 0 : temperatureUnit === "degC" ? -273.15 : -1e12, maximum: 1e12 });
  const film = { coefficient: COEFFICIENT, ambient: temperature("Temperature of the medium") };
  const rays = { emissivity: share("Emissivity"), surroundings: temperature("Temperature of the surroundings") };
  const members: Record<string, Record<string, Schema>> = {
    temperature: { value: temperature("Temperature") }, flux: { value: FLUX }, convection: film, radiation: rays,
    convection_radiation: { ...film, ...rays }, insulated: {},
  };
  return object(members[variant] ?? {});
}

function startLaw({ temperatureUnit }: Scene, variant: string): Record<string, Json> {
  const cool = temperatureUnit === "K" ? 293.15 : temperatureUnit === "degC" ? 20 : 0;
  const film = { coefficient: 25, ambient: cool };
  const rays = { emissivity: 0.8, surroundings: cool };
  const values: Record<string, Record<string, Json>> = {
    temperature: { value: cool }, flux: { value: 20_000 }, convection: film, radiation: rays, convection_radiation: { ...film, ...rays },
  };
  return values[variant] ?? {};
}

/** The schema of an object with a region among its members; the whole body needs no fields. */
function withRegion(scene: Scene, variant: string, members: Record<string, Schema>, optional: readonly string[]): Schema {
  return object(variant === "all" ? members : { region: { ...makeRegion(scene, variant), title: "Region" }, ...members }, optional);
}

export const EVENT_KINDS: readonly EventKind[] = [
  {
    kind: "burst", title: "Burst", what: "Heat around a point. A drag on the field draws it; so does Enter at the probe.",
    more: ["energy_j", "shape", "velocity_m_s"],
    makeSchema: ({ body }) => {
      const axes = openAxes(body.cells);
      return object({
        position_m: place("Centre", axes), radius_m: RADIUS, power_w: POWER, energy_j: ENERGY, duration_s: DURATION,
        shape: { enum: ["gauss", "disc"], default: "gauss", title: "Shape" },
        velocity_m_s: { ...place("Velocity", axes, "half a cell a tick at most"), unit: "m/s" },
      }, ["power_w", "energy_j", "shape", "velocity_m_s"]);
    },
    makeStart: ({ body }) => ({
      position_m: middle(body, openAxes(body.cells)), radius_m: tidy(0.05 * Math.max(...openAxes(body.cells).map((axis) => lengthOf(body, axis)))), power_w: 800, duration_s: 60,
    }),
  },
  {
    kind: "overload", title: "Overload", what: "Power spread evenly over a region.", varies: "region", variants: REGIONS,
    makeSchema: (scene, variant) => withRegion(scene, variant, { power_w: POWER, duration_s: UNTIL_ENDED }, ["duration_s"]),
    makeStart: (scene, variant) => ({ power_w: 1000, ...startRegion(scene, variant) }),
  },
  {
    kind: "flow", title: "Heat through a face", what: "A heat flux into a face, or into a part of it.", more: ["from_m", "to_m"],
    makeSchema: ({ body }) => {
      const along = every(body).slice(1);
      const part = along.length === 0 ? {} : {
        from_m: facePlace("Part from", along.length, "along the face; without it, all of it"), to_m: facePlace("Part to", along.length),
      };
      return object({ face: faces(body), heat_flux_w_m2: FLUX, duration_s: DURATION, ...part }, ["from_m", "to_m"]);
    },
    makeStart: () => ({ face: FACE, heat_flux_w_m2: 20_000, duration_s: 60 }),
  },
  {
    kind: "boundary", title: "Boundary", what: "Another law at a face.", varies: "law", variants: LAWS,
    makeSchema: (scene, variant) => {
      const law = makeLaw(scene, variant);
      const members = { face: faces(scene.body), duration_s: UNTIL_ENDED };
      return object(variant === "insulated" ? members : { ...members, law: { ...law, title: "Law" } }, ["duration_s"]);
    },
    makeStart: (scene, variant) => ({ face: FACE, ...(variant === "insulated" ? {} : { law: startLaw(scene, variant) }) }),
  },
  {
    kind: "cooling-loss", title: "Loss of cooling", what: "Convection and radiation at faces fall to a share.",
    makeSchema: ({ body }) => object({
      faces: { type: "array", title: "Faces", items: { ...faces(body), default: FACE }, minItems: 1, maxItems: 2 * body.cells.length },
      remaining: share("Remaining share"), duration_s: UNTIL_ENDED,
    }, ["duration_s"]),
    makeStart: () => ({ faces: [FACE], remaining: 0.1 }),
  },
  {
    kind: "damage", title: "Damage", what: "A region conducts less, is softer, or has aged; for good.", varies: "region", variants: REGIONS,
    makeSchema: (scene, variant) => withRegion(scene, variant, {
      conductivity_factor: share("Conductivity that is left", 0.05),
      ...(scene.hasStructure ? { stiffness_factor: share("Stiffness that is left"), damage: share("Sum of damage") } : {}),
    }, ["conductivity_factor", "stiffness_factor", "damage"]),
    makeStart: (scene, variant) => ({
      ...startRegion(scene, variant), conductivity_factor: 0.5, ...(scene.hasStructure ? { stiffness_factor: 1, damage: 0 } : {}),
    }),
  },
];

export function kindOf(name: string): EventKind {
  const found = EVENT_KINDS.find((item) => item.kind === name) ?? EVENT_KINDS[0];
  if (found === undefined) throw new RangeError("There is no kind of event");
  return found;
}

/** The event that is sent: what the form says, and the members that a variant stands for. */
export function makeEvent(kind: EventKind, variant: string, value: Readonly<Record<string, Json>>): Record<string, Json> {
  const event: Record<string, Json> = { kind: kind.kind };
  for (const [name, given] of Object.entries(value)) {
    if (given !== null && given !== "" && !(Array.isArray(given) && given.length === 0)) event[name] = given;
  }
  if (kind.varies === "law") event["law"] = { type: variant, ...(value["law"] as Record<string, Json> | undefined) };
  if (kind.varies === "region" && variant === "all") event["region"] = "all";
  return event;
}

/** Fields of a form out of those that the server names: `event.law.value`, `events[0].power_w`, `power_w`. */
export function toFormField(field: string): string {
  return field.replace(/^(?:events?(?:\[\d+\])?|body)\./, "");
}

function tidy(value: number): number {
  return Number(value.toPrecision(6));
}

/** Where a burst of a form lies, or undefined while its numbers are not right. */
export function readBurst(scene: Scene, value: Readonly<Record<string, Json>>): { position: number[]; radius: number } | undefined {
  const [position, radius] = [value["position_m"], value["radius_m"]];
  const isPlace = Array.isArray(position) && position.length === openAxes(scene.body.cells).length && position.every((part) => typeof part === "number");
  return isPlace && typeof radius === "number" && radius > 0 ? { position: position as number[], radius } : undefined;
}

/** Numbers of a burst that is drawn, as a form shows them. */
export function drawnBurst(body: Body, at: readonly number[], radius: number): Record<string, Json> {
  return { position_m: openAxes(body.cells).map((axis) => tidy(centreOf(body, axis, at[axis] ?? 0))), radius_m: tidy(radius) };
}

/** The form of a heat problem, from the server's schema of the case format: what the problem at hand can have. Pure. */
import { getAt, isRecord, type Json, type JsonRecord, omit, setAt } from "@/lib/json";
import { resolve, type Schema } from "@/lib/schema";

export const AXES = ["x", "y", "z"] as const;

/** Members of a problem that this form shows; others are shown where the problem has them. */
const SHOWN = [
  "dimension", "steady", "temperature_unit", "domain", "material", "boundaries", "initial", "source_term", "resolution",
];

const TITLES: Readonly<Record<string, string>> = {
  dimension: "Axes", steady: "Steady state", temperature_unit: "Unit of temperatures", domain: "Box", material: "Material",
  boundaries: "Faces", initial: "Temperature at the start", source_term: "Heat source", resolution: "Grid and time",
  size: "Size", cells: "Cells", steps: "Steps", end_time: "Simulated time", conductivity: "Conductivity", density: "Density",
  specific_heat: "Specific heat", where: "Where", type: "Law", value: "Value", coefficient: "Coefficient", ambient: "Ambient",
  emissivity: "Emissivity", surroundings: "Surroundings",
};

const UNITS: Readonly<Record<string, string>> = {
  size: "m", origin: "m", end_time: "s", conductivity: "W/(m K)", density: "kg/m3", specific_heat: "J/(kg K)", source_term: "W/m3",
  coefficient: "W/(m2 K)", volumetric_heat_capacity: "J/(m3 K)", latent_heat: "J/kg", young_modulus: "Pa", yield_stress: "Pa",
  thermal_expansion: "1/K", conductance: "W/(m2 K)", emissivity: "1",
};

const EXPRESSION = "A number, an expression in x, y, z, t, T, or a table as JSON";

interface Law {
  readonly name: string;
  readonly schema: Schema;
}

/** The laws that a face can have, as the schema lists them. */
export function lawsOf(problemSchema: Schema): readonly Law[] {
  const boundary = definition(problemSchema, "boundary");
  const branches = Array.isArray(boundary["allOf"]) ? boundary["allOf"] : [];
  return branches.flatMap((branch: unknown) => {
    if (!isRecord(branch)) return [];
    const name = at(branch, "if", "properties", "type", "const");
    const schema = branch["then"];
    return typeof name === "string" && isRecord(schema) ? [{ name, schema: schema as Schema }] : [];
  });
}

function at(value: unknown, ...names: string[]): unknown {
  return names.reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
}

function definition(problemSchema: Schema, name: string): Schema {
  const found = at(problemSchema, "$defs", name);
  return isRecord(found) ? (found as Schema) : {};
}

/** Names of the faces of a box of some axes, low before high. */
export function facesOf(dimension: number): readonly string[] {
  return AXES.slice(0, dimension).flatMap((axis) => [`${axis}_min`, `${axis}_max`]);
}

export function dimensionOf(problem: Json | undefined): number {
  const dimension = getAt(problem, ["dimension"]);
  return dimension === 1 || dimension === 2 || dimension === 3 ? dimension : 1;
}

/**
 * Make the schema of the whole form: the parameters of `heat`, with the problem as closed parts that can be filled in.
 *
 * @param parameters Schema of the simulation's parameters.
 * @param problemSchema Answer of `/problems/schema`.
 * @param problem The problem as it is: it tells how many axes, which laws, and one material or several.
 */
export function heatSchema(parameters: Schema, problemSchema: Schema, problem: Json | undefined): Schema {
  const whole = resolve(problemSchema, problemSchema);
  const members = at(whole, "properties");
  const known = isRecord(members) ? members : {};
  const kelvins = temperatureUnit(problem);
  const dimension = dimensionOf(problem);
  const present = isRecord(problem) ? Object.keys(problem) : [];
  const names = [...SHOWN, ...present.filter((name) => name in known && !SHOWN.includes(name))];
  const hidden = getAt(problem, ["steady"]) === true ? ["initial"] : [];
  const properties: Record<string, Schema> = {};
  for (const name of names.filter((one) => !hidden.includes(one) || present.includes(one))) {
    const base = resolve((known[name] ?? {}) as Schema, problemSchema);
    if (name === "domain") properties[name] = domainSchema(base, dimension);
    else if (name === "material") properties[name] = materialSchema(problemSchema, getAt(problem, ["material"]));
    else if (name === "boundaries") properties[name] = boundariesSchema(problemSchema, problem, dimension, kelvins);
    else if (name === "resolution") properties[name] = resolutionSchema(base, dimension);
    else properties[name] = titled(name, base, name === "initial" ? kelvins : undefined);
  }
  const required = Array.isArray(whole["required"]) ? whole["required"] : [];
  const form = { type: "object", additionalProperties: false, title: "Problem", required, properties };
  const others = isRecord(parameters["properties"]) ? parameters["properties"] : {};
  return { ...parameters, $defs: problemSchema["$defs"], properties: { ...others, problem: form } };
}

/** The unit of temperatures of a problem; relative ones have none. */
export function temperatureUnit(problem: Json | undefined): string {
  const unit = getAt(problem, ["temperature_unit"]);
  return unit === "K" || unit === "degC" ? unit : "1";
}

function titled(name: string, schema: Schema, unit?: string): Schema {
  const isFormula = Array.isArray(schema["anyOf"]);
  return {
    ...schema,
    title: TITLES[name] ?? name.replaceAll("_", " "),
    ...(unit !== undefined || UNITS[name] !== undefined ? { unit: unit ?? UNITS[name] } : {}),
    ...(isFormula && schema["description"] === undefined && (name === "initial" || name === "source_term") ? { description: EXPRESSION } : {}),
  };
}

function closed(name: string, schema: Schema, properties: Record<string, Schema>): Schema {
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return { type: "object", additionalProperties: false, title: TITLES[name] ?? name, required, properties };
}

function membersOf(schema: Schema): Record<string, Schema> {
  return isRecord(schema["properties"]) ? (schema["properties"] as Record<string, Schema>) : {};
}

function domainSchema(schema: Schema, dimension: number): Schema {
  const { size = {}, origin = {}, ...rest } = membersOf(schema);
  const list = (name: string, base: Schema) => ({ ...titled(name, base), minItems: dimension, maxItems: dimension });
  const { coordinates = {}, ...others } = rest;
  return closed("domain", schema, { size: list("size", size), origin: list("origin", origin), coordinates, ...others });
}

function resolutionSchema(schema: Schema, dimension: number): Schema {
  const { cells = {}, steps = {}, end_time = {} } = membersOf(schema);
  return closed("resolution", schema, {
    cells: { ...titled("cells", cells), minItems: dimension, maxItems: dimension },
    steps: titled("steps", steps),
    end_time: titled("end_time", end_time),
  });
}

/** One material or several; a material shows the three usual properties, and those that it has. */
function materialSchema(problemSchema: Schema, value: Json | undefined): Schema {
  const base = definition(problemSchema, "material");
  const plain = definition(problemSchema, "value");
  const one = (own: Json | undefined) => {
    const all = membersOf(base);
    const has = isRecord(own) ? Object.keys(own) : [];
    const names = ["conductivity", "density", "specific_heat", ...Object.keys(all).filter((name) => has.includes(name))];
    const properties = Object.fromEntries([...new Set(names)].map((name) => {
      const isPlain = name === "where" || (name === "conductivity" && !Array.isArray(getAt(own, ["conductivity"])));
      return [name, titled(name, isPlain ? plain : resolve(all[name] ?? {}, problemSchema))];
    }));
    return closed("material", base, properties);
  };
  if (!Array.isArray(value)) return one(value);
  const union = value.reduce<JsonRecord>((all, item) => ({ ...all, ...(isRecord(item) ? (item as JsonRecord) : {}) }), {});
  return { type: "array", title: "Materials", minItems: 1, maxItems: 20, items: one(union) };
}

function boundariesSchema(problemSchema: Schema, problem: Json | undefined, dimension: number, kelvins: string): Schema {
  const laws = lawsOf(problemSchema);
  const faces = facesOf(dimension).map((face) => {
    const law = laws.find(({ name }) => name === getAt(problem, ["boundaries", face, "type"]));
    const members = omit(membersOf(law?.schema ?? {}), "type");
    const own = Object.entries(members).map(([name, member]) => {
      const isTemperature = ["ambient", "surroundings"].includes(name) || (name === "value" && law?.name === "temperature");
      const unit = isTemperature ? kelvins : name === "value" && law?.name === "flux" ? "W/m2" : undefined;
      return [name, titled(name, resolve(member, problemSchema), unit)] as const;
    });
    const type = { title: "Law", enum: laws.map(({ name }) => name) };
    return [face, { ...closed(face, law?.schema ?? { required: ["type"] }, { type, ...Object.fromEntries(own) }), title: faceTitle(face) }];
  });
  return closed("boundaries", {}, Object.fromEntries(faces) as Record<string, Schema>);
}

export function faceTitle(face: string): string {
  const [axis = "", end] = face.split("_");
  return `${axis} ${end === "min" ? "low" : "high"}`;
}

/** Bring the parts of a problem into line after one has changed: sizes, cells and faces by the axes, members by the law. */
export function settleProblem(problem: Json, problemSchema: Schema): Json {
  const dimension = dimensionOf(problem);
  let settled = problem;
  for (const path of [["domain", "size"], ["domain", "origin"], ["resolution", "cells"]]) {
    const list = getAt(settled, path);
    if (!Array.isArray(list) || list.length === dimension || list.length === 0) continue;
    settled = setAt(settled, path, Array.from({ length: dimension }, (_, axis) => (list[axis] ?? list.at(-1)) as Json));
  }
  const faces = getAt(settled, ["boundaries"]);
  const given = isRecord(faces) ? (faces as JsonRecord) : {};
  const laws = lawsOf(problemSchema);
  const kept = Object.entries(given).filter(([name]) => name === "internal");
  const next = facesOf(dimension).map((face) => [face, settleFace(given[face], laws)] as const);
  return setAt(settled, ["boundaries"], Object.fromEntries([...next, ...kept]) as JsonRecord);
}

function settleFace(face: Json | undefined, laws: readonly Law[]): Json {
  const name = getAt(face, ["type"]);
  const law = laws.find((one) => one.name === name);
  if (law === undefined || !isRecord(face)) return face ?? { type: "insulated" };
  const members = membersOf(law.schema);
  return Object.fromEntries(Object.entries(face).filter(([member]) => member in members)) as JsonRecord;
}

/** What stands at a face in the picture: `100 °C`, `25 W/(m²·K), 20 °C`, `insulated`. */
export function lawText(face: Json | undefined): string {
  const [type, value] = [getAt(face, ["type"]), getAt(face, ["value"])];
  if (typeof type !== "string") return "no law";
  const print = (part: Json | undefined) =>
    typeof part === "number" ? String(part) : isRecord(part) && typeof part["expression"] === "string" ? String(part["expression"]) : part === undefined ? "?" : "table";
  if (type === "convection") return `convection ${print(getAt(face, ["coefficient"]))}, to ${print(getAt(face, ["ambient"]))}`;
  if (type === "radiation") return `radiation ${print(getAt(face, ["emissivity"]))}, to ${print(getAt(face, ["surroundings"]))}`;
  return value === undefined && type !== "temperature" && type !== "flux" ? type : `${type} ${print(value)}`;
}

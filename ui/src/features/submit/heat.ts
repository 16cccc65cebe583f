/** The form of a heat problem, from the server's schema of the case format: what the problem at hand can have. Pure. */
import { getAt, isRecord, type Json, type JsonRecord, omit, removeAt, setAt } from "@/lib/json";
import { printPlain, resolve, type Schema } from "@/lib/schema";
import { printUnit } from "@/lib/units";

export const AXES = ["x", "y", "z"] as const;

/** Parts that a problem may have beside those that each has. */
export const PARTS = ["materials", "contact", "holes", "flow"] as const;
export type Part = (typeof PARTS)[number];

/** Members of a problem that this form shows; others are shown where the problem has them. */
const SHOWN = [
  "dimension", "steady", "temperature_unit", "domain", "material", "boundaries", "initial", "source_term", "resolution",
];

const TITLES: Readonly<Record<string, string>> = {
  dimension: "Axes", steady: "Steady state", temperature_unit: "Unit of temperatures", domain: "Box", material: "Material",
  boundaries: "Faces", initial: "Temperature at the start", source_term: "Heat source", resolution: "Grid and time",
  size: "Size", cells: "Cells", steps: "Steps", end_time: "Simulated time", conductivity: "Conductivity", density: "Density",
  specific_heat: "Specific heat", where: "Where", type: "Law", value: "Value", coefficient: "Coefficient", ambient: "Ambient",
  emissivity: "Emissivity", surroundings: "Surroundings", active: "Body", origin: "Low corner", section: "Section", contacts: "Contacts",
  position: "Position", conductance: "Conductance", axis: "Axis", velocity: "Velocity of the flow", volumetric_heat_capacity: "Heat capacity by volume",
  young_modulus: "Young's modulus", poisson_ratio: "Poisson's ratio", thermal_expansion: "Thermal expansion", yield_stress: "Yield stress",
  stefan_boltzmann: "Stefan-Boltzmann constant", latent_heat: "Latent heat", melting_temperature: "Melting temperature",
};

const HINTS: Readonly<Record<string, string>> = {
  where: "True where the material is, as in x < 0.05; in each cell one material",
  active: "True where the body is, as in (x - 0.5)**2 + y**2 > 0.01; the rest of the box is a hole",
  contacts: "Planes across the whole body with a jump of temperature; on the faces of cells",
  velocity: "Carries heat along; one value for each axis",
};

const UNITS: Readonly<Record<string, string>> = {
  size: "m", origin: "m", end_time: "s", conductivity: "W/(m K)", density: "kg/m3", specific_heat: "J/(kg K)", source_term: "W/m3",
  coefficient: "W/(m2 K)", volumetric_heat_capacity: "J/(m3 K)", latent_heat: "J/kg", young_modulus: "Pa", yield_stress: "Pa",
  thermal_expansion: "1/K", conductance: "W/(m2 K)", emissivity: "1", position: "m", velocity: "m/s", section: "m2", poisson_ratio: "1",
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
    if (name === "domain") properties[name] = domainSchema(problemSchema, base, getAt(problem, ["domain"]), dimension);
    else if (name === "contacts") properties[name] = contactsSchema(problemSchema, base, dimension);
    else if (name === "velocity") properties[name] = byAxis(name, titled(name, base), dimension);
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
    ...(HINTS[name] !== undefined ? { description: HINTS[name] } : {}),
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

/** The size, and what else the domain of the problem has: a low corner, holes, a section. */
function domainSchema(problemSchema: Schema, schema: Schema, value: Json | undefined, dimension: number): Schema {
  const all = membersOf(schema);
  const has = isRecord(value) ? Object.keys(value) : [];
  const members = ["size", "origin", "active", "section"].filter((name) => name === "size" || has.includes(name)).map((name) => {
    if (name === "active") return [name, titled(name, definition(problemSchema, "value"))] as const;
    const one = titled(name, all[name] ?? {});
    return [name, name === "section" ? one : byAxis(name, one, dimension)] as const;
  });
  const coordinates = { ...all["coordinates"], title: "Coordinates" };
  return closed("domain", schema, { ...(Object.fromEntries(members) as Record<string, Schema>), coordinates });
}

/** A list of one value for each axis, each called by its axis. */
function byAxis(name: string, list: Schema, dimension: number): Schema {
  const items = isRecord(list["items"]) ? (list["items"] as Schema) : {};
  const titles = AXES.slice(0, dimension).map((axis) => (dimension === 1 ? (TITLES[name] ?? name) : `${TITLES[name] ?? name} along ${axis}`));
  return { ...list, minItems: dimension, maxItems: dimension, items: { ...items, titles } };
}

function contactsSchema(problemSchema: Schema, schema: Schema, dimension: number): Schema {
  const item = resolve((schema["items"] ?? {}) as Schema, problemSchema);
  const properties = Object.fromEntries(Object.entries(membersOf(item)).map(([name, member]) => [name, titled(name, member)]));
  const axis = { title: "Axis", enum: AXES.slice(0, dimension) };
  return { ...titled("contacts", schema), maxItems: 20, items: { ...closed("contact", item, { ...properties, axis }), title: "Contact" } };
}

function resolutionSchema(schema: Schema, dimension: number): Schema {
  const { cells = {}, steps = {}, end_time = {} } = membersOf(schema);
  return closed("resolution", schema, {
    cells: byAxis("cells", titled("cells", cells), dimension),
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
  const hasHoles = getAt(problem, ["domain", "active"]) !== undefined || getAt(problem, ["boundaries", "internal"]) !== undefined;
  const faces = [...facesOf(dimension), ...(hasHoles ? ["internal"] : [])].map((face) => {
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
  if (face === "internal") return "holes";
  const [axis = "", end] = face.split("_");
  return `${axis} ${end === "min" ? "low" : "high"}`;
}

/** Bring the parts of a problem into line after one has changed: sizes, cells and faces by the axes, members by the law. */
export function settleProblem(problem: Json, problemSchema: Schema): Json {
  const dimension = dimensionOf(problem);
  let settled = problem;
  for (const path of [["domain", "size"], ["domain", "origin"], ["resolution", "cells"], ["velocity"]]) {
    const list = getAt(settled, path);
    if (!Array.isArray(list) || list.length === dimension || list.length === 0) continue;
    settled = setAt(settled, path, Array.from({ length: dimension }, (_, axis) => (list[axis] ?? list.at(-1)) as Json));
  }
  const faces = getAt(settled, ["boundaries"]);
  const given = isRecord(faces) ? (faces as JsonRecord) : {};
  const laws = lawsOf(problemSchema);
  const kept = Object.entries(given).filter(([name]) => name === "internal").map(([name, face]) => [name, settleFace(face, laws)] as const);
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

/** What stands at a face in the picture: `temperature 100 °C`, `convection 25 W/(m²·K) to 20 °C`, `insulated`. */
export function lawText(face: Json | undefined, degrees: string): string {
  const type = getAt(face, ["type"]);
  if (typeof type !== "string") return "no law";
  const print = (name: string, unit: string) => {
    const part = getAt(face, [name]);
    if (typeof part === "number") return `${printPlain(part)}${unit === "" ? "" : `\u2009${printUnit(unit)}`}`;
    return isRecord(part) && typeof part["expression"] === "string" ? part["expression"] : part === undefined ? "?" : "by a table";
  };
  const convection = () => `${print("coefficient", "W/(m2 K)")} to ${print("ambient", degrees)}`;
  const radiation = () => `emissivity ${print("emissivity", "")} to ${print("surroundings", degrees)}`;
  switch (type) {
    case "temperature": return `temperature ${print("value", degrees)}`;
    case "flux": return `heat flux ${print("value", "W/m2")}`;
    case "convection": return `convection ${convection()}`;
    case "radiation": return `radiation, ${radiation()}`;
    case "convection_radiation": return `convection ${convection()}, ${radiation()}`;
    default: return type;
  }
}

/** Tell whether a problem has a part. */
export function hasPart(problem: Json | undefined, part: Part): boolean {
  switch (part) {
    case "materials": return Array.isArray(getAt(problem, ["material"]));
    case "contact": return getAt(problem, ["contacts"]) !== undefined;
    case "holes": return getAt(problem, ["domain", "active"]) !== undefined;
    case "flow": return getAt(problem, ["velocity"]) !== undefined;
  }
}

/** Return a problem with a part to begin with, in the middle of its box, or without it where it has it. */
export function togglePart(problem: Json, part: Part): Json {
  const dimension = dimensionOf(problem);
  const size = AXES.slice(0, dimension).map((_, axis) => Number(getAt(problem, ["domain", "size", axis]) ?? 1));
  const middle = size.map((length) => tidy(length / 2));
  const has = hasPart(problem, part);
  switch (part) {
    case "materials": {
      const material = getAt(problem, ["material"]);
      if (has) return setAt(problem, ["material"], omit(asRecord(getAt(material, [0])), "where"));
      const [low, high] = [`x < ${middle[0]}`, `x >= ${middle[0]}`].map((expression) => ({ where: { expression }, ...asRecord(material) }));
      return setAt(problem, ["material"], [low as JsonRecord, high as JsonRecord]);
    }
    case "contact":
      return has ? removeAt(problem, ["contacts"]) : setAt(problem, ["contacts"], [{ axis: "x", position: middle[0] ?? 0, conductance: 1000 }]);
    case "holes": {
      if (has) return removeAt(removeAt(problem, ["domain", "active"]), ["boundaries", "internal"]);
      const radius = tidy(Math.min(...size) / 5);
      const expression = outsideOf(middle.slice(0, 2), radius);
      return setAt(setAt(problem, ["domain", "active"], { expression }), ["boundaries", "internal"], { type: "insulated" });
    }
    case "flow":
      return has ? removeAt(problem, ["velocity"]) : setAt(problem, ["velocity"], AXES.slice(0, dimension).map((_, axis) => (axis === 0 ? 0.01 : 0)));
  }
}

/** True outside of a disc, in three dimensions of a hole drilled along z; in one dimension outside of a slot. */
function outsideOf(middle: readonly number[], radius: number): string {
  const squares = middle.map((at, axis) => `(${AXES[axis]} - ${at})**2`);
  return `${squares.join(" + ")} > ${radius}**2`;
}

function asRecord(value: Json | undefined): JsonRecord {
  return isRecord(value) ? (value as JsonRecord) : {};
}

function tidy(value: number): number {
  return Number(value.toPrecision(4));
}

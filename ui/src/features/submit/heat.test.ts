import { describe, expect, it } from "vitest";
import { findErrors, reduceForm, type Schema, startForm } from "@/lib/schema";
import { getAt } from "@/lib/json";
import { facesOf, hasPart, heatSchema, lawsOf, lawText, PARTS, settleProblem, togglePart } from "./heat";

const law = (name: string, ...members: string[]) => ({
  if: { properties: { type: { const: name } } },
  then: { type: "object", required: ["type", ...members], properties: { type: { const: name }, ...Object.fromEntries(members.map((member) => [member, { $ref: "#/$defs/value" }])) } },
});

/** The part of the server's schema that the form reads. */
const CASE: Schema = {
  $ref: "#/$defs/problem",
  $defs: {
    expression: { type: "object", required: ["expression"], properties: { expression: { type: "string" } } },
    value: { anyOf: [{ type: "number" }, { $ref: "#/$defs/expression" }] },
    boundary: { type: "object", required: ["type"], allOf: [law("insulated"), law("temperature", "value"), law("convection", "coefficient", "ambient")] },
    material: { type: "object", properties: { where: { $ref: "#/$defs/expression" }, conductivity: { anyOf: [{ $ref: "#/$defs/value" }, { type: "array" }] }, density: { $ref: "#/$defs/value" }, specific_heat: { $ref: "#/$defs/value" } }, anyOf: [{ required: ["conductivity"] }] },
    domain: { type: "object", required: ["coordinates", "size"], properties: { coordinates: { const: "cartesian" }, size: { type: "array", items: { type: "number", exclusiveMinimum: 0 }, minItems: 1, maxItems: 3 } } },
    resolution: { type: "object", required: ["cells"], properties: { cells: { type: "array", items: { type: "integer", minimum: 1 } }, steps: { type: "integer" }, end_time: { type: "number", exclusiveMinimum: 0 } } },
    problem: {
      type: "object", required: ["dimension", "domain"], if: {},
      properties: {
        dimension: { enum: [1, 2, 3] }, steady: { type: "boolean" }, temperature_unit: { enum: ["K", "degC"] },
        domain: { $ref: "#/$defs/domain" }, material: { anyOf: [{ $ref: "#/$defs/material" }, { type: "array" }] },
        boundaries: { type: "object" }, initial: { $ref: "#/$defs/value" }, source_term: { $ref: "#/$defs/value" },
        resolution: { $ref: "#/$defs/resolution" }, velocity: { type: "array", items: { type: "number" }, maxItems: 3 },
      },
    },
  },
};
const PARAMETERS: Schema = { type: "object", required: ["problem"], additionalProperties: false, properties: { problem: { type: "object" }, outputs: { type: "integer", default: 20 } } };

const WALL = {
  dimension: 1, steady: false, domain: { coordinates: "cartesian", size: [0.1] },
  material: { conductivity: 50, density: 7800, specific_heat: 460 }, initial: 20,
  boundaries: { x_min: { type: "temperature", value: 100 }, x_max: { type: "convection", coefficient: 25, ambient: 20 } },
  temperature_unit: "degC", resolution: { cells: [40], steps: 100, end_time: 600 },
};

function errors(problem: object) {
  const value = { problem } as never;
  return findErrors(heatSchema(PARAMETERS, CASE, problem as never), startForm(value));
}

describe("the form of a heat problem", () => {
  it("takes the server's own example", () => expect(errors(WALL)).toEqual([]));

  it("lists the laws that the schema has", () => expect(lawsOf(CASE).map(({ name }) => name)).toEqual(["insulated", "temperature", "convection"]));

  it.each([
    [{ ...WALL, boundaries: { ...WALL.boundaries, x_min: { type: "temperature" } } }, "problem.boundaries.x_min.value"],
    [{ ...WALL, domain: { coordinates: "cartesian", size: [-1] } }, "problem.domain.size[0]"],
    [{ ...WALL, domain: { coordinates: "cartesian", size: [1, 1] } }, "problem.domain.size"],
    [{ ...WALL, resolution: { cells: [0] } }, "problem.resolution.cells[0]"],
    [{ ...WALL, boundaries: { ...WALL.boundaries, y_min: { type: "insulated" } } }, "problem.boundaries.y_min"],
  ])("names the field that is wrong", (problem, path) => expect(errors(problem).map((error) => error.path)).toEqual([path]));

  it("keeps members that it has no field for, and expressions", () => {
    expect(errors({ ...WALL, velocity: [1], initial: { expression: "20 + 80*x" } })).toEqual([]);
  });

  it("shows several materials as rows", () => {
    expect(errors({ ...WALL, material: [{ conductivity: 1 }, { conductivity: 2, where: { expression: "x > 0.05" } }] })).toEqual([]);
  });

  it("writes what was typed for a face into the problem", () => {
    const schema = heatSchema(PARAMETERS, CASE, WALL as never);
    const state = reduceForm(schema, startForm({ problem: WALL } as never), { type: "typed", path: "problem.boundaries.x_min.value", text: "300 K" });
    expect(state.value).toMatchObject({ problem: { boundaries: { x_min: { type: "temperature", value: 26.85 } } } });
  });
});

describe("settling", () => {
  it("gives a new axis a size, cells and two insulated faces, and takes them away again", () => {
    const plate = settleProblem({ ...WALL, dimension: 2 } as never, CASE);
    expect(plate).toMatchObject({ domain: { size: [0.1, 0.1] }, resolution: { cells: [40, 40] }, boundaries: { y_min: { type: "insulated" } } });
    expect(settleProblem({ ...(plate as object), dimension: 1 } as never, CASE)).toEqual(WALL);
  });

  it("drops members that another law does not have", () => {
    const faces = { ...WALL.boundaries, x_max: { type: "temperature", coefficient: 25, ambient: 20 } };
    expect(settleProblem({ ...WALL, boundaries: faces } as never, CASE)).toMatchObject({ boundaries: { x_max: { type: "temperature" } } });
  });
});

it("says at each face what holds there", () => {
  expect(facesOf(2)).toEqual(["x_min", "x_max", "y_min", "y_max"]);
  expect(lawText(WALL.boundaries.x_max, "°C")).toBe("convection 25\u2009W/(m²·K) to 20\u2009°C");
  expect(lawText({ type: "temperature", value: { expression: "20*t" } }, "K")).toBe("temperature 20*t");
  expect(lawText({ type: "flux", value: { table: [] } }, "K")).toBe("heat flux by a table");
  expect(lawText({ type: "insulated" }, "K")).toBe("insulated");
  expect(lawText(undefined, "")).toBe("no law");
});

describe("parts that a problem may have", () => {
  const plate = { ...WALL, dimension: 2, domain: { coordinates: "cartesian", size: [0.2, 0.1] } };

  it.each(PARTS)("come and go: %s", (part) => {
    const more = togglePart(plate, part);
    expect([hasPart(plate, part), hasPart(more, part)]).toEqual([false, true]);
    expect(togglePart(more, part)).toEqual(plate);
  });

  it("begin in the middle of the box, one material beside the other", () => {
    expect(getAt(togglePart(plate, "holes"), ["domain", "active"])).toEqual({ expression: "(x - 0.1)**2 + (y - 0.05)**2 > 0.02**2" });
    const two = togglePart(plate, "materials");
    expect([0, 1].map((at) => getAt(two, ["material", at, "where", "expression"]))).toEqual(["x < 0.1", "x >= 0.1"]);
    expect(getAt(two, ["material", 1, "conductivity"])).toBe(50);
  });
});

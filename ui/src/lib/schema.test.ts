import { describe, expect, it } from "vitest";
import { getAt, joinPath, parsePath, removeAt, setAt } from "./json";
import {
  convertedText, fieldsOf, findErrors, type FormAction, type FormState, hintOf, printPlain, reduceForm, type Schema, shapeOf,
  shownError, shownPath, startForm, textAt,
} from "./schema";

const SCHEMA: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["problem"],
  $defs: {
    expression: { type: "object", required: ["expression"], properties: { expression: { type: "string" } } },
    side: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 2, unit: "m", title: "Side" },
  },
  properties: {
    length: { type: "number", minimum: 1e-6, maximum: 1e6, default: 1, unit: "m", scale: "log", title: "Length" },
    nodes: { type: "integer", minimum: 3, maximum: 1_000_000, default: 101, unit: "1" },
    mode: { type: "string", enum: ["auto", "fast"], default: "auto" },
    name: { anyOf: [{ type: "string", pattern: "^[a-z]+$", maxLength: 5 }, { type: "null" }], default: null },
    exact: { type: "boolean", default: false },
    side: { $ref: "#/$defs/side", description: "One side" },
    cells: { type: "array", items: { type: "integer", minimum: 1 }, minItems: 1, maxItems: 3 },
    problem: { type: "object", additionalProperties: false, required: ["value"], properties: { value: { type: "number" }, note: { type: "string" } } },
    extra: { anyOf: [{ type: "number" }, { type: "array" }] },
    map: { type: "object", additionalProperties: true },
    start: { anyOf: [{ type: "number" }, { $ref: "#/$defs/expression" }, { type: "object" }], unit: "K" },
  },
};

function run(...actions: FormAction[]): FormState {
  return actions.reduce((state, action) => reduceForm(SCHEMA, state, action), startForm({ problem: { value: 1 } }));
}

const typed = (path: string, text: string): FormAction => ({ type: "typed", path, text });
const errorsOf = (state: FormState) => Object.fromEntries(findErrors(SCHEMA, state).map(({ path, message }) => [path, message]));
const shape = (name: string) => shapeOf((SCHEMA["properties"] as Record<string, Schema>)[name] ?? {}, SCHEMA);

describe("shapes", () => {
  it.each([
    ["length", "number"], ["nodes", "number"], ["mode", "choice"], ["name", "text"], ["exact", "switch"], ["side", "number"],
    ["cells", "list"], ["problem", "object"], ["start", "formula"], ["extra", "json"], ["map", "json"],
  ])("%s is a %s", (name, kind) => expect(shape(name).kind).toBe(kind));

  it("keeps what stands beside a reference, and null beside one type", () => {
    expect(shape("side")).toMatchObject({ description: "One side", exclusiveMinimum: 0, unit: "m", isNullable: false });
    expect(shape("name")).toMatchObject({ pattern: "^[a-z]+$", isNullable: true });
  });

  it("ends references that lead to themselves", () => {
    expect(shapeOf({ $ref: "#/$defs/a" }, { $defs: { a: { $ref: "#/$defs/a" } } }).kind).toBe("json");
  });

  it.each([
    ["length", "1e-6 to 1e6, default 1"],
    ["nodes", "3 to 1e6, default 101"],
    ["side", "above 0, below 2"],
    ["name", "up to 5 characters, may be left out"],
    ["cells", "1 to 3 values"],
    ["mode", "default auto"],
  ])("says before anything is wrong what %s takes", (name, hint) => expect(hintOf(shape(name))).toBe(hint));

  it.each([[0.01, "0.01"], [1e-6, "1e-6"], [1e6, "1e6"], [101, "101"], [12345678, "12345678"], [-273.15, "-273.15"]])(
    "prints %d as it could be typed", (value, text) => expect(printPlain(value)).toBe(text),
  );
});

describe("typing", () => {
  it("keeps the text and sends the number", () => {
    const state = run(typed("length", "1e-3"));
    expect(textAt(state, "length")).toBe("1e-3");
    expect(state.value).toEqual({ length: 0.001, problem: { value: 1 } });
  });

  it("converts a length, and shows what it comes to", () => {
    const state = run(typed("length", "50 cm"));
    expect(getAt(state.value, ["length"])).toBe(0.5);
    expect(convertedText(shape("length"), "50 cm")).toBe("= 0.5\u2009m");
    expect(convertedText(shape("length"), "0.5")).toBeUndefined();
    expect(convertedText(shape("length"), "0.5 m")).toBeUndefined();
  });

  it("keeps a wrong text, in the field and in the JSON, with the reason", () => {
    const state = run(typed("length", "1,5"));
    expect(textAt(state, "length")).toBe("1,5");
    expect(getAt(state.value, ["length"])).toBe("1,5");
    expect(errorsOf(state)["length"]).toBe("Write a point instead of the comma: 1.5");
  });

  it("leaves an emptied field out, so that its default holds", () => {
    expect(run(typed("length", "3"), typed("length", " ")).value).toEqual({ problem: { value: 1 } });
  });

  it.each([
    ["length", "0", "Must be at least 1e-6 m."],
    ["length", "2e6", "Must be at most 1e6 m."],
    ["side", "0", "Must be above 0 m."],
    ["side", "2", "Must be below 2 m."],
    ["nodes", "3.5", "This must be a whole number."],
    ["nodes", "2", "Must be at least 3."],
    ["length", "5 kg", 'This field is in m; "kg" does not fit.'],
    ["name", "ABC", "This must match ^[a-z]+$."],
    ["name", "abcdef", "This may have 5 characters at most."],
  ])("refuses %s = %s", (path, text, message) => expect(errorsOf(run(typed(path, text)))).toEqual({ [path]: message }));

  it("reads a JSON part, and says where it stops being JSON", () => {
    expect(getAt(run(typed("extra", "[1, 2]")).value, ["extra"])).toEqual([1, 2]);
    expect(errorsOf(run(typed("extra", "[1,")))["extra"]).toMatch(/^This is not JSON/);
  });

  it.each([
    ["293", 293],
    ["20 °C", 293.15],
    ["20 + 80*x", { expression: "20 + 80*x" }],
    ['{"table": [[0, 1]]}', { table: [[0, 1]] }],
  ])("reads %s as a number, an expression or a table", (text, value) => {
    const state = run(typed("start", text));
    expect(getAt(state.value, ["start"])).toEqual(value);
    expect(errorsOf(state)).toEqual({});
    const shown = textAt(reduceForm(SCHEMA, startForm(), { type: "replaced", value: state.value }), "start");
    expect(shown.replaceAll(/\s/g, "")).toBe(typeof value === "number" ? String(value) : text.replaceAll(/\s/g, ""));
  });

  it("names a required member that is missing, and one that does not exist", () => {
    expect(errorsOf(run(typed("problem.value", "")))).toEqual({ "problem.value": "A value is missing." });
    const state = reduceForm(SCHEMA, startForm(), { type: "replaced", value: { lenght: 1 } });
    expect(errorsOf(state)).toEqual({ problem: "A value is missing.", lenght: "There is no such parameter." });
  });

  it("refuses values of other types that came as JSON", () => {
    const value = { problem: 3, mode: "slow", exact: "yes", cells: [], length: "wide", name: null };
    expect(errorsOf(reduceForm(SCHEMA, startForm(), { type: "replaced", value }))).toEqual({
      problem: "This must be an object.", mode: "This must be one of: auto, fast.", exact: "This must be true or false.",
      cells: "This must have 1 to 3 values.", length: '"wide" is not a number.',
    });
  });
});

describe("lists", () => {
  it("adds and removes rows, and moves the texts of none to another", () => {
    const state = run(
      { type: "added", path: "cells" }, typed("cells[0]", "7.0"), { type: "added", path: "cells" }, typed("cells[1]", "8.0"),
      { type: "removed", path: "cells[0]" },
    );
    expect(getAt(state.value, ["cells"])).toEqual([8]);
    expect(textAt(state, "cells[0]")).toBe("8");
  });
});

describe("errors", () => {
  it("are shown once a field was left, or all were asked for", () => {
    const state = run(typed("length", "x"));
    const shown = (at: FormState) => shownError(at, findErrors(SCHEMA, at), "length");
    expect(shown(state)).toBeUndefined();
    expect(shown(reduceForm(SCHEMA, state, { type: "left", path: "length" }))).toBe('"x" is not a number.');
    expect(shown(reduceForm(SCHEMA, state, { type: "asked" }))).toBe('"x" is not a number.');
  });

  it("of the server go by the same paths, and stay until the field changes", () => {
    const errors = fieldsOf([{ field: "params.length", message: "too long" }, { field: "problem.value", message: "no" }]);
    const state = run({ type: "refused", errors });
    expect([shownError(state, [], "length"), shownError(state, [], "problem.value")]).toEqual(["too long", "no"]);
    const after = reduceForm(SCHEMA, state, typed("length", "1"));
    expect([shownError(after, [], "length"), shownError(after, [], "problem.value")]).toEqual([undefined, "no"]);
    expect(after.refusals).toBe(1);
  });

  it("within a JSON part belong to the field that shows it", () => {
    expect(shownPath(SCHEMA, "map.boundaries.x_min.value")).toBe("map");
    expect(shownPath(SCHEMA, "problem.value")).toBe("problem.value");
    expect(shownPath(SCHEMA, "cells[2]")).toBe("cells[2]");
  });
});

describe("paths", () => {
  it.each([["a.b[0].c", ["a", "b", 0, "c"]], ["a[1][2]", ["a", 1, 2]], ["", []], ["[3]", [3]]])("reads %s", (text, path) => {
    expect(parsePath(text)).toEqual(path);
    expect(joinPath(path)).toBe(text);
  });

  it("sets and removes without changing what was there", () => {
    const value = { a: [{ b: 1 }] };
    expect(setAt(value, ["a", 0, "b"], 2)).toEqual({ a: [{ b: 2 }] });
    expect(setAt(undefined, ["x", 1], 2)).toEqual({ x: [undefined, 2] });
    expect(removeAt(value, ["a", 0])).toEqual({ a: [] });
    expect(removeAt(value, ["c"])).toBe(value);
    expect(getAt(value, ["toString"])).toBeUndefined();
    expect(value).toEqual({ a: [{ b: 1 }] });
  });
});

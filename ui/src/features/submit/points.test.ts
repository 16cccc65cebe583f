import { describe, expect, it } from "vitest";
import { shapeOf } from "@/lib/schema";
import { type Axis, expand, findRefused, MOST_POINTS, readTable, startAxis, tableOf, valuesOf } from "./points";

const METRES = shapeOf({ type: "number", unit: "m", minimum: 0.1, maximum: 10, scale: "log", default: 1 }, {});
const WHOLE = shapeOf({ type: "integer", minimum: 1 }, {});
const axis = (changes: Partial<Axis>): Axis => ({ way: "list", list: "", from: "1", to: "3", count: "3", ...changes });

describe("values of an axis", () => {
  it.each([
    ["1, 2, 3", [1, 2, 3]],
    ["1,2", [1, 2]],
    ["10 cm; 1e-1\n0.2", [0.1, 0.1, 0.2]],
  ])("reads the list %j", (list, values) => expect(valuesOf(axis({ list }), METRES)).toEqual({ ok: true, values }));

  it("divides a range evenly or by ratio, and ends exactly", () => {
    expect(valuesOf(axis({ way: "linear", from: "0.1", to: "0.3", count: "3" }), METRES)).toEqual({ ok: true, values: [0.1, 0.2, 0.3] });
    expect(valuesOf(axis({ way: "log", from: "1 cm", to: "1", count: "3" }), METRES)).toEqual({ ok: true, values: [0.01, 0.1, 1] });
  });

  it("gives a whole number once where rounding gives it twice", () => {
    expect(valuesOf(axis({ way: "linear", count: "5" }), WHOLE)).toEqual({ ok: true, values: [1, 2, 3] });
  });

  it.each([
    [axis({ list: "" }), "missing"],
    [axis({ list: "1; x" }), '"x" is not a number'],
    [axis({ way: "linear", from: "a" }), "First value"],
    [axis({ way: "linear", to: "3 kg" }), "Last value"],
    [axis({ way: "linear", count: "1" }), "from 2 to 10000"],
    [axis({ way: "linear", count: "10001" }), "from 2 to 10000"],
    [axis({ way: "log", from: "0" }), "above 0"],
  ])("refuses %j", (bad, part) => {
    const read = valuesOf(bad, METRES);
    expect(read.ok ? "" : read.reason).toContain(part);
  });

  it("begins around the value that is there", () => {
    expect(startAxis(METRES, 2)).toMatchObject({ way: "log", from: "1", to: "4", count: "4" });
    expect(startAxis(METRES, "x")).toMatchObject({ from: "0.5", to: "2" });
  });
});

describe("a table", () => {
  it.each([
    ["length,diffusivity\n1,0.5\n2,1e-3", ","],
    ["params.length\tdiffusivity\r\n1\t0.5\r\n2\t0.001\r\n", "tab"],
    ["length;diffusivity\n1;0.5\n2;0.001", ";"],
  ])("is read by its separator", (text) => {
    expect(readTable(text)).toEqual({ ok: true, table: { names: ["length", "diffusivity"], rows: [[1, 0.5], [2, 0.001]] } });
  });

  it.each([
    ["length", "names in the first row"],
    ["a,a\n1,2", "twice"],
    ["a,\n1,2", "name is missing"],
    ["a,b\n1", "Row 1 has 1 values for 2 names"],
    [`a\n${"1\n".repeat(MOST_POINTS + 1)}`, "more than"],
  ])("is refused with its reason", (text, part) => {
    const read = readTable(text);
    expect(read.ok ? "" : read.reason).toContain(part);
  });

  it("keeps words, and what a point leaves out", () => {
    expect(readTable("fail\nno\ntrue")).toMatchObject({ table: { rows: [["no"], [true]] } });
    const points = [{ a: 1 }, { b: 2 }];
    expect(expand([], tableOf(points), "product").points).toEqual(points);
  });
});

describe("points", () => {
  const axes = [["a", [1, 2]], ["b", [3, 4]]] as const;

  it("are the product, the last axis fastest", () => {
    expect(expand(axes, undefined, "product")).toEqual({
      points: [{ a: 1, b: 3 }, { a: 1, b: 4 }, { a: 2, b: 3 }, { a: 2, b: 4 }], count: 4, product: "2 × 2",
    });
  });

  it("stand side by side where there are as many of each", () => {
    expect(expand(axes, { names: ["c"], rows: [[5], [6]] }, "side").points).toEqual([{ a: 1, b: 3, c: 5 }, { a: 2, b: 4, c: 6 }]);
    expect(expand([["a", [1]], ["b", [3, 4]]], undefined, "side").reason).toContain("1, 2");
  });

  it("are counted, and not made, beyond the limit", () => {
    const many = Array.from({ length: 101 }, (_, value) => value);
    expect(expand([["a", many], ["b", many]], undefined, "product")).toMatchObject({ points: [], count: 10_201 });
  });

  it("that the schema refuses are named by row", () => {
    const shapes = new Map([["a", METRES]]);
    expect([...findRefused([{ a: 1 }, { a: 20 }, { a: "x" }], shapes)]).toEqual([
      [1, "a: Must be at most 10 m."], [2, 'a: "x" is not a number.'],
    ]);
  });
});

import { describe, expect, it } from "vitest";
import type { Json } from "@/lib/json";
import { findErrors, reduceForm, shapeOf, startForm } from "@/lib/schema";
import { drawnBurst, EVENT_KINDS, kindOf, makeEvent, readBurst, type Scene, toFormField } from "./events";

const plate: Scene = { body: { cells: [1, 64, 32], origin: [0, 0, 0], size: [0.01, 2, 1] }, temperatureUnit: "degC", hasStructure: true };
const rod: Scene = { body: { cells: [50], origin: [0], size: [0.5] }, temperatureUnit: "", hasStructure: false };
const value = (state: { value: Json }) => state.value as Record<string, Json>;

describe.each([["a plate", plate], ["a rod", rod]])("in %s", (_, scene) => {
  const cases = EVENT_KINDS.flatMap((kind) => (kind.variants ?? [{ name: "", title: "" }]).map((variant) => [kind.kind, variant.name] as const));
  it.each(cases)("the form of %s %s begins right, but for a name that is missing", (name, variant) => {
    const kind = kindOf(name);
    const schema = kind.makeSchema(scene, variant);
    const errors = findErrors(schema, startForm(kind.makeStart(scene, variant)));
    expect(errors.map((error) => error.path)).toEqual(variant === "name" ? ["region.name"] : []);
    expect(shapeOf(schema, schema).kind).toBe("object");
  });
});

it("takes a place for each axis with cells, and corners for all", () => {
  expect(value(startForm(kindOf("burst").makeStart(plate, "")))["position_m"]).toEqual([1, 0.5]);
  expect(value(startForm(kindOf("damage").makeStart(plate, "disc")))["region"]).toEqual({ disc: { centre_m: [0.005, 1, 0.5], radius_m: 0.2 } });
});

it("keeps what was typed, says limits with their unit, and converts", () => {
  const schema = kindOf("burst").makeSchema(plate, "");
  let state = startForm(kindOf("burst").makeStart(plate, ""));
  state = reduceForm(schema, state, { type: "typed", path: "radius_m", text: "0" });
  state = reduceForm(schema, state, { type: "typed", path: "power_w", text: "2 kW" });
  expect(findErrors(schema, state)).toEqual([{ path: "radius_m", message: "Must be at least 1e-9 m." }]);
  expect(state.texts["radius_m"]).toBe("0");
  expect(value(state)["power_w"]).toBe(2000);
  expect(readBurst(plate, value(state))).toBeUndefined();
});

it("writes events as the engine reads them", () => {
  const make = (name: string, variant: string, scene = plate) => makeEvent(kindOf(name), variant, kindOf(name).makeStart(scene, variant));
  expect(make("overload", "all")).toEqual({ kind: "overload", power_w: 1000, region: "all" });
  expect(make("boundary", "insulated")).toEqual({ kind: "boundary", face: "x_max", law: { type: "insulated" } });
  expect(make("boundary", "convection")).toEqual({ kind: "boundary", face: "x_max", law: { type: "convection", coefficient: 25, ambient: 20 } });
  expect(make("cooling-loss", "", rod)).toEqual({ kind: "cooling-loss", faces: ["x_max"], remaining: 0.1 });
  expect(make("damage", "all", rod)).toEqual({ kind: "damage", region: "all", conductivity_factor: 0.5 });
  expect(makeEvent(kindOf("overload"), "all", { power_w: 5, duration_s: null })).toEqual({ kind: "overload", power_w: 5, region: "all" });
});

it("reads a burst that is drawn, and the fields that the server names", () => {
  expect(readBurst(plate, drawnBurst(plate.body, [0, 31.5, 15.5], 0.123456789))).toEqual({ position: [1, 0.5], radius: 0.123457 });
  expect(["event.law.value", "events[0].power_w", "position_m"].map(toFormField)).toEqual(["law.value", "power_w", "position_m"]);
});

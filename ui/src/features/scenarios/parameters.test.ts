import { expect, it } from "vitest";
import { findErrors, membersOf, reduceForm, startForm } from "@/lib/schema";
import { OFTEN, readCells, RUN_SCHEMA, SELDOM, sortErrors, toBody } from "./parameters";

it("makes the body of a run, and leaves out what takes its default", () => {
  const options = startForm({ name: "plate", speed: "max", threads: 2 });
  expect(toBody("burst", { power: 900 }, options.value, [32, 32])).toEqual({
    scenario: "burst", cells: [32, 32], params: { power: 900 }, speed: "max", name: "plate", model: "auto", paused: false, policy: "slip", seed: 0, threads: 2,
    method: "auto",
  });
  expect(toBody("burst", {}, { speed: "0.5" }, null)).toMatchObject({ speed: 0.5, cells: null });
});

it("shows each option once, and refuses what the server would", () => {
  expect([...OFTEN, ...SELDOM].sort()).toEqual(membersOf(RUN_SCHEMA).map(({ name }) => name).sort());
  const state = reduceForm(RUN_SCHEMA, startForm({}), { type: "typed", path: "threads", text: "3" });
  expect(findErrors(RUN_SCHEMA, state)).toEqual([{ path: "threads", message: "Must be at most 2." }]);
});

it("brings what the server refused to its fields", () => {
  const error = (field: string) => ({ field, message: `wrong ${field}` });
  expect(sortErrors([error("params.power"), error("cells[1]"), error("name"), error("power")])).toEqual({
    ofCells: "wrong cells[1]", ofOptions: [{ path: "name", message: "wrong name" }],
    ofParameters: [{ path: "power", message: "wrong params.power" }, { path: "power", message: "wrong power" }],
  });
});

it("reads cells as they are typed", () => {
  expect(readCells("128x64", [2])).toEqual({ ok: true, value: [128, 64] });
  expect(readCells("128 × 64", [2])).toEqual({ ok: true, value: [128, 64] });
  expect(readCells(" ", [2])).toEqual({ ok: true, value: null });
  expect(readCells("128", [2])).toMatchObject({ ok: false });
  expect(readCells("a", [1])).toMatchObject({ ok: false });
});

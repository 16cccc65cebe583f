// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { lockedEnds, lockEnds, readEnds, writeEnds } from "./lock";
import { comesWhole, type Field, findExact } from "./queries";

const field = {
  name: "temperature", title: "Temperature", unit: "degC", map: "cividis", times: [0, 1, 2], kept: "snapshots", min: 0, max: 9,
  sha256: "", axes: [{ name: "x", unit: "m", at: "node", count: 2, origin: 0, spacing: 1, values: null }],
} as Field;

it("reads a locked scale, and nothing that is none", () => {
  expect(readEnds(writeEnds([-1.5, 1e-3]))).toEqual([-1.5, 1e-3]);
  expect(["", "1", "5:1", "a:b", "1:2:3", ":2", undefined].map(readEnds)).toEqual(new Array(7).fill(undefined));
});

it("holds the lock of each quantity until it is let go", () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  lockEnds("temperature K", [1, 2], storage);
  lockEnds("stress Pa", [3, 4], storage);
  expect(lockedEnds("temperature K", storage)).toEqual([1, 2]);
  lockEnds("temperature K", undefined, storage);
  expect(lockedEnds("temperature K", storage)).toBeUndefined();
  expect(lockedEnds("stress Pa", storage)).toEqual([3, 4]);
  expect(lockedEnds("x", { getItem: () => "not JSON" })).toBeUndefined();
});

it("finds the exact value at the last time, and at others only where the file holds the same ones", () => {
  const all = { shape: [3, 2], values: Float64Array.from([0, 1, 2, 3, 4, 5]) };
  const finer = { shape: [5, 2], values: Float64Array.from({ length: 10 }, (_, at) => at) };
  expect(findExact(all, field, 1, 1)).toBe(3);
  expect(findExact(finer, field, 2, 0)).toBe(8);
  expect(findExact(finer, field, 1, 0)).toBeNull();
  expect(findExact({ shape: [3, 3], values: new Float64Array(9) }, field, 2, 0)).toBeNull();
  expect(findExact(null, field, 2, 0)).toBeNull();
});

it("fetches all times at once only where they are small", () => {
  expect(comesWhole(field)).toBe(true);
  const wide = { ...field, axes: [{ ...field.axes[0], count: 600_000 }], times: [...Array(20).keys()] } as Field;
  expect(comesWhole(wide)).toBe(false);
});

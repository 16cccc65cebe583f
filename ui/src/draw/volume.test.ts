import { expect, it } from "vitest";
import type { Frame } from "@/lib/frame";
import { basisOf, boxEdges, dot, FIRST_VIEW, planeCorners, project, sidesOf, turn } from "./boxView";
import { findHeights } from "./profile";
import { toTexels } from "./volume";

const frame = (shape: number[], codes: number[], more: Partial<Frame> = {}): Frame => ({
  dimension: shape.length, shape, bits: 12, low: 0, high: 4094, codes: Uint16Array.from(codes), masked: 4095, time: 0, tick: 0, name: "temperature", unit: "K",
  level: 0, origin: [0, 0, 0], flags: 0, number: 0, epoch: 1, computedMs: 0, error: 0, run: "", ...more,
});

it("puts values on the scale in bytes, in the order of the codes, and leaves out what has none", () => {
  const texels = toTexels(frame([1, 2, 2], [0, 2047, 4094, 4095]), 0, 4094);
  expect([...texels]).toEqual([0, 255, 128, 255, 255, 255, 0, 0]);
  expect([...toTexels(frame([1, 1, 2], [0, 4094]), 2047, 3000)]).toEqual([0, 255, 255, 255]);
  expect([...toTexels(frame([1, 1, 1], [9]), 5, 5)]).toEqual([128, 255]); // one value over the whole run
});

it("looks along directions that stand upright on each other", () => {
  const { right, up, ahead } = basisOf({ yaw: 0.7, pitch: -0.3, zoom: 1 });
  for (const [a, b, product] of [[right, up, 0], [right, ahead, 0], [up, ahead, 0], [right, right, 1], [up, up, 1], [ahead, ahead, 1]] as const) {
    expect(dot(a, b)).toBeCloseTo(product, 12);
  }
});

it("shows x to the right and z upwards at first, and keeps all of a box in the picture however it is turned", () => {
  const sides = sidesOf([2, 1, 0.5]);
  expect(sides).toEqual([1, 0.5, 0.25]);
  const at = (share: readonly [number, number, number], view = FIRST_VIEW) => project(share, sides, view, 300, 200);
  expect(at([1, 0.5, 0.5])[0]).toBeGreaterThan(at([0, 0.5, 0.5])[0]);
  expect(at([0.5, 0.5, 1])[1]).toBeLessThan(at([0.5, 0.5, 0])[1]);
  for (let yaw = 0; yaw < 7; yaw += 0.5) {
    for (const corner of planeCorners(0, 1)) {
      const [x, y] = at(corner, { ...FIRST_VIEW, yaw });
      expect(x > 0 && x < 300 && y > 0 && y < 200).toBe(true);
    }
  }
});

it("tells the three edges behind a box, and turns no further than from above", () => {
  expect(boxEdges(FIRST_VIEW).filter(({ isBehind }) => isBehind)).toHaveLength(3);
  expect(turn(FIRST_VIEW, 0, 1e6).pitch).toBe(1.5);
  expect(turn(FIRST_VIEW, 10, 0).yaw).toBeCloseTo(FIRST_VIEW.yaw - 0.1);
});

it("draws a profile between the ends of the scale", () => {
  expect([...findHeights(frame([3], [0, 4094, 4095]), 0, 4094, 100)]).toEqual([100, 0, Number.NaN]);
  expect([...findHeights(frame([1], [5]), 5, 5, 100)]).toEqual([50]);
});

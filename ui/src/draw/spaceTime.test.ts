import { expect, it } from "vitest";
import type { Frame } from "@/lib/frame";
import { SpaceTime } from "./spaceTime";

const frame = (shape: number[], codes: number[], more: Partial<Frame> = {}): Frame => ({
  dimension: shape.length, shape, bits: 12, low: 0, high: 4094, codes: Uint16Array.from(codes), masked: 4095, time: 0, tick: 0, name: "temperature", unit: "K",
  level: 0, origin: [0, 0, 0], flags: 0, number: 0, epoch: 1, computedMs: 0, error: 0, run: "", ...more,
});

it("draws time to the right and place upwards, on the scale that it is given", () => {
  const course = new SpaceTime(4);
  course.add([frame([2], [0, 4094], { tick: 0 }), frame([2], [2047, 4095], { tick: 4 })]);
  const picture = course.toFrame(0, 4094, 4, 2) as Frame;
  expect(picture.shape).toEqual([4, 2]);
  expect([...picture.codes.subarray(0, 2)]).toEqual([0, 65534]);
  expect([...picture.codes.subarray(6, 8)]).toEqual([32767, 65535]); // a cell without a value has none here
});

it("takes frames of the past in front of those that came, and each tick once", () => {
  const course = new SpaceTime(10);
  course.add([frame([1], [7], { tick: 9 })]);
  course.add([frame([1], [1], { tick: 1 }), frame([1], [3], { tick: 3 }), frame([1], [8], { tick: 9 })]);
  expect(course.length).toBe(3);
  const picture = course.toFrame(0, 4094, 10, 1) as Frame;
  expect(Math.round((picture.codes[9] as number) / (65534 / 4094))).toBe(8);
});

it("keeps as many columns as a picture needs, however long the run is", () => {
  const course = new SpaceTime(50);
  for (let tick = 0; tick < 5_000; tick += 1) course.add([frame([1], [tick % 4000], { tick })]);
  expect(course.length).toBeLessThanOrEqual(100);
  const picture = course.toFrame(0, 4094, 4_999, 1) as Frame;
  expect([...picture.codes].every((code) => code !== 65535)).toBe(true);
});

it("shows nothing where nothing is known, as while the tab was hidden", () => {
  const course = new SpaceTime(100);
  course.add([frame([1], [5], { tick: 0 }), frame([1], [5], { tick: 1_000 })]);
  const picture = course.toFrame(0, 4094, 1_000, 1) as Frame;
  expect(picture.codes[50]).toBe(65535);
  expect(picture.codes[0]).not.toBe(65535);
  expect(picture.codes[99]).not.toBe(65535);
});

it("has no picture before there is a column", () => {
  expect(new SpaceTime().toFrame(0, 1, 10, 5)).toBeNull();
});

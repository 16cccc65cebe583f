import { expect, it } from "vitest";
import { type Body, cellAt, centreOf, drawnAxes, fit, lengthOf, moveCell, openAxes, planesOf, positionOf, toBody, toFull } from "./geometry";

const plate: Body = { cells: [1, 128, 64], origin: [0, 0, -1], size: [0.01, 1, 2] };
const box: Body = { cells: [4, 8, 16], origin: [0, 0, 0], size: [1, 2, 4] };
const rod: Body = { cells: [50], origin: [0], size: [0.5] };

it("draws the axes that have cells, and cuts one of three", () => {
  expect(openAxes([1, 1, 1])).toEqual([0]);
  expect(drawnAxes(plate.cells, undefined)).toEqual({ across: 1, up: 2, cut: undefined });
  expect(drawnAxes(plate.cells, 1)).toEqual({ across: 1, up: 2, cut: undefined });
  expect(drawnAxes(box.cells, undefined)).toEqual({ across: 0, up: 1, cut: 2 });
  expect(drawnAxes(box.cells, 0)).toEqual({ across: 1, up: 2, cut: 0 });
  expect(drawnAxes(rod.cells, undefined)).toEqual({ across: 0, up: undefined, cut: undefined });
});

it("places an event in metres, a number for each open axis", () => {
  expect(positionOf(plate, toBody(plate, [0, 0], undefined, [0, 0, 0]))).toEqual([1 / 256, -1 + 1 / 64]);
  expect(positionOf(plate, toBody(plate, [127, 63], undefined, [0, 0, 0]))).toEqual([1 - 1 / 256, 1 - 1 / 64]);
  expect(positionOf(box, toBody(box, [2, 5], 1, [9, 3, 9]))).toEqual([centreOf(box, 0, 2), centreOf(box, 1, 3), centreOf(box, 2, 5)]);
  expect(positionOf(rod, toBody(rod, [25, 0], undefined, [7]))).toEqual([0.255]);
});

it("finds the cell of an event again by its metres", () => {
  expect(cellAt(plate, positionOf(plate, [0, 12, 40]))).toEqual([0, expect.closeTo(12, 9), expect.closeTo(40, 9)]);
  expect(cellAt(box, positionOf(box, [2, 3, 5])).map((at) => Math.round(at))).toEqual([2, 3, 5]);
});

it("puts planes into the middle of a body, or where they were put, within it", () => {
  expect(planesOf(box.cells, [])).toEqual([2, 4, 8]);
  expect(planesOf(box.cells, [0, undefined, 99])).toEqual([0, 4, 15]);
});

it("finds a cell of a coarser picture in the full grid", () => {
  expect(toFull(0, 64, 128)).toBe(0.5);
  expect(toFull(63, 64, 128)).toBe(126.5);
  expect(toFull(7, 8, 8)).toBe(7);
});

it("keeps the proportions of the body, and a thin one visible", () => {
  expect(fit(560, 380, 1, 1)).toEqual({ width: 380, height: 380 });
  expect(fit(560, 380, 4, 2)).toEqual({ width: 560, height: 280 });
  expect(fit(560, 380, 1000, 1).height).toBe(70);
  expect(fit(560, 380, 0.5, 0)).toEqual({ width: 560, height: 380 });
  expect(fit(0, 380, 1, 1)).toEqual({ width: 0, height: 0 });
  expect(lengthOf({ cells: [9], origin: null, size: null }, 0)).toBe(9);
});

it("moves within the picture", () => {
  expect(moveCell([0, 0], -10, 1, [5, 5])).toEqual([0, 1]);
  expect(moveCell([3, 3], 10, 10, [5, 5])).toEqual([4, 4]);
});

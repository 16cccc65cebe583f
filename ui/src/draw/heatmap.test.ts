import { expect, it, vi } from "vitest";
import type { Frame } from "@/lib/frame";
import { makeTable, paintCells } from "./heatmap2d";
import type { Look } from "./heatmap";
import { findIsoline } from "./isolines";
import { lutOf } from "./luts";
import { pickCell } from "./pick";
import { planeSize, slicePlane } from "./planes";
import { suits } from "./renderer";
import { countValues, findExtremes, symmetric } from "./scale";

vi.mock("./colours", () => ({
  pageColours: () => ({ page: [1, 2, 3], surface: [255, 255, 255], text: [0, 0, 0] }),
  onColours: () => () => undefined,
  css: String,
}));

const look: Look = { map: "cividis", low: 0, high: 100, isolines: [], marks: [] };

/** A frame of 8 bits whose codes are values: 0 to 254. */
function makeFrame(shape: number[], codes: number[], masked: number | null = null): Frame {
  return {
    dimension: shape.length, shape, bits: 8, low: 0, high: 254, codes: Uint16Array.from(codes), masked, time: 0, tick: 0,
    name: "temperature", unit: "K", level: 0, origin: [0, 0, 0], flags: 0, number: 0, epoch: 0, computedMs: 0, error: 0.5,
    run: "",
  };
}

function paint(frame: Frame, width: number, height: number, shown = look): number[][] {
  const image = { width, height, data: new Uint8ClampedArray(4 * width * height) } as ImageData;
  const { colours, beyond } = makeTable(frame, shown);
  paintCells(image, frame, colours, beyond);
  return Array.from({ length: width * height }, (_, at) => [...image.data.slice(4 * at, 4 * at + 3)]);
}

it("draws x to the right and y upwards: one hot corner is where it belongs", () => {
  const [nx, ny] = [3, 2];
  const codes = new Array<number>(nx * ny).fill(0);
  codes[2 * ny + 1] = 100; // the largest x, the largest y: the upper right corner
  const hot = [...lutOf("cividis").slice(-3)];
  const pixels = paint(makeFrame([nx, ny], codes), 6, 4);

  expect(pixels[5]).toEqual(hot);
  expect(pixels.filter((pixel) => String(pixel) === String(hot))).toHaveLength(4);
  expect(pixels[0]).toEqual([...lutOf("cividis").slice(0, 3)]);
});

it("gives cells without a value the page's colour, and hatches what is beyond the scale", () => {
  const pixels = paint(makeFrame([1, 2], [255, 150], 255), 12, 24);

  expect(pixels.slice(12 * 12).every((pixel) => String(pixel) === "1,2,3")).toBe(true);
  const kinds = new Set(pixels.slice(0, 12 * 12).map(String));
  expect(kinds).toEqual(new Set(["128,128,128", String([...lutOf("cividis").slice(-3)])]));
});

it("fills only the pixels of cells that have changed, as if all had been filled", () => {
  const [width, height] = [37, 21]; // neither blocks of a cache line nor whole cells
  const shape = [11, 7];
  const before = makeFrame(shape, Array.from({ length: 77 }, (_, cell) => cell));
  const after = makeFrame(shape, Array.from({ length: 77 }, (_, cell) => (cell >= 28 && cell < 42 ? 150 - cell : cell)));
  const wide = { ...look, high: 254 };
  const { colours, beyond } = makeTable(before, wide);
  const image = { width, height, data: new Uint8ClampedArray(4 * width * height) } as ImageData;
  paintCells(image, before, colours, beyond);
  const old = image.data.slice();
  paintCells(image, after, colours, beyond, 4, 6);

  expect(String(image.data) === String(old)).toBe(false);
  expect(Array.from({ length: width * height }, (_, at) => [...image.data.slice(4 * at, 4 * at + 3)])).toEqual(paint(after, width, height, wide));
});

it("hatches by the extremes that the decoder counted", () => {
  const frame = makeFrame([1, 2], [120, 20]);
  const counted = { ...frame, extremes: { least: 20, leastCell: 1, most: 120, mostCell: 0 } };
  expect(paint(counted, 12, 24)).toEqual(paint(frame, 12, 24));
  const within = { ...look, high: 120 };
  expect(paint(counted, 12, 24, within)).toEqual(paint(frame, 12, 24, within));
});

it("picks the cell that was drawn there", () => {
  expect(pickCell([3, 2], 300, 200, 299, 0)).toEqual([2, 1]);
  expect(pickCell([3, 2], 300, 200, 0, 199)).toEqual([0, 0]);
  expect(pickCell([3, 2], 300, 200, 300, 0)).toBeNull();
  expect(pickCell(undefined, 300, 200, 0, 0)).toBeNull();
  expect(pickCell([5], 100, 10, 99, 5)).toEqual([4, 0]);
});

it("cuts slices in the order of the axes that are left", () => {
  const shape = [2, 3, 4];
  const frame = makeFrame(shape, Array.from({ length: 24 }, (_, at) => at));
  const at = (x: number, y: number, z: number) => x * 12 + y * 4 + z;

  expect([...slicePlane(frame, 2, 1).codes]).toEqual([at(0, 0, 1), at(0, 1, 1), at(0, 2, 1), at(1, 0, 1), at(1, 1, 1), at(1, 2, 1)]);
  expect(slicePlane(frame, 0, 9)).toMatchObject({ shape: [3, 4], dimension: 2 });
  expect(slicePlane(frame, 0, 9).codes[0]).toBe(at(1, 0, 0));
  expect(planeSize([4, 1, 6])).toEqual([4, 6]);
  expect(planeSize([7])).toEqual([7, 1]);
  expect(() => planeSize(shape)).toThrow(RangeError);
});

it("finds iso-lines between the centres of cells, and none in cells without a value", () => {
  const ramp = makeFrame([4, 2], [0, 0, 10, 10, 20, 20, 30, 30]);
  expect([...findIsoline(ramp, 15)]).toEqual([2, 0.5, 2, 1.5]);
  expect(findIsoline(ramp, 31)).toHaveLength(0);
  expect(findIsoline(makeFrame([2, 2], [0, 255, 20, 20], 255), 10)).toHaveLength(0);
  expect(findIsoline(makeFrame([2, 2], [0, 20, 20, 0]), 10)).toHaveLength(8); // a saddle
  const counted = { ...ramp, extremes: { least: 0, leastCell: 0, most: 30, mostCell: 6 } };
  expect([...findIsoline(counted, 15)]).toEqual([2, 0.5, 2, 1.5]);
  expect(findIsoline(counted, 31)).toHaveLength(0);
});

it("counts what a legend tells, and finds both ends", () => {
  const frame = makeFrame([2, 3], [5, 50, 99, 120, 255, 50], 255);
  const counted = countValues(frame, 10, 110, 10);

  expect(counted).toMatchObject({ below: 1, above: 1, masked: 1 });
  expect(counted.bins.reduce((sum, cells) => sum + cells, 0)).toBe(3);
  expect(counted.bins[4]).toBe(2);
  expect(findExtremes(frame)).toEqual({ low: 5, high: 120, lowCell: 0, highCell: 3 });
  expect(findExtremes(makeFrame([1], [255], 255))).toBeNull();
  const extremes = { least: 5, leastCell: 0, most: 120, mostCell: 3 };
  expect(findExtremes({ ...frame, extremes })).toEqual(findExtremes(frame));
  expect(findExtremes({ ...makeFrame([1], [255], 255), extremes: { least: -1, leastCell: -1, most: -1, mostCell: -1 } })).toBeNull();
  expect(symmetric(-2, 5)).toEqual([-5, 5]);
});

it("takes a plain canvas where software draws", () => {
  const names = ["", "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)))", "llvmpipe (LLVM 15)", "Mesa Intel(R) UHD"];
  expect(names.map(suits)).toEqual(["canvas2d", "canvas2d", "canvas2d", "webgl2"]);
});

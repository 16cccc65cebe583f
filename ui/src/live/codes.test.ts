/** The loops of the decoder: a field after another, of which lines stay as they were. */
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { checksum, CodeDecoder } from "./codes";

/** What the encoder does: prediction from left, up and upper left, zigzag, byte planes. */
function predict(codes: readonly number[], columns: number): Uint8Array {
  const at = (row: number, column: number) => (row < 0 || column < 0 ? 0 : (codes[row * columns + column] as number));
  const raw = new Uint8Array(2 * codes.length);
  codes.forEach((code, cell) => {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const difference = ((code - at(row, column - 1) - at(row - 1, column) + at(row - 1, column - 1)) << 16) >> 16;
    const folded = ((difference << 1) ^ (difference >> 15)) & 0xffff;
    raw[cell] = folded & 0xff;
    raw[codes.length + cell] = folded >> 8;
  });
  return raw;
}

const layout = { shape: [6, 8], bits: 12, isFiltered: true };
const start = Array.from({ length: 48 }, (_, cell) => (37 * cell) % 4_000);

it.each([8, 7])("decodes only lines that differ from the field before (%i columns)", (columns) => {
  const decoder = new CodeDecoder();
  const shape = { ...layout, shape: [6, columns] };
  const field = start.slice(0, 6 * columns);
  expect(decoder.decode(predict(field, columns), shape)).toMatchObject({ isNext: false, first: 0, end: 6 });
  expect([...decoder.codes]).toEqual(field);

  const next = field.map((code, cell) => (cell >= 2 * columns && cell < 4 * columns ? code + 1 : code));
  expect(decoder.decode(predict(next, columns), shape)).toMatchObject({ isNext: true, first: 2, end: 4 });
  expect([...decoder.codes]).toEqual(next);

  expect(decoder.decode(predict(next, columns), shape)).toMatchObject({ isNext: true, first: 0, end: 0 });
  expect(decoder.decode(predict(field, columns), shape)).toMatchObject({ first: 2, end: 4 });
  expect([...decoder.codes]).toEqual(field);
});

it("finds extremes of lines that it left alone and of those that it decoded", () => {
  const decoder = new CodeDecoder();
  const field = new Array<number>(48).fill(100);
  field[3] = 7;
  field[47] = 4_095; // has no value
  field[20] = 900;
  const found = { least: 7, leastCell: 3, most: 900, mostCell: 20 };
  expect(decoder.decode(predict(field, 8), layout)).toMatchObject({ top: 4_095, extremes: found });
  field[20] = 50;
  expect(decoder.decode(predict(field, 8), layout).extremes).toEqual({ least: 7, leastCell: 3, most: 100, mostCell: 0 });

  const nothing = new Array<number>(48).fill(4_095);
  expect(decoder.decode(predict(nothing, 8), layout)).toMatchObject({ top: 4_095, extremes: { least: -1, most: -1 } });
});

it("begins anew where the layout is another, and after it was told to forget", () => {
  const decoder = new CodeDecoder();
  decoder.decode(predict(start, 8), layout);
  expect(decoder.decode(predict(start, 6), { ...layout, shape: [8, 6] })).toMatchObject({ isNext: false, end: 8 });
  decoder.forget();
  expect(decoder.decode(predict(start, 6), { ...layout, shape: [8, 6] })).toMatchObject({ isNext: false, first: 0, end: 8 });
  expect([...decoder.codes]).toEqual(start);
});

it("reads codes that are not predicted, of one byte and of two", () => {
  const decoder = new CodeDecoder();
  const plain = { shape: [2, 4], bits: 8, isFiltered: false };
  decoder.decode(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), plain);
  expect(decoder.decode(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9), plain)).toMatchObject({ first: 1, end: 2 });
  expect([...decoder.codes]).toEqual([1, 2, 3, 4, 5, 6, 7, 9]);
  decoder.decode(Uint8Array.of(0, 1, 2, 0), { shape: [2], bits: 16, isFiltered: false });
  expect([...decoder.codes]).toEqual([256, 2]);
});

it.each([0, 1, 7, 8, 9, 1_001])("has the checksum of zlib over %i bytes, wherever they begin", (length) => {
  const buffer = Uint8Array.from({ length: length + 5 }, (_, at) => (at * at * 31 + 7) & 0xff);
  for (const from of [0, 1, 4]) {
    const bytes = buffer.subarray(from, from + length);
    expect(checksum(bytes)).toBe(crc32(bytes));
  }
});

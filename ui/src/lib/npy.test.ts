import { expect, it } from "vitest";
import { readNpy } from "./npy";

function makeNpy(header: string, values: number[]): ArrayBuffer {
  const padded = header.padEnd(117) + "\n";
  const bytes = new Uint8Array(10 + padded.length + 8 * values.length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, padded.length, 0]);
  bytes.set(new TextEncoder().encode(padded), 10);
  bytes.set(new Uint8Array(Float64Array.from(values).buffer), 10 + padded.length);
  return bytes.buffer;
}

const header = (kind: string, shape: string, order = "False") => `{'descr': '${kind}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

it("reads float64 in C order", () => {
  expect(readNpy(makeNpy(header("<f8", "(2, 3)"), [1, 2, 3, 4, 5, 6.5]))).toEqual({
    shape: [2, 3],
    values: Float64Array.from([1, 2, 3, 4, 5, 6.5]),
  });
  expect(readNpy(makeNpy(header("<f8", "(1,)"), [7])).shape).toEqual([1]);
});

it.each([
  ["no array", new TextEncoder().encode("not an array at all").buffer as ArrayBuffer, "no array"],
  ["nothing", new ArrayBuffer(0), "no array"],
  ["another kind", makeNpy(header("<f4", "(1,)"), [1]), "<f4"],
  ["Fortran's order", makeNpy(header("<f8", "(1,)", "True"), [1]), "C order"],
  ["too few values", makeNpy(header("<f8", "(3,)"), [1]), "does not fit"],
])("refuses %s", (_, bytes, reason) => expect(() => readNpy(bytes)).toThrow(reason));

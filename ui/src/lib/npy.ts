/** Arrays of NumPy's file format (NEP 1), as far as results use it: float64, little-endian, C order. */

export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** Read an array. @throws RangeError The bytes are no such file, with the reason. */
export function readNpy(bytes: ArrayBuffer): NpyArray {
  const view = new DataView(bytes);
  const magic = bytes.byteLength < 12 ? "" : String.fromCharCode(...new Uint8Array(bytes, 1, 5));
  if (magic !== "NUMPY") throw new RangeError("The file is no array of NumPy");
  const isLong = view.getUint8(6) >= 2; // version of the format
  const start = isLong ? 12 : 10;
  const length = isLong ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.byteLength) throw new RangeError("The file ends within its header");
  const header = new TextDecoder("latin1").decode(new Uint8Array(bytes, start, length));
  const kind = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  if (kind !== "<f8" || !/'fortran_order':\s*False/.test(header)) {
    throw new RangeError(`Arrays of ${kind ?? "an unknown kind"} are not read; float64 in C order is`);
  }
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").map((part) => part.trim()).filter(Boolean).map(Number);
  const cells = shape.reduce((product, count) => product * count, 1);
  if (!shape.every(Number.isInteger) || start + length + 8 * cells !== bytes.byteLength) {
    throw new RangeError("The length of the file does not fit its shape");
  }
  return { shape, values: new Float64Array(bytes.slice(start + length)) };
}

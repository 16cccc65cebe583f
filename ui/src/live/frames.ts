/**
 * Decoder of frames: a field at a moment as bytes that stand alone, of live runs and of finished jobs alike.
 *
 * A frame is a header of 96 bytes, little-endian, and a payload of codes of 8, 12 or 16 bits: value = offset + scale
 * code, and the largest code has no value. Cells lie in C order, x slowest. The bytes may come from anywhere: nothing
 * above 8 MiB is taken, and no more is unpacked than the header says.
 */

import type { Frame } from "@/lib/frame";

export { type Frame, FLAGS, scaleOf, toValues } from "@/lib/frame";

const HEADER_BYTES = 96;
const MAGIC = 0x31465247; // "GRF1"
const VERSION = 1;
const MOST_RAW_BYTES = 8 << 20;
const MOST_LEVEL = 2; // 2^level cells of the full grid for one of the frame
const MOST_REQUESTED_LEVEL = 12;
const CODECS = ["none", "deflate", "zstd"] as const;

/** Fields of live runs by their number in the header; 0 is what the request named. */
export const FIELD_NAMES = ["requested", "temperature", "stress", "utilisation", "damage", "state"] as const;
const FIELD_UNITS = ["", "K", "Pa", "1", "1", "1"] as const;

/** Bytes that are no frame of this version. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

interface Header extends Omit<Frame, "codes" | "masked"> {
  readonly codec: number;
  readonly isFiltered: boolean;
  readonly rawBytes: number;
  readonly payloadBytes: number;
  readonly crc32: number;
}

/**
 * Decode frames that follow each other.
 *
 * @throws FrameError Some bytes are no frame.
 */
export async function decodeFrames(bytes: ArrayBuffer): Promise<Frame[]> {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const { frame, end } = await decodeAt(bytes, at);
    frames.push(frame);
    at = end;
  }
  return frames;
}

/**
 * Decode the one frame that some bytes are.
 *
 * @throws FrameError They are not exactly one frame.
 */
export async function decodeFrame(bytes: ArrayBuffer): Promise<Frame> {
  const { frame, end } = await decodeAt(bytes, 0);
  if (end !== bytes.byteLength) throw new FrameError(`${bytes.byteLength - end} bytes follow the frame`);
  return frame;
}

async function decodeAt(bytes: ArrayBuffer, at: number): Promise<{ frame: Frame; end: number }> {
  const { codec, isFiltered, rawBytes, payloadBytes, crc32, ...rest } = readHeader(new DataView(bytes, at));
  const payload = new Uint8Array(bytes, at + HEADER_BYTES, Math.min(payloadBytes, bytes.byteLength - at - HEADER_BYTES));
  if (payload.length !== payloadBytes) {
    throw new FrameError(`${payload.length} of ${payloadBytes} bytes of the payload are there`);
  }
  if (checksum(payload) !== crc32) throw new FrameError("The checksum of the payload does not fit");
  const raw = await unpack(payload, codec, rawBytes);
  const codes = isFiltered ? undoPrediction(raw, rest.shape) : readCodes(raw, rest.bits);
  const missing = 2 ** rest.bits - 1;
  const most = codes.reduce((largest, code) => (code > largest ? code : largest), 0);
  if (most > missing) throw new FrameError(`A code has more than ${rest.bits} bits`);
  const frame = { ...rest, codes, masked: most === missing ? missing : null };
  return { frame, end: at + HEADER_BYTES + payloadBytes };
}

function readHeader(view: DataView): Header {
  if (view.byteLength < HEADER_BYTES) {
    throw new FrameError(`${view.byteLength} bytes are less than a header of ${HEADER_BYTES}`);
  }
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError("The first bytes are not those of a frame");
  const version = view.getUint8(11);
  if (version !== VERSION) throw new FrameError(`Version ${version} is not known`);
  const [field, codec, filter, bits, level] = [4, 5, 6, 7, 10].map((at) => view.getUint8(at)) as Five;
  const mostLevel = field === 0 ? MOST_REQUESTED_LEVEL : MOST_LEVEL;
  const isKnown = field < FIELD_NAMES.length && codec < CODECS.length && filter <= 1 && [8, 12, 16].includes(bits);
  if (!isKnown || level > mostLevel) {
    throw new FrameError("The header names a field, codec, filter, code or level that is not known");
  }
  const size = readThree(view, 12);
  const rawBytes = view.getUint32(72, true);
  requireFits(size, rawBytes, filter === 0 && bits === 8 ? 1 : 2);
  const [time, low, scale] = [32, 40, 48].map((at) => view.getFloat64(at, true)) as [number, number, number];
  const error = view.getFloat32(84, true);
  if (![time, low, scale, low + scale * 2 ** 16, error].every(Number.isFinite) || scale < 0 || error < 0) {
    throw new FrameError("The header holds a number that is not finite, or a scale or error below 0");
  }
  const shape = findShape(size);
  return {
    dimension: shape.length, shape, bits, low, high: low + scale * (2 ** bits - 2), time,
    tick: Number(view.getBigUint64(24, true)),
    name: FIELD_NAMES[field] as string,
    unit: FIELD_UNITS[field] as string,
    level, origin: readThree(view, 18), flags: view.getUint16(8, true), number: view.getUint32(56, true),
    epoch: view.getUint32(60, true), computedMs: Number(view.getBigUint64(64, true)), error, run: readRun(view),
    codec, isFiltered: filter === 1, rawBytes, payloadBytes: view.getUint32(76, true), crc32: view.getUint32(80, true),
  };
}

type Five = [number, number, number, number, number];

function requireFits(size: readonly number[], rawBytes: number, bytesPerCode: number): void {
  const cells = size.reduce((product, cells) => product * cells, 1);
  if (cells === 0) throw new FrameError("The frame has no cells");
  if (rawBytes !== cells * bytesPerCode || rawBytes > MOST_RAW_BYTES) {
    throw new FrameError(`${rawBytes} bytes of codes are not those of its cells, or above ${MOST_RAW_BYTES}`);
  }
}

function readThree(view: DataView, at: number): [number, number, number] {
  return [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint16(at + 4, true)];
}

function readRun(view: DataView): string {
  return Array.from({ length: 8 }, (_, at) => view.getUint8(88 + at).toString(16).padStart(2, "0")).join("");
}

/** Leave out trailing axes of one cell; one axis stays. */
function findShape(size: readonly number[]): number[] {
  const last = size.findLastIndex((cells) => cells > 1);
  return size.slice(0, Math.max(1, last + 1));
}

async function unpack(payload: Uint8Array<ArrayBuffer>, codec: number, size: number): Promise<Uint8Array> {
  const wrong = `The payload does not unpack to the ${size} bytes that the header names`;
  if (codec === 0) {
    if (payload.length !== size) throw new FrameError(wrong);
    return payload;
  }
  const format = codec === 1 ? "deflate-raw" : "zstd";
  let unpacker: DecompressionStream;
  try {
    unpacker = new DecompressionStream(format as CompressionFormat);
  } catch {
    throw new FrameError(`This browser cannot unpack ${format}`);
  }
  const reader = new Blob([payload]).stream().pipeThrough(unpacker).getReader();
  const raw = new Uint8Array(size);
  let filled = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > size) throw new FrameError(wrong);
      raw.set(part.value, filled);
      filled += part.value.length;
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined);
    throw error instanceof FrameError ? error : new FrameError("The payload cannot be unpacked");
  }
  if (filled !== size) throw new FrameError(wrong);
  return raw;
}

function readCodes(raw: Uint8Array, bits: number): Uint16Array {
  if (bits === 8) return Uint16Array.from(raw);
  const codes = new Uint16Array(raw.length / 2);
  for (let cell = 0; cell < codes.length; cell += 1) {
    codes[cell] = (raw[2 * cell] as number) | ((raw[2 * cell + 1] as number) << 8);
  }
  return codes;
}

/** Undo byte planes, zigzag and the prediction from left, up and upper left, modulo 2^16. */
function undoPrediction(raw: Uint8Array, shape: readonly number[]): Uint16Array {
  const cells = raw.length / 2;
  const columns = shape.at(-1) as number;
  const rows = shape.at(-2) ?? 1;
  const codes = new Uint16Array(cells);
  let cell = 0;
  for (let row = 0; cell < cells; row += 1) {
    const isFirst = row % rows === 0; // of its plane
    let left = 0;
    for (let column = 0; column < columns; column += 1, cell += 1) {
      const folded = (raw[cell] as number) | ((raw[cells + cell] as number) << 8);
      left += (folded >> 1) ^ -(folded & 1);
      codes[cell] = left + (isFirst ? 0 : (codes[cell - columns] as number));
    }
  }
  return codes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at += 1) {
    crc = (CRC_TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

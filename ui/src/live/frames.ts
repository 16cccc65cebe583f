/**
 * Decoder of frames: a field at a moment as bytes that stand alone, of live runs and of finished jobs alike.
 *
 * A frame is a header of 96 bytes, little-endian, and a payload of codes of 8, 12 or 16 bits: value = offset + scale
 * code, and the largest code has no value. Cells lie in C order, x slowest. The bytes may come from anywhere: nothing
 * above 8 MiB is taken, and no more is unpacked than the header says.
 */

import type { Frame } from "@/lib/frame";
import { checksum, CodeDecoder } from "./codes";

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
    const { frame, end } = await new FrameUnpacker().unpackAt(bytes, at);
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
export function decodeFrame(bytes: ArrayBuffer): Promise<Frame> {
  return new FrameUnpacker().unpack(bytes);
}

let serials = 0; // of the frames that were unpacked here, so that a painter knows which it drew

/**
 * Decoder of the frames of one stream, the one after the other. A frame stands alone; what it has in common with the one
 * before costs a comparison only, and its `changed` says what that was not.
 */
export class FrameUnpacker {
  private readonly decoder = new CodeDecoder();
  private readonly buffers: [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] = [new Uint8Array(0), new Uint8Array(0)];
  private serial = 0;

  /**
   * Decode the one frame that some bytes are; they must not be changed afterwards.
   *
   * @throws FrameError They are not exactly one frame.
   */
  async unpack(bytes: ArrayBuffer): Promise<Frame> {
    const { frame, end } = await this.unpackAt(bytes, 0);
    if (end !== bytes.byteLength) throw new FrameError(`${bytes.byteLength - end} bytes follow the frame`);
    return frame;
  }

  /** Decode the frame that begins at some byte, and tell where it ends. */
  async unpackAt(bytes: ArrayBuffer, at: number): Promise<{ frame: Frame; end: number }> {
    try {
      return await this.decode(bytes, at);
    } catch (error) {
      this.decoder.forget();
      throw error;
    }
  }

  private async decode(bytes: ArrayBuffer, at: number) {
    const { codec, isFiltered, rawBytes, payloadBytes, crc32, ...rest } = readHeader(new DataView(bytes, at));
    const payload = new Uint8Array(bytes, at + HEADER_BYTES, Math.min(payloadBytes, bytes.byteLength - at - HEADER_BYTES));
    if (payload.length !== payloadBytes) {
      throw new FrameError(`${payload.length} of ${payloadBytes} bytes of the payload are there`);
    }
    if (checksum(payload) !== crc32) throw new FrameError("The checksum of the payload does not fit");
    const raw = codec === 0 ? requireSize(payload, rawBytes) : await unpack(payload, codec, this.takeBuffer(rawBytes));
    const { top, extremes, first, end, isNext } = this.decoder.decode(raw, { shape: rest.shape, bits: rest.bits, isFiltered });
    const missing = 2 ** rest.bits - 1;
    if (top > missing) throw new FrameError(`A code has more than ${rest.bits} bits`);
    const codes = this.decoder.codes.slice();
    const changed = isNext && rest.shape.length === 2 ? { since: this.serial, first, end } : null;
    this.serial = serials += 1;
    const frame: Frame = { ...rest, codes, masked: top === missing ? missing : null, extremes, serial: serials, changed };
    return { frame, end: at + HEADER_BYTES + payloadBytes };
  }

  /** The buffer that does not hold the frame before. */
  private takeBuffer(size: number): Uint8Array<ArrayBuffer> {
    this.buffers.reverse();
    if (this.buffers[0].length !== size) this.buffers[0] = new Uint8Array(size);
    return this.buffers[0];
  }
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

function requireSize(payload: Uint8Array, size: number): Uint8Array {
  if (payload.length !== size) throw new FrameError(wrongSize(size));
  return payload;
}

function wrongSize(size: number): string {
  return `The payload does not unpack to the ${size} bytes that the header names`;
}

async function unpack(payload: Uint8Array<ArrayBuffer>, codec: number, raw: Uint8Array): Promise<Uint8Array> {
  const format = codec === 1 ? "deflate-raw" : "zstd";
  let unpacker: DecompressionStream;
  try {
    unpacker = new DecompressionStream(format as CompressionFormat);
  } catch {
    throw new FrameError(`This browser cannot unpack ${format}`);
  }
  const reader = new Blob([payload]).stream().pipeThrough(unpacker).getReader();
  let filled = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > raw.length) throw new FrameError(wrongSize(raw.length));
      raw.set(part.value, filled);
      filled += part.value.length;
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined);
    throw error instanceof FrameError ? error : new FrameError("The payload cannot be unpacked");
  }
  if (filled !== raw.length) throw new FrameError(wrongSize(raw.length));
  return raw;
}

/** The decoder against frames that the Python encoder wrote. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { decodeFrame, decodeFrames, FrameError, FrameUnpacker, toValues } from "./frames";

interface Fixture {
  readonly error?: string;
  readonly header: Record<string, number> & { readonly origin: number[]; readonly run: string };
  readonly shape: number[];
  readonly codes: number[];
  readonly values: (number | null)[];
}

const FOLDER = fileURLToPath(new URL("../../../tests/fixtures/frames/", import.meta.url));
const fixtures = readdirSync(FOLDER).filter((name) => name.endsWith(".json")).map((name) => ({
  name: name.replace(".json", ""),
  bytes: Uint8Array.from(readFileSync(FOLDER + name.replace(".json", ".bin"))).buffer,
  fixture: JSON.parse(readFileSync(FOLDER + name, "utf8")) as Fixture,
}));

function canUnpackZstd(): boolean {
  try {
    return new DecompressionStream("zstd" as CompressionFormat) !== null;
  } catch {
    return false;
  }
}

const right = fixtures.filter(({ fixture }) => fixture.error === undefined);
const readable = right.filter(({ fixture }) => fixture.header["codec"] !== 2 || canUnpackZstd());

it.each(readable)("reads $name as Python does", async ({ bytes, fixture }) => {
  const frame = await decodeFrame(bytes);
  const { header } = fixture;

  expect(frame.shape).toEqual(fixture.shape);
  expect([...frame.codes]).toEqual(fixture.codes);
  expect(frame).toMatchObject({
    dimension: fixture.shape.length, bits: header["bits"], low: header["offset"], time: header["time_s"],
    tick: header["tick"], level: header["level"], origin: header.origin, flags: header["flags"],
    number: header["frame"], epoch: header["epoch"], computedMs: header["computed_ms"], run: header.run,
  });
  const values = toValues(frame);
  const rounding = 4e-16 * Math.max(Math.abs(frame.low), Math.abs(frame.high));
  fixture.values.forEach((value, cell) => {
    if (value === null) expect(values[cell]).toBeNaN();
    else expect(Math.abs((values[cell] as number) - value)).toBeLessThanOrEqual(2 * rounding);
  });
  expect(frame.masked !== null).toBe(fixture.values.includes(null));
});

it.each(fixtures.filter(({ fixture }) => fixture.error !== undefined))("refuses $name", async ({ bytes, fixture }) => {
  const refused = await decodeFrame(bytes).catch((error: unknown) => error);

  expect(refused).toBeInstanceOf(FrameError);
  expect((refused as FrameError).message).toBe(fixture.error);
});

it("says which packing a browser cannot undo", async () => {
  vi.stubGlobal("DecompressionStream", function refuse() {
    throw new TypeError("no such format");
  });
  const packed = right.find(({ name }) => name === "planar-16-zstd");

  await expect(decodeFrame(packed?.bytes ?? new ArrayBuffer(0))).rejects.toThrow("cannot unpack zstd");
});

it("reads frames that follow each other, and none of nothing", async () => {
  const parts = readable.map(({ bytes }) => new Uint8Array(bytes));
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);

  const frames = await decodeFrames(joined.buffer);

  expect(frames.map((frame) => frame.shape)).toEqual(readable.map(({ fixture }) => fixture.shape));
  expect(await decodeFrames(new ArrayBuffer(0))).toEqual([]);
});

it("reads frames in any order by one decoder, what is none between them", async () => {
  const unpacker = new FrameUnpacker();
  const wrong = fixtures.find(({ name }) => name === "wrong-checksum");
  for (const { bytes, fixture } of [...readable, ...readable.toReversed()].flatMap((right) => [right, right])) {
    const frame = await unpacker.unpack(bytes);
    expect([...frame.codes]).toEqual(fixture.codes);
    expect(frame.masked !== null).toBe(fixture.values.includes(null));
    if (frame.tick % 2 === 0) await unpacker.unpack(wrong?.bytes ?? new ArrayBuffer(0)).catch(() => undefined);
  }
});

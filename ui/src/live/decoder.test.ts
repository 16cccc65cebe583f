/** The decoder in a worker: what is asked and answered, and what happens where there is none. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { type Answer, FrameWorker, type Question, type WorkerLike } from "./decoder";
import { FrameUnpacker } from "./frames";

const FOLDER = fileURLToPath(new URL("../../../tests/fixtures/frames/", import.meta.url));
const read = (name: string) => Uint8Array.from(readFileSync(`${FOLDER}${name}.bin`)).buffer;
const codesOf = (name: string) => (JSON.parse(readFileSync(`${FOLDER}${name}.json`, "utf8")) as { codes: number[] }).codes;

/** A worker in this thread; buffers are moved as to a real one. */
class NearWorker implements WorkerLike {
  onmessage: ((event: { data: Answer }) => void) | null = null;
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  private readonly unpackers = new Map<number, FrameUnpacker>();

  postMessage(question: Question, transfer: ArrayBuffer[]): void {
    const { lane, id, bytes } = structuredClone(question, { transfer });
    if (bytes === undefined) return void this.unpackers.delete(lane);
    const unpacker = this.unpackers.get(lane) ?? new FrameUnpacker();
    this.unpackers.set(lane, unpacker);
    unpacker.unpack(bytes).then(
      (frame) => this.onmessage?.({ data: { id, frame } }),
      (error: unknown) => this.onmessage?.({ data: { id, error: (error as Error).message } }),
    );
  }
}

it("moves bytes to the worker, and tells what differs from the frame before", async () => {
  const lane = new FrameWorker(() => new NearWorker()).open();
  const bytes = read("planar-12-none");
  const frame = await lane.decode(bytes);
  const again = await lane.decode(read("planar-12-none"));

  expect(bytes.byteLength).toBe(0);
  expect([...frame.codes]).toEqual(codesOf("planar-12-none"));
  expect(again.changed).toEqual({ since: frame.serial, first: 0, end: 0 });
  expect([...again.codes]).toEqual(codesOf("planar-12-none"));
});

it("tells what is no frame, and goes on with the next", async () => {
  const lane = new FrameWorker(() => new NearWorker()).open();

  await expect(lane.decode(read("wrong-checksum"))).rejects.toThrow("checksum");
  expect((await lane.decode(read("planar-16-none"))).bits).toBe(16);
});

it("has a lane for each stream, and forgets one that is closed", async () => {
  const worker = new NearWorker();
  const shared = new FrameWorker(() => worker);
  const [first, second] = [shared.open(), shared.open()];
  await first.decode(read("planar-12-none"));
  expect((await second.decode(read("planar-12-none"))).changed).toBeNull();
  first.close();
  expect((await first.decode(read("planar-12-none"))).changed).toBeNull();
});

it("decodes in its own thread where no worker starts, and after one has ended", async () => {
  const none = new FrameWorker(() => {
    throw new Error("no workers here");
  });
  expect([...(await none.open().decode(read("planar-12-none"))).codes]).toEqual(codesOf("planar-12-none"));

  const worker = new NearWorker();
  worker.postMessage = () => undefined;
  const lane = new FrameWorker(() => worker).open();
  const lost = lane.decode(read("planar-12-none"));
  worker.onerror?.({ preventDefault: () => undefined });
  await expect(lost).rejects.toThrow("ended");
  expect((await lane.decode(read("planar-12-none"))).bits).toBe(12);
});

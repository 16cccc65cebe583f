import { beforeEach, expect, it, vi } from "vitest";
import type { Frame } from "@/lib/frame";
import { ServerClock } from "@/live/clock";
import type { LiveSocket } from "@/live/socket";
import type { Listener, Topic } from "@/live/subscription";
import { PastFrames } from "./past";
import { RunStream } from "./stream";

const RUN = "01980000-1111-7000-8000-00000000abcd";

/** A socket that hands out what is subscribed, so that a test says what the server would. */
class FakeLive {
  readonly clock = new ServerClock();
  readonly topics = new Map<string, { topic: Topic; listener: Listener }>();
  readonly granted: number[] = [];
  subscribe(topic: Topic, listener: Listener) {
    const entry = { topic, listener };
    this.topics.set(topic.topic.replace(`run:${RUN}:`, ""), entry);
    return {
      topic,
      grant: (number: number) => this.granted.push(number),
      change: (part: Partial<Topic>) => Object.assign(entry, { topic: { ...entry.topic, ...part } }),
      close: () => this.topics.delete(topic.topic.replace(`run:${RUN}:`, "")),
    };
  }
}

const frame = (number: number, epoch = 1): Frame => ({
  dimension: 1, shape: [1], bits: 16, low: 0, high: 1, codes: new Uint16Array(1), masked: null, time: number, tick: number,
  name: "temperature", unit: "K", level: 0, origin: [0, 0, 0], flags: 0, number, epoch, computedMs: 1_000 + number, error: 0,
  run: "0198000011117000",
});

let live: FakeLive;
let decoded: Map<ArrayBuffer, Frame>;
let stream: RunStream;
let stop: () => void;
let isHidden: boolean;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.setSystemTime(2_000);
  vi.stubGlobal("window", globalThis);
  live = new FakeLive();
  decoded = new Map();
  isHidden = false;
  stream = new RunStream(RUN, {
    socket: live as unknown as LiveSocket, codec: "none",
    decode: (bytes) => {
      const found = decoded.get(bytes);
      return found === undefined ? Promise.reject(new Error("no frame")) : Promise.resolve(found);
    },
    fetchEvents: () => Promise.resolve([]),
    fetchHistory: () => Promise.resolve({
      end_tick: [8, 16], time_s: [8, 16], metrics: { highest: { min: [1, 2], max: [3, 4], mean: [2, 3], last: [3, 3] } },
    }),
    now: () => Date.now(),
    isHidden: () => isHidden,
  });
  stop = stream.start();
  stream.showField("temperature");
  await vi.advanceTimersByTimeAsync(0);
});

async function send(...frames: Frame[]): Promise<void> {
  for (const item of frames) {
    const bytes = new ArrayBuffer(1);
    decoded.set(bytes, item);
    live.topics.get("frames")?.listener.onFrame?.(bytes, item.number);
  }
  await vi.advanceTimersByTimeAsync(0);
}

const sample = (tick: number, highest: number) =>
  live.topics.get("metrics")?.listener.onEvent?.({ first_tick: tick - 4, end_tick: tick, time_s: tick, metrics: { highest: [1, highest, 2, 2] } }, tick, undefined);

it("keeps the newest frame, and leaves out those between", async () => {
  stream.onFrame(() => undefined);
  await send(frame(1), frame(2), frame(3));
  expect(stream.frame?.number).toBe(3);
  expect(live.granted).toEqual([]); // nothing is granted before it is drawn
  if (stream.frame !== null) stream.grant(stream.frame);
  expect(live.granted).toEqual([3]);
});

it("hands nothing on while nobody can see it, and the newest afterwards", async () => {
  const listener = vi.fn();
  stream.follow(listener);
  isHidden = true;
  await send(frame(1), frame(2));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(listener).not.toHaveBeenCalled();
  isHidden = false;
  await vi.advanceTimersByTimeAsync(250);
  expect(stream.getFigures().tick).toBe(2);
});

it("drops frames of a process that was replaced", async () => {
  await send(frame(9, 2));
  await send(frame(10, 1));
  expect(stream.frame?.number).toBe(9);
});

it("changes what React sees four times a second at most", async () => {
  const listener = vi.fn();
  stream.follow(listener);
  for (let number = 1; number <= 30; number += 1) await send(frame(number));
  expect(listener).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(250);
  expect(listener).toHaveBeenCalledOnce();
  expect(stream.getFigures()).toMatchObject({ tick: 30, frames: 30 });
});

it("calls data stale once nothing came for two seconds, and not while the run is paused", async () => {
  await send(frame(1));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(stream.getFigures().isStale).toBe(false);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(stream.getFigures().isStale).toBe(true);
  stream.rest(true);
  await vi.advanceTimersByTimeAsync(250);
  expect(stream.getFigures().isStale).toBe(false);
});

it("fills trends from what is kept and goes on with what comes, peaks in both", () => {
  sample(16, 99); // known from the history
  sample(20, 50);
  expect([...(stream.rings.windows(["highest"])[1] ?? [])]).toEqual([3, 4, 50]);
});

it("tells what it cannot decode, and grants it all the same, so that the next one comes", async () => {
  live.topics.get("frames")?.listener.onFrame?.(new ArrayBuffer(2), 5);
  await vi.advanceTimersByTimeAsync(250);
  expect(stream.getFigures().error).toBe("no frame");
  expect(live.granted).toEqual([5]);
});

it("follows nothing any more after its end", () => {
  stop();
  expect([...live.topics.keys()]).toEqual([]);
});

it("asks for one picture of the past at a time, and for the newest wish after it", async () => {
  const asked: number[] = [];
  let answer: (value: Frame) => void = () => undefined;
  const past = new PastFrames((_field, tick) => {
    asked.push(tick);
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  past.want("temperature", 10);
  past.want("temperature", 11);
  past.want("temperature", 12);
  expect(asked).toEqual([10]);
  answer(frame(10));
  await vi.advanceTimersByTimeAsync(0);
  expect(past.getState()).toMatchObject({ tick: 10, isLoading: true });
  expect(asked).toEqual([10, 12]);
  past.clear();
  answer(frame(12));
  await vi.advanceTimersByTimeAsync(0);
  expect(past.getState()).toMatchObject({ tick: undefined, frame: null, isLoading: false });
});

it("says that ticks go on, and no longer some seconds after the last", async () => {
  await send(frame(1));
  await vi.advanceTimersByTimeAsync(250);
  expect(stream.getFigures().isTicking).toBe(false); // one tick alone may be the first of a run that is compiling
  await send(frame(2));
  await vi.advanceTimersByTimeAsync(250);
  expect(stream.getFigures().isTicking).toBe(true);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(stream.getFigures().isTicking).toBe(false);
});

import { beforeEach, describe, expect, it, vi } from "vitest";
import { frameKey, readAddress } from "./protocol";
import { LiveSocket, type SocketLike } from "./socket";

class FakeSocket implements SocketLike {
  binaryType = "blob";
  readyState = 1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Let the server say something. */
  say(message: Record<string, unknown> | ArrayBuffer): void {
    this.onmessage?.({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) });
  }

  /** Subscriptions that were sent, by their ids. */
  get subs(): Record<string, unknown>[] {
    return this.sent.filter((message) => message["type"] === "sub");
  }
}

/** A tab with a server: sockets that were opened, tickets that were asked for, whether anybody looks. */
class Tab {
  readonly sockets: FakeSocket[] = [];
  tickets = 0;
  refuses = false;
  isHidden = false;
  private look: () => void = () => undefined;

  readonly live = new LiveSocket({
    open: () => {
      const socket = new FakeSocket();
      this.sockets.push(socket);
      return socket;
    },
    getTicket: () => {
      this.tickets += 1;
      return this.refuses ? Promise.reject(new TypeError("Failed to fetch")) : Promise.resolve(`ticket-${this.tickets}`);
    },
    now: () => Date.now(),
    random: () => 1,
    setTimer: (run, delayMs) => setTimeout(run, delayMs) as unknown as number,
    clearTimer: (timer) => clearTimeout(timer),
    isHidden: () => this.isHidden,
    onVisibility: (listener) => {
      this.look = listener;
    },
  });

  get socket(): FakeSocket {
    const found = this.sockets.at(-1);
    if (found === undefined) throw new Error("no socket was opened");
    return found;
  }

  /** Let the ticket come, the socket open and the server welcome. */
  async connect(): Promise<FakeSocket> {
    await vi.advanceTimersByTimeAsync(0);
    const { socket } = this;
    socket.onopen?.();
    socket.say({ type: "welcome", version: "1.0", protocol: "grid.v1", user: "ada" });
    return socket;
  }

  show(isShown: boolean): void {
    this.isHidden = !isShown;
    this.look();
  }
}

const RUN = "01980000-1111-7000-8000-00000000abcd";
const EVENTS = { topic: `run:${RUN}:events`, after: 17 };
const FRAMES = {
  topic: `run:${RUN}:frames`, options: { field: "temperature", max_hz: 30 },
  frames: frameKey(RUN, "temperature"), isIdleWhileHidden: true,
};

/** A header of a frame with nothing but what assigns it. */
function makeFrame(field: number, number: number, run = RUN): ArrayBuffer {
  const bytes = new ArrayBuffer(96);
  const view = new DataView(bytes);
  view.setUint32(0, 0x47524631, false);
  view.setUint8(4, field);
  view.setUint32(56, number, true);
  const digits = run.replaceAll("-", "");
  for (let place = 0; place < 8; place += 1) {
    view.setUint8(88 + place, Number.parseInt(digits.slice(2 * place, 2 * place + 2), 16));
  }
  return bytes;
}

let tab: Tab;
beforeEach(() => {
  vi.useFakeTimers();
  tab = new Tab();
});

describe("connecting", () => {
  it("opens nothing before somebody follows something", async () => {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tab.sockets).toHaveLength(0);
  });

  it("says hello with a ticket, and subscribes after the welcome", async () => {
    tab.live.subscribe(EVENTS, {});
    await vi.advanceTimersByTimeAsync(0);
    tab.socket.onopen?.();
    expect(tab.socket.sent).toEqual([{ type: "hello", ticket: "ticket-1" }]);
    tab.socket.say({ type: "welcome", version: "1.0", protocol: "grid.v1", user: "ada" });
    expect(tab.live.getLink()).toMatchObject({ state: "open", version: "1.0" });
    expect(tab.socket.subs).toEqual([{ type: "sub", id: 1, topic: EVENTS.topic, after: 17 }]);
    tab.live.subscribe(FRAMES, {});
    expect(tab.socket.subs[1]).toEqual({ type: "sub", id: 2, topic: FRAMES.topic, field: "temperature", max_hz: 30 });
    expect(tab.sockets).toHaveLength(1);
  });

  it("backs off from a quarter of a second to ten, and has a new ticket each time", async () => {
    tab.live.subscribe(EVENTS, {});
    await vi.advanceTimersByTimeAsync(0);
    for (const delay of [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
      const before = tab.sockets.length;
      tab.socket.onclose?.({ code: 1006 });
      expect(tab.live.getLink().state).toBe("waiting");
      await vi.advanceTimersByTimeAsync(delay - 1);
      expect(tab.sockets).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(tab.sockets).toHaveLength(before + 1);
    }
    await tab.connect();
    expect(tab.live.getLink().failures).toBe(0);
    expect(tab.tickets).toBe(tab.sockets.length);
  });

  it("backs off while no ticket comes", async () => {
    tab.refuses = true;
    tab.live.subscribe(EVENTS, {});
    await vi.advanceTimersByTimeAsync(250 + 500 + 1000);
    expect(tab.tickets).toBe(4);
    expect(tab.sockets).toHaveLength(0);
    tab.refuses = false;
    await vi.advanceTimersByTimeAsync(2000);
    await tab.connect();
    expect(tab.live.getLink().state).toBe("open");
  });

  it("comes back a second after a restart, and goes on behind what it knows", async () => {
    const heard: unknown[] = [];
    const onResume = vi.fn();
    tab.live.subscribe(EVENTS, { onEvent: (_data, id) => heard.push(id), onResume });
    const first = await tab.connect();
    first.say({ type: "event", sub: 1, id: 18, data: {} });
    first.say({ type: "event", sub: 1, id: 19, data: {} });
    first.onclose?.({ code: 1012 });
    await vi.advanceTimersByTimeAsync(1499);
    expect(tab.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    const second = await tab.connect();
    expect(second.subs).toEqual([{ type: "sub", id: 2, topic: EVENTS.topic, after: 19 }]);
    expect(onResume).toHaveBeenCalledOnce();
    first.say({ type: "event", sub: 2, id: 18, data: {} }); // a late word of the old connection
    expect(heard).toEqual([18, 19]);
  });

  it("sends nothing over a link that is closing", async () => {
    tab.live.subscribe(EVENTS, {});
    const socket = await tab.connect();
    const before = socket.sent.length;
    socket.readyState = 2;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.sent.length).toBe(before);
  });

  it("gives up a link that answers no ping", async () => {
    tab.live.subscribe(EVENTS, {});
    const first = await tab.connect();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(first.isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(250);
    expect(tab.sockets).toHaveLength(2);
  });

  it("measures the server's clock, and renews its session", async () => {
    tab.live.subscribe(EVENTS, {});
    const socket = await tab.connect();
    const ping = socket.sent.find((message) => message["type"] === "ping");
    vi.setSystemTime(Number(ping?.["t"]) + 10);
    socket.say({ type: "pong", t: ping?.["t"], server: Number(ping?.["t"]) + 3005 });
    expect(tab.live.clock.offset).toBe(3000);
    socket.say({ type: "renew" });
    await vi.advanceTimersByTimeAsync(0);
    expect(socket.sent.at(-1)).toEqual({ type: "renew", ticket: "ticket-2" });
  });

  it("closes half a minute after the last subscription, not between two pages", async () => {
    const subscription = tab.live.subscribe(EVENTS, {});
    const socket = await tab.connect();
    subscription.close();
    expect(socket.sent.at(-1)).toEqual({ type: "unsub", id: 1 });
    await vi.advanceTimersByTimeAsync(4_000);
    const other = tab.live.subscribe(EVENTS, {});
    await vi.advanceTimersByTimeAsync(10_000);
    expect(tab.sockets).toHaveLength(1);
    other.close();
    socket.say({ type: "pong", t: 0, server: 0 });
    for (let round = 0; round < 10; round += 1) {
      await vi.advanceTimersByTimeAsync(3_000);
      socket.say({ type: "pong", t: 0, server: 0 });
    }
    expect(socket.isClosed).toBe(true);
    expect(tab.live.getLink().state).toBe("idle");
  });
});

describe("topics", () => {
  it("gives a frame to the subscription of its run and field, and grants by its number", async () => {
    const numbers: number[] = [];
    const mine = tab.live.subscribe(FRAMES, { onFrame: (_bytes, number) => numbers.push(number) });
    const socket = await tab.connect();
    socket.say(makeFrame(1, 41));
    socket.say(makeFrame(2, 42)); // stress
    socket.say(makeFrame(1, 43, "02980000-1111-7000-8000-00000000abcd"));
    socket.say(new ArrayBuffer(4));
    expect(numbers).toEqual([41]);
    mine.grant(41);
    expect(socket.sent.at(-1)).toEqual({ type: "grant", id: 1, seq: 41 });
  });

  it("changes the field of a subscription, and hears no frame of the one before", async () => {
    const numbers: number[] = [];
    const mine = tab.live.subscribe(FRAMES, { onFrame: (_bytes, number) => numbers.push(number) });
    const socket = await tab.connect();
    mine.change({ options: { field: "stress" }, frames: frameKey(RUN, "stress") });
    expect(socket.sent.slice(-2)).toEqual([
      { type: "unsub", id: 1 },
      { type: "sub", id: 2, topic: FRAMES.topic, field: "stress" },
    ]);
    socket.say(makeFrame(1, 44));
    socket.say(makeFrame(2, 1));
    expect(numbers).toEqual([1]);
  });

  it("begins events again after a gap, and tells that something is to be fetched", async () => {
    const onGap = vi.fn();
    tab.live.subscribe(EVENTS, { onGap });
    const socket = await tab.connect();
    socket.say({ type: "event", sub: 1, id: 30, data: {} });
    socket.say({ type: "gap", sub: 1, after: 30 });
    expect(onGap).toHaveBeenCalledOnce();
    expect(socket.subs.at(-1)).toEqual({ type: "sub", id: 2, topic: EVENTS.topic, after: 30 });
  });

  it("goes on with samples after a gap, without another subscription", async () => {
    const onGap = vi.fn();
    tab.live.subscribe({ topic: "jobs" }, { onGap });
    const socket = await tab.connect();
    socket.say({ type: "gap", sub: 1, after: 3, next: 900 });
    expect(onGap).toHaveBeenCalledOnce();
    expect(socket.subs).toHaveLength(1);
  });

  it("ends for good where the server says so, and tries again where it is away", async () => {
    const onEnd = vi.fn();
    tab.live.subscribe(EVENTS, { onEnd });
    const socket = await tab.connect();
    socket.say({ type: "end", sub: 1, reason: "unavailable" });
    expect(onEnd).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket.subs).toHaveLength(2);
    socket.say({ type: "end", sub: 2, reason: "not-found" });
    expect(onEnd).toHaveBeenCalledWith("not-found", expect.objectContaining({ sub: 2 }));
    socket.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(250);
    const again = await tab.connect();
    expect(again.subs).toEqual([]);
  });

  it("ignores what it does not know", async () => {
    const onEvent = vi.fn();
    tab.live.subscribe(EVENTS, { onEvent });
    const socket = await tab.connect();
    socket.onmessage?.({ data: "{" });
    socket.say({ type: "poem", sub: 1 });
    socket.say({ type: "event", sub: 77, id: 1, data: {} });
    expect(onEvent).not.toHaveBeenCalled();
  });
});

describe("a hidden tab", () => {
  it("stops pictures after ten seconds, keeps events, and takes both up when it is seen", async () => {
    tab.live.subscribe(EVENTS, {});
    tab.live.subscribe(FRAMES, {});
    const socket = await tab.connect();
    tab.show(false);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(socket.sent.filter((message) => message["type"] === "unsub")).toEqual([]);
    socket.say({ type: "pong", t: 0, server: 0 });
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.sent.filter((message) => message["type"] === "unsub")).toEqual([{ type: "unsub", id: 2 }]);
    tab.show(true);
    expect(socket.subs.at(-1)).toMatchObject({ id: 3, topic: FRAMES.topic });
  });

  it("leaves a quick look elsewhere alone", async () => {
    tab.live.subscribe(FRAMES, {});
    const socket = await tab.connect();
    tab.show(false);
    await vi.advanceTimersByTimeAsync(4_000);
    tab.show(true);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(socket.sent.filter((message) => message["type"] === "unsub")).toEqual([]);
  });

  it("closes after five minutes and opens when it is seen", async () => {
    tab.live.subscribe(EVENTS, {});
    const socket = await tab.connect();
    tab.show(false);
    for (let round = 0; round < 60; round += 1) {
      await vi.advanceTimersByTimeAsync(5_000);
      socket.say({ type: "pong", t: 0, server: 0 });
    }
    expect(socket.isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(tab.sockets).toHaveLength(1);
    tab.show(true);
    const again = await tab.connect();
    expect(again.subs).toHaveLength(1);
  });
});

it("reads no address from bytes that are no frame", () => {
  expect(readAddress(new ArrayBuffer(96))).toBeUndefined();
  expect(readAddress(makeFrame(3, 7))).toEqual({ field: 3, number: 7, run: "0198000011117000" });
  expect(frameKey(RUN, "utilisation")).toBe("0198000011117000:3");
});

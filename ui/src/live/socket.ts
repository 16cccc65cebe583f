/** The one WebSocket of a tab: logs in by a ticket, comes back by itself, and follows each topic where it was. */
import { ServerClock } from "./clock";
import { CLOSED_RESTART, type Message, readAddress, readMessage } from "./protocol";
import { type Listener, Subscription, type Topic } from "./subscription";

export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

/** The surroundings of the socket, so that it can be tried without a server, a clock or a tab. */
export interface Surroundings {
  readonly open: () => SocketLike;
  /** Fetch a ticket; throws where nobody is logged in or the server does not answer. */
  readonly getTicket: () => Promise<string>;
  readonly now: () => number;
  readonly random: () => number;
  readonly setTimer: (run: () => void, delayMs: number) => number;
  readonly clearTimer: (timer: number) => void;
  readonly isHidden: () => boolean;
  readonly onVisibility: (listener: () => void) => void;
}

export type LinkState = "idle" | "connecting" | "open" | "waiting";

export interface Link {
  readonly state: LinkState;
  /** How often it was tried in vain since it was last open. */
  readonly failures: number;
  /** Version of the server, once it has said so. */
  readonly version: string | undefined;
}

const OPEN = 1; // WebSocket.OPEN, which only a browser has
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
const RESTART_DELAY_MS = 1_000;
const PING_MS = 5_000;
const SILENT_MS = 15_000; // a link that answers no ping for so long is dead
const HIDDEN_IDLE_MS = 10_000;
const HIDDEN_CLOSE_MS = 300_000;
const UNUSED_CLOSE_MS = 30_000;
const AGAIN_MS = 1_000;

export class LiveSocket {
  readonly clock = new ServerClock();
  private link: Link = { state: "idle", failures: 0, version: undefined };
  private readonly listeners = new Set<() => void>();
  private readonly subscriptions = new Set<Subscription>();
  private readonly byId = new Map<number, Subscription>();
  private socket: SocketLike | null = null;
  private attempt = 0; // counts connections, so that a late answer of an earlier one is known
  private count = 0;
  private heardAt = 0;
  private isIdle = false; // hidden for so long that pictures are not followed
  private readonly timers = new Map<string, number>();

  constructor(private readonly around: Surroundings) {
    around.onVisibility(() => this.followVisibility());
  }

  /** Follow a topic until the subscription is closed; connects if nothing is connected. */
  subscribe(topic: Topic, listener: Listener): Subscription {
    const subscription = new Subscription(topic, listener, {
      send: (message) => this.send(message),
      drop: (item) => this.drop(item),
      resubscribe: (item) => this.resubscribe(item),
    });
    this.subscriptions.add(subscription);
    this.clear("unused");
    if (this.link.state === "open") this.begin(subscription);
    else if (this.link.state === "idle" && !(this.around.isHidden() && this.isIdle)) void this.connect();
    return subscription;
  }

  readonly getLink = (): Link => this.link;

  /** Be told when the link changes; for `useSyncExternalStore`. */
  readonly follow = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Close for good, as a logout does; a new subscription connects again. */
  close(): void {
    this.disconnect("idle");
  }

  private async connect(): Promise<void> {
    this.attempt += 1;
    const attempt = this.attempt;
    this.clear("again");
    this.set({ state: "connecting" });
    let ticket: string;
    try {
      ticket = await this.around.getTicket();
    } catch {
      if (attempt === this.attempt) this.retry(this.backOff());
      return;
    }
    if (attempt !== this.attempt) return;
    const socket = this.around.open();
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", ticket }));
    socket.onmessage = ({ data }) => {
      if (attempt === this.attempt) this.receive(data);
    };
    socket.onclose = ({ code }) => {
      if (attempt !== this.attempt) return;
      this.socket = null;
      this.retry(code === CLOSED_RESTART ? RESTART_DELAY_MS * (1 + this.around.random() / 2) : this.backOff());
    };
  }

  private backOff(): number {
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.link.failures);
    return longest * (0.5 + this.around.random() / 2);
  }

  private retry(delayMs: number): void {
    this.lose();
    if (this.subscriptions.size === 0) {
      this.set({ state: "idle" });
      return;
    }
    this.set({ state: "waiting", failures: this.link.failures + 1 });
    this.arm("again", delayMs, () => void this.connect());
  }

  private disconnect(state: LinkState): void {
    this.attempt += 1;
    const socket = this.socket;
    this.socket = null;
    this.lose();
    this.clear("again");
    socket?.close();
    this.set({ state, failures: 0 });
  }

  /** Forget what was sent on a connection that is gone. */
  private lose(): void {
    this.clear("ping");
    this.byId.clear();
    for (const subscription of this.subscriptions) subscription.isSent = false;
  }

  private receive(data: unknown): void {
    this.heardAt = this.around.now();
    if (data instanceof ArrayBuffer) {
      this.receiveFrame(data);
      return;
    }
    const message = typeof data === "string" ? readMessage(data) : undefined;
    if (message === undefined) return;
    if (message.type === "welcome") this.welcome(message.version);
    else if (message.type === "pong") this.clock.observe(message.t, message.server, this.around.now());
    else if (message.type === "renew") void this.renew();
    else this.tell(message);
  }

  private welcome(version: string): void {
    this.clock.reset();
    this.set({ state: "open", failures: 0, version });
    this.ping();
    for (const subscription of this.subscriptions) this.begin(subscription);
    if (this.subscriptions.size === 0) this.arm("unused", UNUSED_CLOSE_MS, () => this.disconnect("idle"));
  }

  private ping(): void {
    this.send({ type: "ping", t: this.around.now() });
    this.arm("ping", PING_MS, () => {
      if (this.around.now() - this.heardAt <= SILENT_MS) {
        this.ping();
        return;
      }
      this.attempt += 1; // its close may come minutes later
      this.socket?.close();
      this.socket = null;
      this.retry(this.backOff());
    });
  }

  /** Go on under a new ticket; where none is given, the server closes, and the tab comes back as after any loss. */
  private async renew(): Promise<void> {
    const attempt = this.attempt;
    try {
      const ticket = await this.around.getTicket();
      if (attempt === this.attempt) this.send({ type: "renew", ticket });
    } catch {
      return;
    }
  }

  private begin(subscription: Subscription): void {
    if (subscription.isOver || (this.isIdle && subscription.topic.isIdleWhileHidden)) return;
    this.count += 1;
    subscription.id = this.count;
    subscription.isSent = true;
    this.byId.set(subscription.id, subscription);
    this.send(subscription.message());
    if (subscription.wasSent) subscription.listener.onResume?.();
    subscription.wasSent = true;
  }

  private stop(subscription: Subscription): void {
    if (!subscription.isSent) return;
    subscription.isSent = false;
    this.byId.delete(subscription.id);
    this.send({ type: "unsub", id: subscription.id });
  }

  private resubscribe(subscription: Subscription): void {
    if (!this.subscriptions.has(subscription)) return;
    this.stop(subscription);
    subscription.isOver = false;
    subscription.wasSent = false;
    if (this.link.state === "open") this.begin(subscription);
  }

  private drop(subscription: Subscription): void {
    this.stop(subscription);
    this.subscriptions.delete(subscription);
    if (this.subscriptions.size > 0) return;
    if (this.link.state === "open") this.arm("unused", UNUSED_CLOSE_MS, () => this.disconnect("idle"));
    else this.disconnect("idle");
  }

  private receiveFrame(bytes: ArrayBuffer): void {
    const address = readAddress(bytes);
    if (address === undefined) return;
    const key = `${address.run}:${address.field}`;
    for (const subscription of this.byId.values()) {
      if (subscription.topic.frames === key) subscription.listener.onFrame?.(bytes, address.number);
    }
  }

  private tell(message: Exclude<Message, { type: "welcome" | "pong" | "renew" }>): void {
    const subscription = message.sub === null ? undefined : this.byId.get(message.sub);
    if (subscription === undefined) return;
    const { listener } = subscription;
    if (message.type === "event") {
      if (subscription.topic.frames === undefined) subscription.after = message.id;
      listener.onEvent?.(message.data, message.id, message.kind);
    } else if (message.type === "notice") {
      listener.onNotice?.(message);
    } else if (message.type === "gap") {
      this.goOn(subscription, message.next);
    } else {
      this.end(subscription, message);
    }
  }

  /** A gap of events ends its subscription, to be begun again behind what is known; that of samples goes on. */
  private goOn(subscription: Subscription, next: number | undefined): void {
    if (next === undefined) {
      subscription.isSent = false;
      this.byId.delete(subscription.id);
      subscription.wasSent = false;
      this.begin(subscription);
    }
    subscription.listener.onGap?.();
  }

  private end(subscription: Subscription, message: Extract<Message, { type: "end" }>): void {
    subscription.isSent = false;
    this.byId.delete(subscription.id);
    if (message.reason === "unavailable" || message.reason === "too-many-subscriptions") {
      this.arm(`sub ${subscription.id}`, AGAIN_MS, () => {
        const isWanted = this.subscriptions.has(subscription) && !subscription.isSent;
        if (isWanted && this.link.state === "open") this.begin(subscription);
      });
      return;
    }
    subscription.isOver = true;
    subscription.listener.onEnd?.(message.reason, message);
  }

  private followVisibility(): void {
    if (this.around.isHidden()) {
      this.arm("idle", HIDDEN_IDLE_MS, () => {
        this.isIdle = true;
        for (const item of this.subscriptions) if (item.topic.isIdleWhileHidden) this.stop(item);
      });
      this.arm("hidden", HIDDEN_CLOSE_MS, () => this.disconnect("idle"));
      return;
    }
    this.clear("idle");
    this.clear("hidden");
    this.isIdle = false;
    if (this.link.state === "open") {
      for (const item of this.subscriptions) if (!item.isSent) this.begin(item);
    } else if (this.subscriptions.size > 0 && this.link.state !== "connecting") {
      void this.connect();
    }
  }

  private send(message: Record<string, unknown>): void {
    // one that is closing has not said so yet, and a browser puts each message to it on the console
    if (this.link.state === "open" && this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(message));
  }

  private set(change: Partial<Link>): void {
    this.link = { ...this.link, ...change };
    for (const listener of [...this.listeners]) listener();
  }

  private arm(name: string, delayMs: number, run: () => void): void {
    this.clear(name);
    this.timers.set(name, this.around.setTimer(() => {
      this.timers.delete(name);
      run();
    }, delayMs));
  }

  private clear(name: string): void {
    const timer = this.timers.get(name);
    if (timer === undefined) return;
    this.around.clearTimer(timer);
    this.timers.delete(name);
  }
}

/** What a part of the page follows on the socket, and what it is told. */

export interface Topic {
  /** As in `run:ID:frames`, `run:ID:metrics`, `run:ID:events`, `jobs`, `job:ID`, `sweep:ID`, `system`. */
  readonly topic: string;
  /** Further members of the `sub` message: `field`, `level`, `max_hz`, `codec`, ... */
  readonly options?: Readonly<Record<string, unknown>>;
  /** The last id that is known; after a reconnect that of the last event. Not for frames and the service. */
  readonly after?: number | string | undefined;
  /** Address of its frames (`frameKey`), where it is a topic of frames. */
  readonly frames?: string;
  /** Whether nothing is sent while the tab is hidden, for pictures and trends. */
  readonly isIdleWhileHidden?: boolean;
}

export interface Listener {
  readonly onEvent?: (data: unknown, id: number | string, kind: string | undefined) => void;
  /** A frame; `grant` it once it is drawn, or left out because a newer one is. */
  readonly onFrame?: (bytes: ArrayBuffer, number: number) => void;
  readonly onNotice?: (notice: Readonly<Record<string, unknown>> & { readonly kind: string }) => void;
  /** Events were lost: what follows from them is to be fetched again. The topic goes on by itself. */
  readonly onGap?: () => void;
  /** The topic is over for good: `stopped`, `finished`, `not-found`, `invalid`, ... */
  readonly onEnd?: (reason: string, data: Readonly<Record<string, unknown>>) => void;
  /** The topic is followed again, after a connection was lost or the tab was hidden. */
  readonly onResume?: () => void;
}

/** One topic while somebody follows it. */
export class Subscription {
  id = 0;
  isSent = false;
  wasSent = false;
  isOver = false;
  after: number | string | undefined;

  constructor(
    public topic: Topic,
    readonly listener: Listener,
    private readonly socket: {
      send(message: Record<string, unknown>): void;
      drop(subscription: Subscription): void;
      resubscribe(subscription: Subscription): void;
    },
  ) {
    this.after = topic.after;
  }

  /** Say that a frame of this number, and those before, are shown. */
  grant(number: number): void {
    if (this.isSent) this.socket.send({ type: "grant", id: this.id, seq: number });
  }

  /** Follow the same topic with other options, as another field of the same run. */
  change(change: Partial<Topic>): void {
    this.topic = { ...this.topic, ...change };
    this.socket.resubscribe(this);
  }

  close(): void {
    this.socket.drop(this);
  }

  /** The message that begins it. */
  message(): Record<string, unknown> {
    const after = this.after === undefined ? {} : { after: this.after };
    return { type: "sub", id: this.id, topic: this.topic.topic, ...this.topic.options, ...after };
  }
}

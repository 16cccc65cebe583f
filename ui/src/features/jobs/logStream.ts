/** The log of a job as it comes: server-sent events by `fetch`, since `EventSource` can send no token. */
import { fetchRaw } from "@/api/client";
import { isTransient } from "@/api/problems";

export interface StreamEvent {
  readonly kind: string;
  readonly data: string;
}

/** Turns lines into events (WHATWG HTML, section 9.2) and remembers where to go on. */
export class EventReader {
  lastId = "";
  #kind = "";
  #data: string[] = [];

  feed(line: string): StreamEvent | null {
    if (line === "") return this.#dispatch();
    const cut = line.indexOf(":");
    const name = cut < 0 ? line : line.slice(0, cut);
    const value = cut < 0 ? "" : line.slice(cut + 1).replace(/^ /, "");
    if (name === "event") this.#kind = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.lastId = value;
    return null;
  }

  #dispatch(): StreamEvent | null {
    const [kind, data] = [this.#kind || "message", this.#data];
    [this.#kind, this.#data] = ["", []];
    return data.length === 0 ? null : { kind, data: data.join("\n") };
  }
}

export type LinkState = "reading" | "waiting" | "ended" | "refused";

const MOST_LINES = 100_000; // older ones are left to the download
const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 10_000;

/** Lines of a log outside of React, and how the link to them is. */
export class LogStore {
  lines: string[] = [];
  /** Lines that were dropped at the beginning. */
  dropped = 0;
  state: LinkState = "reading";
  error: unknown = null;
  version = 0;
  readonly #listeners = new Set<() => void>();
  #isTold = false;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getVersion = (): number => this.version;

  add(text: string): void {
    for (const line of text.split("\n")) this.lines.push(line);
    if (this.lines.length > MOST_LINES) {
      const gone = this.lines.length - MOST_LINES;
      this.lines = this.lines.slice(gone);
      this.dropped += gone;
    }
    this.#tell();
  }

  turn(state: LinkState, error: unknown = null): void {
    [this.state, this.error] = [state, error];
    this.#tell();
  }

  /** Tell once for all that comes within a moment. */
  #tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    setTimeout(() => {
      this.#isTold = false;
      this.version += 1;
      for (const listener of [...this.#listeners]) listener();
    }, 50);
  }
}

/** Follow a log into a store until it ends or the signal comes; after a cut it goes on where it was. */
export async function followLog(jobId: string, store: LogStore, reader: EventReader, signal: AbortSignal): Promise<void> {
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      store.turn("reading");
      const headers: Record<string, string> = reader.lastId === "" ? {} : { "last-event-id": reader.lastId };
      const answer = await fetchRaw(`/api/v1/jobs/${jobId}/logs/stream`, { headers, signal });
      for await (const line of readLines(answer.body)) {
        const event = reader.feed(line);
        wait = FIRST_WAIT_MS;
        if (event?.kind === "log") store.add(event.data);
        if (event?.kind === "end") return store.turn("ended");
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isTransient(error)) return store.turn("refused", error);
    }
    if (signal.aborted) return;
    store.turn("waiting");
    await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
    wait = Math.min(MOST_WAIT_MS, 2 * wait);
  }
}

/** Yield the lines of a body, however it is cut into parts. */
export async function* readLines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield line.replace(/\r$/, "");
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Show control characters, such as those of colours of a terminal, as signs; text stays text. */
export function visible(line: string): string {
  return line.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (sign) => (sign === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + sign.charCodeAt(0))));
}

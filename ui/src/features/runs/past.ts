/** Pictures of the past, one request at a time: while one is computed, only the newest wish waits. */
import type { Frame } from "@/lib/frame";

export interface PastState {
  readonly tick: number | undefined;
  readonly frame: Frame | null;
  readonly isLoading: boolean;
  readonly error: unknown;
}

interface Wish {
  readonly field: string;
  readonly tick: number;
}

export class PastFrames {
  private state: PastState = { tick: undefined, frame: null, isLoading: false, error: undefined };
  private running: AbortController | null = null;
  private wish: Wish | null = null;
  private last: Wish | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly load: (field: string, tick: number, signal: AbortSignal) => Promise<Frame>) {}

  readonly getState = (): PastState => this.state;

  readonly follow = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Wish for a field at a tick. A request on its way is not given up: the server computes one after the other. */
  want(field: string, tick: number): void {
    if (this.last?.field === field && this.last.tick === tick && this.state.error === undefined) return;
    this.wish = { field, tick };
    if (this.running === null) void this.run();
  }

  /** Go back to what is live. */
  clear(): void {
    this.wish = null;
    this.last = null;
    this.running?.abort();
    this.running = null;
    this.set({ tick: undefined, frame: null, isLoading: false, error: undefined });
  }

  private async run(): Promise<void> {
    while (this.wish !== null) {
      const { field, tick } = this.wish;
      this.last = this.wish;
      this.wish = null;
      const running = new AbortController();
      this.running = running;
      this.set({ ...this.state, isLoading: true });
      try {
        const frame = await this.load(field, tick, running.signal);
        if (running.signal.aborted) return;
        this.set({ tick, frame, isLoading: this.wish !== null, error: undefined });
      } catch (error) {
        if (running.signal.aborted) return;
        this.set({ ...this.state, isLoading: this.wish !== null, error });
      }
    }
    this.running = null;
  }

  private set(state: PastState): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }
}

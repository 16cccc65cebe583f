/** Decodes the frames of live runs in a worker that the whole tab shares; buffers move, nothing is copied between. */
import type { Frame } from "@/lib/frame";
import type { FrameUnpacker } from "./frames";

/** What the worker is asked; without bytes a lane is over. */
export interface Question {
  readonly lane: number;
  readonly id: number;
  readonly bytes?: ArrayBuffer;
}

export interface Answer {
  readonly id: number;
  readonly frame?: Frame;
  readonly error?: string;
}

export interface WorkerLike {
  postMessage(question: Question, transfer: ArrayBuffer[]): void;
  onmessage: ((event: { data: Answer }) => void) | null;
  onerror: ((event: { preventDefault(): void }) => void) | null;
}

function startWorker(): WorkerLike {
  return new Worker(new URL("./decoder.worker.ts", import.meta.url), { type: "module" }) as WorkerLike;
}

interface Waiting {
  readonly done: (frame: Frame) => void;
  readonly fail: (error: Error) => void;
}

/** The worker, started with the first frame. Where it cannot run, frames are decoded in the page's own thread. */
export class FrameWorker {
  private worker: WorkerLike | null | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private count = 0;

  constructor(private readonly start: () => WorkerLike = startWorker) {}

  /** Make a lane for the frames of one stream. */
  open(): FrameLane {
    this.count += 1;
    return new FrameLane(this, this.count);
  }

  /** Ask the worker; null where there is none. */
  ask(lane: number, bytes: ArrayBuffer): Promise<Frame> | null {
    const worker = this.find();
    if (worker === null) return null;
    this.count += 1;
    const id = this.count;
    return new Promise<Frame>((done, fail) => {
      this.waiting.set(id, { done, fail });
      worker.postMessage({ lane, id, bytes }, [bytes]);
    });
  }

  /** Let the worker forget a lane. */
  forget(lane: number): void {
    this.worker?.postMessage({ lane, id: 0 }, []);
  }

  private find(): WorkerLike | null {
    if (this.worker !== undefined) return this.worker;
    try {
      this.worker = this.start();
    } catch {
      this.worker = null; // as in a browser without workers of modules
      return null;
    }
    this.worker.onmessage = ({ data }) => this.take(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.worker = null;
      for (const { fail } of this.waiting.values()) fail(new Error("The decoder has ended"));
      this.waiting.clear();
    };
    return this.worker;
  }

  private take({ id, frame, error }: Answer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (frame !== undefined) waiting?.done(frame);
    else waiting?.fail(new Error(error));
  }
}

/** The frames of one stream. */
export class FrameLane {
  private unpacker: FrameUnpacker | null = null;

  constructor(private readonly worker: FrameWorker, private readonly number: number) {}

  /**
   * Decode one frame; its bytes are gone afterwards.
   *
   * @throws Error They are no frame.
   */
  readonly decode = async (bytes: ArrayBuffer): Promise<Frame> => {
    const asked = this.worker.ask(this.number, bytes);
    if (asked !== null) return asked;
    this.unpacker ??= new (await import("./frames")).FrameUnpacker();
    return this.unpacker.unpack(bytes);
  };

  /** Forget what was decoded; the lane can be used again. */
  close(): void {
    this.unpacker = null;
    this.worker.forget(this.number);
  }
}

export const frameWorker = new FrameWorker();

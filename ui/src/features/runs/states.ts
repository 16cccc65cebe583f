/** The states of a live run in the order of its life, and what may be done in each. */
export const RUN_STATES = [
  "queued", "starting", "running", "paused", "parked", "interrupted", "resuming", "stopping", "stopped", "failed",
] as const;

export type RunState = (typeof RUN_STATES)[number];

const MARKS: Record<RunState, string> = {
  queued: "○", starting: "◔", running: "◑", paused: "‖", parked: "‖", interrupted: "◌", resuming: "◔", stopping: "◪",
  stopped: "✓", failed: "✕",
};

export function isOver(state: string): boolean {
  return state === "stopped" || state === "failed";
}

/** The mark of a state; the word always stands beside it. */
export function markOf(state: string): string {
  return MARKS[state as RunState] ?? "·";
}

/** Why a run cannot be steered now, or undefined where it can. */
export function whyNotSteered(state: string, isPast: boolean): string | undefined {
  if (isPast) return "You look at the past. Go back to live to steer the run.";
  if (isOver(state)) return `The run has ${state === "failed" ? "failed" : "stopped"}; nothing can be sent to it.`;
  if (state === "stopping") return "The run is stopping.";
  return undefined;
}

/** Speeds that are offered: factors on the rate of a run. */
export const SPEEDS: readonly string[] = ["0.1", "0.5", "1", "2", "4", "10", "max"];

/** The next speed up or down from one that need not be among those that are offered; undefined at either end. */
export function nextSpeed(speed: string, by: 1 | -1): string | undefined {
  const factor = (text: string) => (text === "max" ? Number.POSITIVE_INFINITY : Number(text));
  const at = factor(speed);
  return by === 1 ? SPEEDS.find((other) => factor(other) > at) : SPEEDS.findLast((other) => factor(other) < at);
}

/** Whether kernels hold up the ticks of a run: they are compiled beside ticks, too, and then nobody waits for them. */
export function isWaitingForKernels(run: { readonly activity?: string | null; readonly status: string }, isTicking: boolean): boolean {
  return run.activity === "compiling" && !isTicking;
}

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

/** The states of a job in the order of its life, and what the page does with each. */
export const JOB_STATES = [
  "queued", "starting", "running", "cancelling", "success", "failed", "timed_out", "expired", "cancelled",
] as const;

export type JobState = (typeof JOB_STATES)[number];

const FINAL: ReadonlySet<string> = new Set(["success", "failed", "timed_out", "expired", "cancelled"]);

/** Tell whether a job has ended; it never changes again then. */
export function isFinal(state: string): boolean {
  return FINAL.has(state);
}

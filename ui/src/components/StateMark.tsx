import classes from "./StateMark.module.css";

/** Mark, word and colour of each state of a job; only what somebody may want to act on has a colour. */
const STATES: Record<string, { readonly mark: string; readonly word: string; readonly tone: "plain" | "muted" | "medium" }> = {
  queued: { mark: "○", word: "queued", tone: "plain" },
  starting: { mark: "◔", word: "starting", tone: "plain" },
  running: { mark: "◑", word: "running", tone: "plain" },
  cancelling: { mark: "◪", word: "cancelling", tone: "plain" },
  success: { mark: "✓", word: "success", tone: "muted" },
  failed: { mark: "✕", word: "failed", tone: "medium" },
  timed_out: { mark: "⧗", word: "timed out", tone: "medium" },
  expired: { mark: "⌛\uFE0E", word: "expired", tone: "medium" },
  cancelled: { mark: "⊘", word: "cancelled", tone: "muted" },
};

/** A job's state as a mark and a word. A state that this page does not know is shown as it is called. */
export function StateMark({ state }: { state: string }) {
  const { mark, word, tone } = STATES[state] ?? { mark: "·", word: state, tone: "plain" as const };
  return (
    <span className={classes["state"]} data-tone={tone}>
      <span className={classes["mark"]} aria-hidden="true">{mark}</span>
      {word}
    </span>
  );
}

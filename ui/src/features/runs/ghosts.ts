/** An event on its way: a burst is drawn at once; sent, accepted with a number, applied at a tick. */

export type GhostState = "draft" | "sending" | "sent" | "late" | "applied" | "refused" | "failed" | "done" | "ended";

export interface Ghost {
  /** Sent again under the same id, it acts once. */
  readonly clientId: string;
  readonly kind: string;
  /** Of a burst: cell of its centre, a number for each axis of the body, and radius [m]. */
  readonly at: readonly number[] | null;
  readonly radius: number;
  /** What was sent, to be sent again under the same id. */
  readonly event: Readonly<Record<string, unknown>>;
  readonly state: GhostState;
  readonly seq?: number;
  readonly tick?: number;
  readonly reason?: string;
}

export const LATE_MS = 2_000; // without an answer of the server
export const SHOWN_MS = 4_000; // after it was applied

/** Change the ghost of an id; others stay. */
export function change(ghosts: readonly Ghost[], clientId: string, part: Partial<Ghost>): Ghost[] {
  return ghosts.map((ghost) => (ghost.clientId === clientId ? { ...ghost, ...part } : ghost));
}

/** Take the events of a run: what it applied, and what it refused. */
export function settle(
  ghosts: readonly Ghost[],
  events: readonly { readonly kind: string; readonly tick: number; readonly payload: Readonly<Record<string, unknown>> }[],
): readonly Ghost[] {
  const waiting = ghosts.filter((ghost) => ghost.seq !== undefined && (ghost.state === "sent" || ghost.state === "late"));
  if (waiting.length === 0) return ghosts;
  const answers = new Map(
    events.filter((event) => event.kind === "applied" || event.kind === "refused").map((event) => [event.payload["seq"], event]),
  );
  let isChanged = false;
  const settled = ghosts.map((ghost) => {
    const answer = waiting.includes(ghost) ? answers.get(ghost.seq) : undefined;
    if (answer === undefined) return ghost;
    isChanged = true;
    const reason = answer.payload["reason"];
    return answer.kind === "applied"
      ? { ...ghost, state: "applied" as const, tick: answer.tick }
      : { ...ghost, state: "refused" as const, reason: typeof reason === "string" ? reason : "no reason was given" };
  });
  return isChanged ? settled : ghosts;
}

/** What stands beside a ghost: a word that says how far it is. */
export function describe(ghost: Ghost): string {
  switch (ghost.state) {
    case "draft": return "Enter sends it, Esc drops it";
    case "sending": return "sending";
    case "sent": return `sent, #${ghost.seq ?? ""}`;
    case "late": return "no answer for 2 s";
    case "done":
    case "applied": return `applied at tick ${ghost.tick ?? ""}`;
    case "refused": return `refused: ${ghost.reason ?? ""}`;
    case "ended": return `#${ghost.seq ?? ""} ends`;
    case "failed": return `not sent: ${ghost.reason ?? ""}`;
  }
}

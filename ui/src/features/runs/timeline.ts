/** Events of a run in the lanes of its timeline. */
import { formatNumber } from "@/lib/format";

export interface LiveEvent {
  readonly n: number;
  readonly tick: number;
  readonly step: number;
  readonly kind: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly origin: string;
  readonly created_at: string;
}

export const LANES = ["commands", "model", "alerts", "notes"] as const;
export type Lane = (typeof LANES)[number];

export interface Entry {
  readonly n: number;
  readonly tick: number;
  readonly lane: Lane;
  readonly text: string;
  /** Whether it is drawn filled: an alert that began, a command that was applied. */
  readonly isFilled: boolean;
}

const LANE_OF: Readonly<Record<string, Lane>> = {
  applied: "commands", refused: "commands", switch: "model", mode: "model", alert: "alerts", incident: "alerts",
};

/** Return the entry of an event; what each says is one short sentence. */
export function toEntry(event: LiveEvent, commandName: (seq: number) => string | undefined): Entry {
  const lane = LANE_OF[event.kind] ?? "notes";
  return { n: event.n, tick: event.tick, lane, text: describe(event, commandName), isFilled: isBeginning(event) };
}

function isBeginning(event: LiveEvent): boolean {
  if (event.kind === "alert") return event.payload["to"] === "firing";
  return event.kind === "applied" || event.kind === "switch" || event.kind.startsWith("failed");
}

function describe({ kind, payload }: LiveEvent, commandName: (seq: number) => string | undefined): string {
  const word = (name: string) => (typeof payload[name] === "string" || typeof payload[name] === "number" ? String(payload[name]) : "");
  const number = (name: string) => (typeof payload[name] === "number" ? payload[name] : undefined);
  const seq = number("seq");
  if (kind === "applied" || kind === "refused") {
    const name = (seq === undefined ? undefined : commandName(seq)) ?? "command";
    return kind === "applied" ? `${name} #${seq ?? ""} took effect` : `${name} #${seq ?? ""} was refused: ${word("reason")}`;
  }
  if (kind === "switch") return `model ${word("model")}: ${word("text") || word("reason")}`;
  if (kind === "alert") {
    const value = number("value");
    return `${word("rule")}: ${word("from")} to ${word("to")}${value === undefined ? "" : ` at ${formatNumber(value)}`}`;
  }
  if (kind === "state") return `the run is ${word("state")}${word("reason") === "" ? "" : `: ${word("reason")}`}`;
  const rest = word("text") || word("reason") || word("name") || word("region");
  return rest === "" ? kind : `${kind}: ${rest}`;
}

/** Add events behind those that are known; the same number twice is one event. At most `most`, the newest. */
export function append(known: readonly LiveEvent[], more: readonly LiveEvent[], most = 2_000): readonly LiveEvent[] {
  const last = known.at(-1)?.n ?? 0;
  const fresh = more.filter((event) => event.n > last);
  return fresh.length === 0 ? known : [...known, ...fresh].slice(-most);
}

/** Find the tick of the alert before or behind a tick. */
export function nextAlert(events: readonly LiveEvent[], tick: number, direction: 1 | -1): number | undefined {
  const ticks = events.filter((event) => event.kind === "alert" && event.payload["to"] === "firing").map((event) => event.tick);
  return direction === 1 ? ticks.find((at) => at > tick) : ticks.findLast((at) => at < tick);
}

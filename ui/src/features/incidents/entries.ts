/** Entries of an incident's timeline as sentences, and the lanes by which they are filtered. */
import type { Schemas } from "@/api/client";
import { formatNumber } from "@/lib/format";
import type { KINDS } from ".";
import type { Entry } from "./queries";

const PEOPLE = new Set(["note", "acknowledge", "assign", "step", "runbook", "resolve", "open", "reopen", "close"]);

/** Tell whether an entry is shown under a filter. */
export function isShownUnder(entry: Pick<Entry, "kind">, filter: (typeof KINDS)[number]): boolean {
  if (filter === "all") return true;
  if (filter === "people") return PEOPLE.has(entry.kind);
  if (filter === "alerts") return entry.kind.includes("alert") || entry.kind.includes("transition") || entry.kind === "failure";
  return ["command", "applied", "refused", "switch", "mode"].some((word) => entry.kind.includes(word));
}

/** Say what an entry says, from its payload: text first, then what is known of its kind. */
export function describeEntry(entry: Pick<Entry, "payload">): string {
  const { payload } = entry;
  for (const name of ["text", "reason", "title", "message"]) {
    if (typeof payload[name] === "string" && payload[name] !== "") return payload[name];
  }
  const words = Object.entries(payload).flatMap(([name, value]) => {
    if (typeof value === "string" && value !== "") return [`${name} ${value}`];
    if (typeof value === "number") return [`${name} ${formatNumber(value)}`];
    return typeof value === "boolean" ? [`${name} ${value ? "yes" : "no"}`] : [];
  });
  return words.slice(0, 6).join(", ");
}

export const LANE_NAMES = ["alerts", "commands", "people"] as const;
export const ENTRY_HEADS = ["number", "at", "tick", "kind", "what", "by", "sha256"] as const;

/** An entry as a row of a table. */
export function toRow(entry: Entry): readonly (string | number | null)[] {
  return [entry.n, entry.at, entry.tick, entry.kind, describeEntry(entry), entry.by ?? "Grid", entry.hash];
}

/** Entries in lanes over ticks; one without a tick stands at the tick of the entry before it. */
export function toLanes(entries: readonly Entry[]): { lane: string; tick: number; text: string; isFilled: boolean }[] {
  let tick = entries.find((entry) => entry.tick !== null)?.tick ?? 0;
  return entries.map((entry) => {
    tick = entry.tick ?? tick;
    const lane = LANE_NAMES.find((name) => isShownUnder(entry, name)) ?? "people";
    return { lane, tick, text: `${entry.kind} ${describeEntry(entry)}`, isFilled: entry.by !== null };
  });
}

/** What a step of a runbook checks, sends or says. */
export function describeStep({ kind, content }: Pick<Schemas["StepOut"], "kind" | "content">): string {
  if (kind === "check") return `${String(content["metric"])} ${String(content["op"])} ${formatNumber(Number(content["value"]))}`;
  if (kind === "say") return String(content["text"] ?? "");
  const payload = (content["payload"] ?? {}) as Readonly<Record<string, unknown>>;
  const members = Object.values(payload).map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)));
  return [String(content["kind"]), ...members].join(" ");
}

/** What came of a step when it was taken last, and by whom. */
export function lastOutcome(entries: readonly Entry[], step: number): { readonly text: string; readonly at: string; readonly by: string | null } | undefined {
  const taken = entries.findLast((entry) => entry.kind === "runbook" && entry.payload["step"] === step);
  if (taken === undefined) return undefined;
  const { found, passed, seq } = taken.payload;
  const text = typeof passed === "boolean"
    ? `${typeof found === "number" ? `found ${formatNumber(found)}` : "no value"}, ${passed ? "passed" : "has not passed"}`
    : typeof seq === "number" ? `sent as #${seq}` : "said";
  return { text, at: taken.at, by: taken.by };
}

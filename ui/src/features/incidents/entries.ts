/** Entries of an incident's timeline as sentences, and the lanes by which they are filtered. */
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

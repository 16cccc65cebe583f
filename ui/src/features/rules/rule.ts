/** A rule as it is typed, and as the server takes it: thresholds may have a unit, so they stay text until they are read. */

export interface Draft {
  readonly name: string;
  readonly metric: string;
  readonly op: string;
  readonly raise: string;
  readonly clear: string;
  readonly for: string;
  readonly keep_firing_for: string;
  readonly severity: string;
  readonly runbook: string;
  readonly summary: string;
}

export const METRICS = [
  "highest", "mean", "lowest", "gradient", "peak_stress", "utilisation", "safety_factor", "damage", "failed_cells", "failed_regions",
  "certificate", "share", "balance_residual", "time_error", "rate_ratio", "data_age_s",
] as const;
const WALL = new Set(["rate_ratio", "data_age_s", "worker_lost", "forced_share"]);

export const EMPTY: Draft = {
  name: "", metric: "highest", op: ">", raise: "", clear: "", for: "0 s", keep_firing_for: "0 s", severity: "medium", runbook: "", summary: "",
};

const NAME = /^[a-z][a-z0-9._-]{0,99}$/; // as the server has it
export const NAME_HINT = "lower-case letters, digits, . _ and -, as in hot-deck";

type Raw = Readonly<Record<string, unknown>>;

/** Read a stored rule into a form; members that the form does not show are kept beside it. */
export function toDraft(rule: Raw): Draft {
  const text = (name: keyof Draft) => (typeof rule[name] === "string" || typeof rule[name] === "number" ? String(rule[name]) : EMPTY[name]);
  return {
    name: text("name"), metric: text("metric"), op: text("op"), raise: text("raise"), clear: text("clear"), for: text("for"),
    keep_firing_for: text("keep_firing_for"), severity: text("severity"), runbook: text("runbook"), summary: text("summary"),
  };
}

/** Make the rule that is sent, with what the form does not show as it was. */
export function toRule(draft: Draft, kept: Raw = {}): Record<string, unknown> {
  const rule: Record<string, unknown> = { ...kept };
  for (const [name, text] of Object.entries(draft) as [keyof Draft, string][]) {
    const trimmed = text.trim();
    if (trimmed === "" || ((name === "for" || name === "keep_firing_for") && leadingNumber(trimmed) === 0)) delete rule[name];
    else rule[name] = isPlain(trimmed) && name !== "name" && name !== "summary" && name !== "runbook" ? Number(trimmed) : trimmed;
  }
  if (WALL.has(draft.metric)) rule["clock"] = "wall";
  return rule;
}

/** What is wrong with a draft before the server is asked: one sentence for each field. */
export function findFaults(draft: Draft): Partial<Record<keyof Draft, string>> {
  const faults: Partial<Record<keyof Draft, string>> = {};
  if (draft.name.trim() === "") faults.name = "A rule needs a name.";
  else if (!NAME.test(draft.name.trim())) faults.name = "Begin with a lower-case letter; then letters, digits, . _ and -, 100 at most.";
  const [raise, clear] = [leadingNumber(draft.raise), leadingNumber(draft.clear)];
  if (raise === undefined) faults.raise = "A number is needed, with a unit where you like: 247 degC.";
  if (clear === undefined) faults.clear = "Where does the alert end? A number is needed.";
  if (raise !== undefined && clear !== undefined && unitOf(draft.raise) === unitOf(draft.clear)) {
    if (draft.op === ">" && clear > raise) faults.clear = "It must be at most the threshold that fires.";
    if (draft.op === "<" && clear < raise) faults.clear = "It must be at least the threshold that fires.";
  }
  if (draft.severity === "critical" && draft.runbook.trim() === "") faults.runbook = "A critical rule needs a runbook.";
  return faults;
}

/** Errors that the server named, by the fields of the form: `rule.raise` and `rules[0].raise` are `raise`. */
export function refusedFields(errors: readonly { readonly field: string; readonly message: string }[]): Readonly<Partial<Record<string, string>>> {
  return Object.fromEntries(errors.map(({ field, message }) => [field.replace(/^(?:rule|rules\[\d+\])\./, ""), message]));
}

/** The number at the beginning of a text, or undefined. */
export function leadingNumber(text: string): number | undefined {
  const match = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(text);
  return match === null ? undefined : Number(match[0]);
}

function unitOf(text: string): string {
  return text.replace(/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i, "").trim();
}

function isPlain(text: string): boolean {
  return leadingNumber(text) !== undefined && unitOf(text) === "";
}

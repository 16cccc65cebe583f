/** What is being prepared for submission: one state behind form, JSON and commands. Pure but for the two that store it. */
import { getAt, isRecord, type Json, type JsonRecord, omit, parsePath, removeAt } from "@/lib/json";
import { type FormState, type Schema, startForm } from "@/lib/schema";
import { type Axis, type Combination, expand, type Expansion, type Table, tableOf } from "./points";

export interface Draft {
  readonly form: FormState;
  /** Priority, retries, limit of time and labels. */
  readonly run: FormState;
  readonly axes: Readonly<Record<string, Axis>>;
  readonly table: Table | null;
  readonly combination: Combination;
  /** Rows of the preview that are not sent. */
  readonly leftOut: readonly number[];
}

export interface Submission {
  readonly simulation: string;
  readonly params: Json;
  readonly sweep?: readonly JsonRecord[];
  readonly [member: string]: Json | readonly JsonRecord[] | undefined;
}

export function startDraft(params: Json = {}): Draft {
  return { form: startForm(params), run: startForm(), axes: {}, table: null, combination: "product", leftOut: [] };
}

/** What a submission has beside simulation and parameters, as a schema of this page's form. */
export const RUN_SCHEMA: Schema = {
  type: "object",
  additionalProperties: false,
  properties: {
    labels: { type: "string", title: "Labels", description: "Of your own, to find it again: project=bridge, team=a" },
    priority: { type: "integer", title: "Priority", minimum: -10, maximum: 10, default: 0, description: "Among your own jobs; higher goes first" },
    retries: { type: "integer", title: "Retries", minimum: 0, maximum: 10, default: 0, description: "Further tries where the program ends with an error" },
    timeout_s: { type: "number", title: "Limit of time", exclusiveMinimum: 0, maximum: 604_800, unit: "s", description: "Of one run, wall clock" },
  },
};

/** Read labels: `project=bridge, team=a`. Numbers and booleans stay what they are. */
export function readLabels(text: string): { [name: string]: Json } {
  return Object.fromEntries(
    text.split(/[,\n]/).map((part) => part.trim()).filter((part) => part !== "").map((part) => {
      const [name = "", ...rest] = part.split("=");
      const value = rest.join("=").trim();
      const isPlain = /^(true|false|-?\d+(\.\d+)?)$/.test(value);
      return [name.trim(), isPlain ? (JSON.parse(value) as Json) : value];
    }),
  );
}

function printLabels(labels: Json | undefined): string {
  return isRecord(labels) ? Object.entries(labels).map(([name, value]) => `${name}=${String(value)}`).join(", ") : "";
}

/** Make what is sent of a draft and the points that were chosen of it. */
export function submissionOf(simulation: string, draft: Draft, points: readonly JsonRecord[]): Submission {
  const run = isRecord(draft.run.value) ? (draft.run.value as JsonRecord) : {};
  const { labels, ...more } = run;
  const metadata = typeof labels === "string" ? readLabels(labels) : {};
  const isSweep = isVaried(draft);
  return {
    simulation,
    params: isSweep ? withoutVaried(draft) : draft.form.value,
    ...(isSweep ? { sweep: points } : {}),
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
    ...more,
  };
}

export function isVaried(draft: Draft): boolean {
  return draft.table !== null || Object.keys(draft.axes).length > 0;
}

/** Names that are varied: they have no common value. */
export function variedNames(draft: Draft): readonly string[] {
  return [...new Set([...(draft.table?.names ?? []), ...Object.keys(draft.axes)])];
}

/** Common parameters: those of one name leave them; a part of a nested problem stays, since the problem is whole. */
export function withoutVaried(draft: Draft): Json {
  return variedNames(draft).filter((name) => parsePath(name).length === 1).reduce((value, name) => removeAt(value, [name]), draft.form.value);
}

/** Take up a submission that was written as JSON. Points that differ from those of the draft become its table. */
export function fromSubmission(value: Json, draft: Draft, known: Expansion): Draft | string {
  if (!isRecord(value)) return "A submission is an object: {\"params\": {…}}.";
  const { params, sweep, metadata } = value as JsonRecord;
  const run = omit(value as JsonRecord, "simulation", "params", "sweep", "metadata");
  const labels = printLabels(metadata);
  const next = {
    ...draft,
    form: { ...startForm(params ?? {}), showsAll: true, refusals: draft.form.refusals },
    run: startForm({ ...run, ...(labels === "" ? {} : { labels }) }),
  };
  if (sweep === undefined || sweep === null) return { ...next, axes: {}, table: null, leftOut: [] };
  if (!Array.isArray(sweep) || !sweep.every(isRecord)) return "sweep must be a list of objects.";
  const rows = sweep as readonly JsonRecord[];
  const isSame = JSON.stringify(rows) === JSON.stringify(known.points.filter((_, row) => !draft.leftOut.includes(row)));
  return isSame ? next : { ...next, axes: {}, table: tableOf(rows), leftOut: [] };
}

/** The points of a draft, by axes whose values are known. */
export function expandDraft(draft: Draft, values: ReadonlyMap<string, readonly Json[]>): Expansion {
  const axes = Object.keys(draft.axes).flatMap((name) => {
    const list = values.get(name);
    return list === undefined ? [] : [[name, list] as const];
  });
  return expand(axes, draft.table ?? undefined, draft.combination);
}

const KEY = "grid-draft:";

/** Take up the draft of a simulation that this tab has; nothing that was typed is lost by a reload or a login. */
export function loadDraft(simulation: string): Draft | null {
  try {
    const raw = JSON.parse(sessionStorage.getItem(KEY + simulation) ?? "null") as Partial<Draft> | null;
    if (raw === null || !isRecord(raw.form) || !isRecord(raw.run) || !isRecord(raw.axes)) return null;
    return { ...startDraft(), ...raw } as Draft;
  } catch {
    return null;
  }
}

export function storeDraft(simulation: string, draft: Draft | null): void {
  try {
    if (draft === null) sessionStorage.removeItem(KEY + simulation);
    else sessionStorage.setItem(KEY + simulation, JSON.stringify(draft));
  } catch {
    // a full or forbidden store: the draft lives as long as the page
  }
}

/** Return the value that a name has now, for the beginning of an axis. */
export function valueOf(draft: Draft, name: string): Json | undefined {
  return getAt(draft.form.value, parsePath(name));
}

/** What a run of a scenario is started with, beside the scenario's own parameters, whose schema the server gives. */
import type { Schemas } from "@/api/client";
import type { Json } from "@/lib/json";
import { type FieldError, fieldsOf, membersOf, type Schema } from "@/lib/schema";

/** How a run goes: as `LiveRunIn` takes it, but for the cells, which are typed as `128x64`. */
export const RUN_SCHEMA: Schema = {
  type: "object", additionalProperties: false,
  properties: {
    name: { type: "string", title: "Name", maxLength: 100 },
    speed: { enum: ["0.1", "0.5", "1", "2", "4", "10", "max"], title: "Speed", default: "1", description: "simulated time over wall time" },
    paused: { type: "boolean", title: "Begin paused", default: false },
    model: { enum: ["auto", "lumped", "diffusive"], title: "Model", default: "auto", description: "who chooses" },
    policy: { enum: ["slip", "no-stress", "lumped"], title: "Policy", default: "slip", description: "what may be left out where it cannot keep its pace" },
    threads: { type: "integer", title: "Threads", minimum: 1, maximum: 2, default: 1 },
    seed: { type: "integer", title: "Seed", minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 },
  },
};

export const OFTEN: readonly string[] = ["name", "speed", "paused"];
export const SELDOM: readonly string[] = ["model", "policy", "threads", "seed"];

/** The body that starts a run; what is left out takes its default. */
export function toBody(scenario: string, params: Json, options: Json, cells: number[] | null): Schemas["LiveRunIn"] {
  const { speed = "1", ...rest } = options as { readonly [name: string]: Json };
  return {
    scenario, cells, params: params as never, speed: speed === "max" ? "max" : Number(speed), name: "", model: "auto", paused: false, policy: "slip",
    seed: 0, threads: 1, method: "auto", ...(rest as object),
  };
}

/** Errors that the server named, by the part of the form that they belong to. */
export function sortErrors(errors: readonly { readonly field: string; readonly message: string }[]) {
  const options = new Set(membersOf(RUN_SCHEMA).map(({ name }) => name));
  const isOfCells = ({ field }: { field: string }) => /^cells(\[|$)/.test(field);
  const rest = errors.filter((error) => !isOfCells(error));
  const [ofOptions, ofParameters]: [FieldError[], FieldError[]] = [
    fieldsOf(rest.filter(({ field }) => options.has(field))), fieldsOf(rest.filter(({ field }) => !options.has(field))),
  ];
  return { ofCells: errors.find(isOfCells)?.message, ofOptions, ofParameters };
}

export type Read = { readonly ok: true; readonly value: number[] | null } | { readonly ok: false; readonly reason: string };

/** Read numbers of cells as they are typed: `128x128`, `64 64`, `50`. */
export function readCells(text: string, counts: readonly number[]): Read {
  if (text.trim() === "") return { ok: true, value: null };
  const parts = text.trim().split(/\s*[x×,\s]\s*/).map(Number);
  if (!parts.every((part) => Number.isInteger(part) && part > 0)) return { ok: false, reason: "Write whole numbers, as in 128x128." };
  if (!counts.includes(parts.length)) return { ok: false, reason: `This scenario takes ${counts.join(" or ")} numbers.` };
  return { ok: true, value: parts };
}

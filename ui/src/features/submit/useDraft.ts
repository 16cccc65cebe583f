import { useDeferredValue, useEffect, useMemo, useState } from "react";
import type { Simulation } from "@/api/simulations";
import { getAt, type Json } from "@/lib/json";
import { findErrors, type FormAction, reduceForm, type Schema, schemaAt, type Shape, shapeOf } from "@/lib/schema";
import { parsePath } from "@/lib/json";
import { type Draft, expandDraft, isVaried, loadDraft, RUN_SCHEMA, startDraft, storeDraft, submissionOf, variedNames, withoutVaried } from "./draft";
import { heatSchema, settleProblem } from "./heat";
import { findRefused, valuesOf } from "./points";

const STORE_MS = 300;

/** The schema that a form works with: the simulation's own, or for a heat problem the one that its parts give. */
export function formSchema(simulation: Simulation, part: Schema | undefined, draft: Draft): Schema {
  const parameters = simulation.parameters as unknown as Schema;
  return part === undefined ? parameters : heatSchema(parameters, part, getAt(draft.form.value, ["problem"]));
}

/** The draft of a simulation and all that follows from it. Mounted anew for each simulation. */
export function useDraft(simulation: Simulation, part: Schema | undefined) {
  const [draft, setDraft] = useState<Draft>(() => loadDraft(simulation.name) ?? startDraft((simulation.examples?.[0]?.params ?? {}) as Json));
  useEffect(() => {
    const timer = window.setTimeout(() => storeDraft(simulation.name, draft), STORE_MS);
    return () => {
      window.clearTimeout(timer);
      storeDraft(simulation.name, draft);
    };
  }, [simulation.name, draft]);

  const schema = useMemo(() => formSchema(simulation, part, draft), [simulation, part, draft]);
  const act = (action: FormAction) =>
    setDraft((old) => {
      const now = formSchema(simulation, part, old);
      let form = reduceForm(now, old.form, action);
      const isStructural = action.type === "chosen" && /^problem\.(dimension|boundaries\.\w+\.type)$/.test(action.path);
      if (part !== undefined && isStructural) {
        const problem = settleProblem(getAt(form.value, ["problem"]) ?? {}, part);
        form = { ...form, value: { ...(form.value as object), problem } as Json, texts: {} };
      }
      return { ...old, form };
    });
  const actOnRun = (action: FormAction) => setDraft((old) => ({ ...old, run: reduceForm(RUN_SCHEMA, old.run, action) }));

  const late = useDeferredValue(draft);
  const derived = useMemo(() => derive(late, simulation, formSchema(simulation, part, late)), [late, simulation, part]);
  return { draft, setDraft, schema, act, actOnRun, derived, isSettling: late !== draft };
}

export type Derived = ReturnType<typeof derive>;

/** What follows from a draft: points, those that are refused, errors of fields, and what would be sent. */
function derive(draft: Draft, simulation: Simulation, schema: Schema) {
  const shapes = new Map<string, Shape>();
  for (const name of variedNames(draft)) {
    const field = schemaAt(schema, parsePath(name));
    if (field !== undefined) shapes.set(name, shapeOf(field, schema));
  }
  const values = new Map<string, readonly Json[]>();
  const wrongAxes = new Map<string, string>();
  for (const [name, axis] of Object.entries(draft.axes)) {
    const read = valuesOf(axis, shapes.get(name));
    if (read.ok) values.set(name, read.values);
    else wrongAxes.set(name, read.reason);
  }
  const expansion = expandDraft(draft, values);
  const refused = findRefused(expansion.points, shapes);
  const rows = expansion.points.map((_, row) => row).filter((row) => !draft.leftOut.includes(row));
  const sent = { ...draft.form, value: isVaried(draft) ? withoutVaried(draft) : draft.form.value };
  const errors = [...findErrors(schema, sent), ...findErrors(RUN_SCHEMA, draft.run)];
  const isReady = errors.length === 0 && wrongAxes.size === 0 && expansion.reason === undefined && (!isVaried(draft) || rows.length > 0);
  const submission = submissionOf(simulation.name, draft, rows.map((row) => expansion.points[row] ?? {}));
  return { expansion, refused, rows, errors, wrongAxes, isReady, submission };
}

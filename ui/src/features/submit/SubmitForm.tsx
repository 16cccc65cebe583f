import { Button, Input, Tabs } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Schemas } from "@/api/client";
import { asProblem, readFields } from "@/api/problems";
import type { Simulation } from "@/api/simulations";
import { announce } from "@/components/announce";
import { useKeys } from "@/components/keyboard";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SchemaForm } from "@/components/SchemaForm";
import { formatCount, formatDuration, plural } from "@/lib/format";
import { getAt, omit, setAt, type Json } from "@/lib/json";
import { type FieldError, fieldsOf, type FormState, type Schema, type Shape } from "@/lib/schema";
import { TABS } from ".";
import { AxisEditor } from "./AxisEditor";
import { asCli, asCurl, asPython } from "./commands";
import { type Draft, isVaried, RUN_SCHEMA, startDraft, storeDraft, valueOf } from "./draft";
import { HeatBox } from "./HeatBox";
import { dimensionOf, facesOf, type Part, togglePart } from "./heat";
import { JsonEditor } from "./JsonEditor";
import { startAxis } from "./points";
import { Preview } from "./Preview";
import { type Price, priceQuery, submit } from "./queries";
import { ShapePicker } from "./ShapePicker";
import { SweepBar } from "./SweepBar";
import classes from "./submit.module.css";
import { type Derived, useDraft } from "./useDraft";

type Tab = (typeof TABS)[number];
const TAB_NAMES: Readonly<Record<Tab, string>> = { form: "Form", json: "JSON", curl: "curl", cli: "CLI", python: "Python" };
const PRICE_MS = 400;

interface Props {
  readonly simulation: Simulation;
  readonly simulations: readonly Schemas["SimulationSummary"][];
  readonly part: Schema | undefined;
  readonly tab: Tab;
  readonly onSimulation: (name: string) => void;
  readonly onTab: (tab: Tab) => void;
}

/** The submission of one simulation: its form, what it would cost, and the same as JSON and as commands. */
export function SubmitForm({ simulation, simulations, part, tab, onSimulation, onTab }: Props) {
  const { draft, setDraft, schema, act, actOnRun, derived } = useDraft(simulation, part);
  const price = useQuery(priceQuery(useQuiet(derived.isReady ? derived.submission : null)));
  const priced = derived.isReady ? price.data : undefined;
  const refused = useMemo(() => allRefused(derived, priced), [derived, priced]);
  const isSweep = isVaried(draft);
  const form = useMemo(() => withPriceErrors(draft.form, isSweep ? undefined : priced), [draft.form, priced, isSweep]);
  const sending = useSubmission(derived, refused, (errors) => {
    const ofRun = (error: FieldError) => error.path.split(/[.[]/)[0] === "metadata" || error.path in (RUN_SCHEMA["properties"] as object);
    actOnRun({ type: "refused", errors: errors.filter(ofRun).map((error) => (error.path.startsWith("metadata") ? { ...error, path: "labels" } : error)) });
    act({ type: "refused", errors: errors.filter((error) => !ofRun(error)) });
  }, () => {
    act({ type: "asked" });
    actOnRun({ type: "asked" });
  }, () => storeDraft(simulation.name, null));

  useKeys([{ keys: "Ctrl+Enter", does: "Submit", run: sending.send }]);
  const vary = (path: string, shape: Shape) => {
    const name = path;
    setDraft((old) =>
      name in old.axes
        ? { ...old, axes: omit(old.axes, name), leftOut: [] }
        : { ...old, axes: { ...old.axes, [name]: startAxis(shape, valueOf(old, name)) }, leftOut: [] },
    );
  };
  const [before, setBefore] = useState<Draft | null>(null); // what a whole example, or a part that went, has replaced
  const replace = (next: (old: Draft) => Draft) => {
    setBefore(draft);
    setDraft(next);
  };
  const togglePartOf = (kind: Part) =>
    replace((old) => {
      const problem = togglePart(getAt(old.form.value, ["problem"]) ?? {}, kind);
      return { ...old, form: { ...old.form, value: setAt(old.form.value, ["problem"], problem), texts: {} } };
    });
  return (
    <Page>
      <div className={classes["head"]}><PageSentence
        title="New job"
        actions={<Button variant="filled" title="Ctrl+Enter" loading={sending.isPending} onClick={sending.send}>Submit</Button>}
      >
        {sentence(derived, priced, isSweep ? refused.size : (priced?.refused_total ?? 0), isSweep)}
      </PageSentence></div>
      {sending.error !== null && <Problem error={sending.error} />}
      {price.error !== null && derived.isReady && <PriceProblem error={price.error} />}
      <div className={classes["columns"]}>
        <Panel
          className={classes["form"] ?? ""}
          title={
            <span className={classes["choose"]}>
              <Input component="select" pointer rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" aria-label="Simulation" value={simulation.name} onChange={(event) => onSimulation(event.currentTarget.value)}>
                {simulations.map((one) => <option key={one.name} value={one.name}>{one.title} ({one.name})</option>)}
              </Input>
            </span>
          }
          actions={<>
            {before !== null && <Button size="compact-sm" variant="subtle" onClick={() => { setDraft(before); setBefore(null); }}>Undo</Button>}
            <Input
              component="select" pointer rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" aria-label="Begin with" value=""
              onChange={(event) => {
                const example = simulation.examples?.[Number(event.currentTarget.value)];
                replace(() => startDraft((example?.params ?? {}) as Json));
              }}
            >
              <option value="" disabled>Begin with…</option>
              {(simulation.examples ?? []).map((example, index) => <option key={example.title} value={index}>{example.title}</option>)}
              <option value="-1">Defaults</option>
            </Input>
          </>}
        >
          <Tabs value={tab} onChange={(next) => onTab((next ?? "form") as Tab)}>
            <Tabs.List className={classes["tabs"] ?? ""}>
              {TABS.map((name) => <Tabs.Tab key={name} value={name}>{TAB_NAMES[name]}</Tabs.Tab>)}
            </Tabs.List>
            <Tabs.Panel value="form" className={classes["fields"] ?? ""}>
              {part !== undefined && <HeatBox problem={getAt(draft.form.value, ["problem"])} onOpen={openField} onPart={togglePartOf} />}
              <SchemaForm
                schema={schema}
                state={form}
                dispatch={act}
                opens={["problem", "problem.domain", "problem.material", "problem.boundaries", "problem.resolution", ...[...facesOf(3), "internal"].map((face) => `problem.boundaries.${face}`), "problem.contacts[0]", ...[0, 1, 2, 3].map((row) => `problem.material[${row}]`)]}
                instead={(path, shape) => {
                  const axis = draft.axes[path];
                  return axis === undefined ? undefined : (
                    <AxisEditor
                      name={path} title={shape.title ?? path} axis={axis} shape={shape} reason={derived.wrongAxes.get(path)}
                      onChange={(next) => setDraft((old) => ({ ...old, axes: { ...old.axes, [path]: next }, leftOut: [] }))}
                    />
                  );
                }}
                beside={(path, shape) => isPlace(path) ? (
                  <ShapePicker
                    title={path} {...placesOf(draft, path)}
                    onTake={(text) => act({ type: "typed", path, text })}
                  />
                ) :
                  shape.kind !== "number" && !(shape.kind === "formula" && typeof valueOf(draft, path) === "number") ? undefined : (
                    <Button
                      size="compact-sm" className={classes["vary"] ?? ""} variant={path in draft.axes ? "light" : "subtle"} aria-pressed={path in draft.axes}
                      aria-label={`Vary ${shape.title ?? path}`} onClick={() => vary(path, shape)}
                    >
                      vary
                    </Button>
                  )
                }
              />
              <SweepBar
                draft={draft}
                onTable={(table) => setDraft((old) => ({ ...old, table, leftOut: [], axes: table === null ? old.axes : omit(old.axes, ...table.names) }))}
                onCombination={(combination) => setDraft((old) => ({ ...old, combination, leftOut: [] }))}
              />
              <details className={classes["more"]}>
                <summary>Labels, priority, retries, limit of time</summary>
                <SchemaForm schema={RUN_SCHEMA} state={draft.run} dispatch={actOnRun} />
              </details>
            </Tabs.Panel>
            <Tabs.Panel value="json" className={classes["fields"] ?? ""}>
              <JsonEditor draft={draft} derived={derived} onDraft={setDraft} />
            </Tabs.Panel>
            {(["curl", "cli", "python"] as const).map((name) => (
              <Tabs.Panel key={name} value={name} className={classes["fields"] ?? ""}>
                <Command text={commandOf(name, derived)} name={TAB_NAMES[name]} />
              </Tabs.Panel>
            ))}
          </Tabs>
        </Panel>
        <div className={classes["side"]}>
          <Preview
            derived={derived} isSweep={isSweep} price={priced} refused={refused} leftOut={draft.leftOut}
            onLeaveOut={(rows) => setDraft((old) => ({ ...old, leftOut: rows }))}
          />
        </div>
      </div>
    </Page>
  );
}

/** Tell whether a field says where something is. */
function isPlace(path: string): boolean {
  return path === "problem.domain.active" || /^problem\.material\[\d+\]\.where$/.test(path);
}

/** The box that a place lies in, and the places of the other materials. */
function placesOf(draft: Draft, path: string) {
  const problem = getAt(draft.form.value, ["problem"]);
  const material = getAt(problem, ["material"]);
  const others = path.endsWith(".where") && Array.isArray(material) ? material.flatMap((one, index) => {
    const text = getAt(one as Json, ["where", "expression"]);
    return typeof text === "string" && path !== `problem.material[${index}].where` ? [text] : [];
  }) : [];
  const size = [0, 1, 2].map((axis) => Number(getAt(problem, ["domain", "size", axis]) ?? 1));
  return { dimension: dimensionOf(problem), size, others };
}

/** Focus a field, whose section may be closed. */
function openField(path: string): void {
  const field = document.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
  for (let section = field?.closest("details"); section !== null && section !== undefined; section = section.parentElement?.closest("details")) section.open = true;
  field?.scrollIntoView({ block: "center" });
  field?.focus();
}

function commandOf(name: "curl" | "cli" | "python", derived: Derived): string {
  if (name === "curl") return asCurl(derived.submission, location.origin);
  return name === "cli" ? asCli(derived.submission) : asPython(derived.submission);
}

function Command({ text, name }: { text: string; name: string }) {
  const copy = () => void navigator.clipboard.writeText(text).then(() => announce(`${name} is copied.`));
  return (
    <>
      <pre className={classes["command"]} tabIndex={0} aria-label={name}>{text}</pre>
      <Button size="compact-sm" onClick={copy}>Copy</Button>
    </>
  );
}

/** Return a value once it has stood still for a moment, so that not every key asks the server. */
function useQuiet<Value>(value: Value): Value {
  const [quiet, setQuiet] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setQuiet(value), PRICE_MS);
    return () => window.clearTimeout(timer);
  }, [value]);
  return quiet;
}

/** Rows of the preview that are refused: by the page at once, by the server as soon as it was asked. */
function allRefused(derived: Derived, price: Price | undefined): ReadonlyMap<number, string> {
  const sent = new Set(derived.rows);
  const found = new Map([...derived.refused].filter(([row]) => sent.has(row)));
  for (const { index, errors } of price?.refused ?? []) {
    const row = derived.rows[index];
    if (row !== undefined && !found.has(row)) found.set(row, readFields(errors).map(({ field, message }) => `${field.replace(/^sweep\[\d+\]\./, "")}: ${message}`).join("; "));
  }
  return found;
}

/** The form with what the server would refuse of it, shown beside the fields without taking the focus. */
function withPriceErrors(form: FormState, price: Price | undefined): FormState {
  const errors = price?.refused[0]?.errors;
  return errors === undefined || form.refused.length > 0 ? form : { ...form, refused: fieldsOf(readFields(errors)) };
}

/** Is it valid, how many points, how long will it take: in one sentence. */
function sentence(derived: Derived, price: Price | undefined, refused: number, isSweep: boolean): string {
  const wrong = derived.errors.length + derived.wrongAxes.size;
  if (wrong > 0) return `${wrong === 1 ? "One field is" : `${wrong} fields are`} not right yet.`;
  if (derived.expansion.reason !== undefined) return derived.expansion.reason;
  if (isSweep && derived.rows.length === 0) return "There is no point to submit.";
  if (!isSweep && refused > 0) return "The server would refuse this: see the fields.";
  const what = isSweep ? `${derived.expansion.product} = ${plural(derived.rows.length, "point")}` : "One job";
  if (refused > 0) return `${what}, ${refused === 1 ? "one is refused" : `${formatCount(refused)} are refused`}.`;
  if (price === undefined) return `${what}.`;
  const time = price.estimate === null ? "of unknown length" : `about ${formatDuration(price.estimate.work_s)}`;
  const room = price.queue.has_room ? `room for ${formatCount(Math.max(0, price.queue.limit - price.queue.waiting))}` : "but the queue has no room";
  return `${what}, ${time}, ${room}.`;
}

/** Errors of fields that the price found stand at the fields or in the rows; only what has no field is shown here. */
function PriceProblem({ error }: { error: unknown }) {
  return asProblem(error).status === 0 ? null : <Problem error={error} />;
}

/** Send once: the key is made with the form, and anew only when something else is sent. */
function useSubmission(
  derived: Derived, refused: ReadonlyMap<number, string>, onErrors: (errors: FieldError[]) => void, onWrong: () => void, onDone: () => void,
) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const sent = useRef({ key: crypto.randomUUID() as string, body: "" });
  const send = async () => {
    if (isPending) return;
    if (!derived.isReady) return onWrong();
    if (refused.size > 0) return announce(`${plural(refused.size, "point")} would be refused. Leave them out, or change them.`);
    const body = JSON.stringify(derived.submission);
    if (sent.current.body !== "" && sent.current.body !== body) sent.current.key = crypto.randomUUID();
    sent.current.body = body;
    setPending(true);
    setError(null);
    try {
      const answer = await submit(derived.submission, sent.current.key);
      onDone();
      void queries.invalidateQueries({ queryKey: ["jobs", "list"] });
      void queries.invalidateQueries({ queryKey: ["sweeps", "list"] });
      const [job] = answer.jobs;
      announce(answer.sweep === null || answer.sweep === undefined ? "The job is submitted." : `${plural(answer.jobs.length, "point")} are submitted.`);
      if (typeof answer.sweep === "string") await navigate({ to: "/sweeps/$sweepId", params: { sweepId: answer.sweep } });
      else if (job !== undefined) await navigate({ to: "/jobs/$jobId", params: { jobId: job } });
    } catch (thrown) {
      const { errors } = asProblem(thrown);
      if (errors.length > 0) onErrors(fieldsOf(errors));
      setError(thrown);
    } finally {
      setPending(false);
    }
  };
  return { send: () => void send(), isPending, error };
}

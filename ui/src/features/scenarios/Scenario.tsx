import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SchemaForm } from "@/components/SchemaForm";
import { formatBytes, formatDuration, formatNumber, formatQuantity } from "@/lib/format";
import { findErrors, type FormAction, reduceForm, type Schema, startForm } from "@/lib/schema";
import { OFTEN, readCells, RUN_SCHEMA, SELDOM, sortErrors, toBody } from "./parameters";
import classes from "./scenarios.module.css";

type ScenarioOut = Schemas["ScenarioOut"];

/** One scenario: its story, and the form that starts it. */
export function Scenario({ scenario }: { scenario: ScenarioOut }) {
  return (
    <Panel title={scenario.title}>
      <div className={classes["detail"]}>
        <Story scenario={scenario} />
        <Start scenario={scenario} />
      </div>
    </Panel>
  );
}

function Story({ scenario }: { scenario: ScenarioOut }) {
  return (
    <div>
      <p>{scenario.description}</p>
      <p>
        A tick is {formatQuantity(scenario.tick_s, "s")}, {formatNumber(scenario.rate)} ticks a second; everything has happened after{" "}
        {formatDuration(scenario.length_s)} of simulated time, {formatDuration(scenario.length_s / (scenario.tick_s * scenario.rate))} at speed 1.
      </p>
      <h3>Events</h3>
      <ul>
        {scenario.events.map((item, index) => (
          <li key={index}>{describeEvent(item)}</li>
        ))}
        {scenario.events.length === 0 && <li>None; what happens is up to you.</li>}
      </ul>
      <h3>Alert rules</h3>
      <ul>
        {scenario.rules.map((rule, index) => (
          <li key={index}>
            <b>{String(rule["name"])}</b>: {String(rule["metric"])} {String(rule["op"] ?? ">")} {formatNumber(Number(rule["raise"]))} ({String(rule["severity"])})
          </li>
        ))}
      </ul>
    </div>
  );
}

function describeEvent(item: Readonly<Record<string, unknown>>): string {
  const event = (item["event"] ?? item) as Readonly<Record<string, unknown>>;
  const at = item["at_s"];
  return `${String(event["kind"])}${typeof at === "number" ? ` at ${formatQuantity(at, "s")}` : ""}`;
}

function Start({ scenario }: { scenario: ScenarioOut }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const schema = scenario.parameters as Schema;
  const [state, setState] = useState(() => startForm({}));
  const [options, setOptions] = useState(() => startForm({ name: scenario.name, speed: "1" }));
  const [cellText, setCellText] = useState(scenario.cells.join("x"));
  const [key] = useState(() => crypto.randomUUID()); // a double click or a retry is one run
  const [refusedCells, setRefusedCells] = useState<string>();
  const dispatch = (action: FormAction) => setState((old) => reduceForm(schema, old, action));
  const dispatchOption = (action: FormAction) => setOptions((old) => reduceForm(RUN_SCHEMA, old, action));

  const cells = readCells(cellText, scenario.axes);
  const isWrong = !cells.ok || findErrors(schema, state).length > 0 || findErrors(RUN_SCHEMA, options).length > 0;
  const body = () => toBody(scenario.name, state.value, options.value, cells.ok ? cells.value : null);
  const refuse = (error: unknown) => {
    const { ofCells, ofOptions, ofParameters } = sortErrors(asProblem(error).errors);
    setRefusedCells(ofCells);
    if (ofParameters.length > 0) dispatch({ type: "refused", errors: ofParameters });
    if (ofOptions.length > 0) dispatchOption({ type: "refused", errors: ofOptions });
  };
  const starting = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/engine/runs", { body: body(), params: { header: { "idempotency-key": key } } })),
    onSuccess: (run) => {
      if (!("id" in run)) return;
      announce(`Run ${run.name} is queued.`);
      void client.invalidateQueries({ queryKey: ["runs"] });
      void navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
    onError: refuse,
  });
  const pricing = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/engine/runs", { body: body(), params: { query: { dry_run: true } } })), onError: refuse,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isWrong) starting.mutate();
  };
  const failure = starting.error ?? pricing.error;
  return (
    <form className={classes["form"]} onSubmit={submit} aria-label={`Start ${scenario.title}`}>
      <SchemaForm schema={RUN_SCHEMA} state={options} dispatch={dispatchOption} hides={SELDOM} />
      <TextInput
        label="Cells" description={`along ${scenario.axes.join(" or ")} axes`} value={cellText} error={cells.ok ? refusedCells : cells.reason}
        onChange={(event) => {
          setCellText(event.currentTarget.value);
          setRefusedCells(undefined);
        }}
      />
      <h3>Parameters</h3>
      <SchemaForm schema={schema} state={state} dispatch={dispatch} />
      <details>
        <summary className={classes["more"]}>How it runs: model, policy, threads, seed</summary>
        <SchemaForm schema={RUN_SCHEMA} state={options} dispatch={dispatchOption} hides={OFTEN} />
      </details>
      <div className={classes["send"]}>
        <Button type="submit" variant="filled" loading={starting.isPending} disabled={isWrong}>Start</Button>
        <Button onClick={() => pricing.mutate()} disabled={isWrong} loading={pricing.isPending}>What does it cost?</Button>
        {pricing.data !== undefined && "largest_rate" in pricing.data && <Price priced={pricing.data} />}
      </div>
      {failure !== null && <div className={classes["send"]}><Problem error={failure} /></div>}
    </form>
  );
}

function Price({ priced }: { priced: Schemas["PricedRunOut"] }) {
  const place = priced.place_in_queue === 0 ? "begins at once" : `waits behind ${priced.place_in_queue}`;
  return (
    <span role="status">
      {formatQuantity(priced.load_share, "", 2)} of a core, {formatBytes(priced.memory_bytes)}, {formatNumber(priced.cells)} cells; {place}.
    </span>
  );
}

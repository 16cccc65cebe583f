import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { formatBytes, formatDuration, formatNumber, formatQuantity } from "@/lib/format";
import { printUnit } from "@/lib/units";
import { limitsOf, readCells, readParameters, readValue } from "./parameters";
import classes from "./scenarios.module.css";

type ScenarioOut = Schemas["ScenarioOut"];
type LiveRunIn = Schemas["LiveRunIn"];

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
  const parameters = readParameters(scenario.parameters, scenario.defaults);
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>(() => ({
    name: scenario.name, cells: scenario.cells.join("x"), speed: "1",
    ...Object.fromEntries(parameters.map((item) => [`params.${item.name}`, item.initial])),
  }));
  const [key] = useState(() => crypto.randomUUID()); // a double click or a retry is one run
  const [refused, setRefused] = useState<Readonly<Record<string, string>>>({});
  const change = (field: string, text: string) => {
    setTexts((old) => ({ ...old, [field]: text }));
    setRefused(({ [field]: _, ...rest }) => rest);
  };

  const values = parameters.map((item) => [item, readValue(item, texts[`params.${item.name}`] ?? "")] as const);
  const cells = readCells(texts["cells"] ?? "", scenario.axes);
  const isWrong = !cells.ok || values.some(([, value]) => !value.ok);
  const body = (): LiveRunIn => ({
    scenario: scenario.name, name: texts["name"] ?? "", cells: cells.ok ? (cells.value as number[] | null) : null,
    speed: texts["speed"] === "max" ? "max" : Number(texts["speed"]),
    params: Object.fromEntries(values.flatMap(([item, value]) => (value.ok ? [[item.name, value.value]] : []))) as never,
    model: "auto", paused: false, policy: "slip", seed: 0, threads: 1, method: "auto",
  });
  const starting = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/engine/runs", { body: body(), params: { header: { "idempotency-key": key } } })),
    onSuccess: (run) => {
      if (!("id" in run)) return;
      announce(`Run ${run.name} is queued.`);
      void client.invalidateQueries({ queryKey: ["runs"] });
      void navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
    onError: (error) => setRefused(Object.fromEntries(asProblem(error).errors.map((item) => [item.field, item.message]))),
  });
  const pricing = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/engine/runs", { body: body(), params: { query: { dry_run: true } } })),
    onError: (error) => setRefused(Object.fromEntries(asProblem(error).errors.map((item) => [item.field, item.message]))),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isWrong) starting.mutate();
  };
  const failure = starting.error ?? pricing.error;
  return (
    <form className={classes["form"]} onSubmit={submit} aria-label={`Start ${scenario.title}`}>
      <TextInput label="Name" value={texts["name"] ?? ""} onChange={(event) => change("name", event.currentTarget.value)} error={refused["name"]} />
      <TextInput
        label="Cells" description={`along ${scenario.axes.join(" or ")} axes`} value={texts["cells"] ?? ""}
        onChange={(event) => change("cells", event.currentTarget.value)} error={cells.ok ? refused["cells"] : cells.reason}
      />
      {values.map(([item, value]) => {
        const field = `params.${item.name}`;
        const label = [item.title, printUnit(item.unit)].filter((text) => text !== "").join(", ");
        const error = value.ok ? (refused[field] ?? refused[item.name]) : value.reason;
        if (item.kind === "boolean") {
          return <Checkbox key={field} label={label} checked={texts[field] === "true"} onChange={(event) => change(field, String(event.currentTarget.checked))} />;
        }
        if (item.kind === "choice") {
          return <NativeSelect key={field} label={label} description={item.what} data={[...item.choices]} value={texts[field] ?? ""} error={error} onChange={(event) => change(field, event.currentTarget.value)} />;
        }
        return (
          <TextInput
            key={field} label={label} description={[item.what, limitsOf(item)].filter((text) => text !== "").join(", ")} value={texts[field] ?? ""}
            error={error} onChange={(event) => change(field, event.currentTarget.value)}
          />
        );
      })}
      <NativeSelect label="Speed" data={["0.5", "1", "2", "4", "10", "max"]} value={texts["speed"] ?? "1"} onChange={(event) => change("speed", event.currentTarget.value)} />
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

import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { isNotFound } from "@/api/problems";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { useKeys } from "@/components/keyboard";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { StateMark } from "@/components/StateMark";
import { plural } from "@/lib/format";
import type { Json } from "@/lib/json";
import { defined } from "@/lib/search";
import { printUnit } from "@/lib/units";
import classes from "./compare.module.css";
import { metricRows, printValue, sentenceOf } from "./difference";
import { FieldPair } from "./FieldPair";
import { type Difference, differenceQuery, fieldsQuery, type Job, jobQuery, neighboursQuery } from "./queries";

export const Route = createLazyRoute("/shell/compare")({ component: ComparePage });
const route = getRouteApi("/shell/compare");

function ComparePage() {
  const search = route.useSearch();
  const { a, b, field, time } = search;
  const navigate = useNavigate();
  const first = useQuery(jobQuery(a));
  const second = useQuery(jobQuery(b));
  const ofFirst = useQuery(fieldsQuery(first.data));
  const ofSecond = useQuery(fieldsQuery(second.data));
  const both = (ofFirst.data?.items ?? []).filter((item) => ofSecond.data?.items.some((other) => other.name === item.name));
  const shown = both.find((item) => item.name === field) ?? both[0];
  const isSettled = [[first, ofFirst], [second, ofSecond]].every(([job, list]) => job?.data !== undefined && (!list?.isLoading));
  const place = Math.min(time ?? Number.POSITIVE_INFINITY, (shown?.times.length ?? 1) - 1);
  const difference = useQuery({ ...differenceQuery(a, b, shown?.name, String(Math.max(0, place))), enabled: isSettled && a !== undefined && b !== undefined });
  const set = (changes: { [Name in keyof typeof search]?: (typeof search)[Name] | undefined }) =>
    void navigate({ to: "/compare", search: defined({ ...search, ...changes }), replace: true });
  useKeys([{ keys: "s", does: "Swap the two jobs", run: () => set({ a: b, b: a }) }]);

  if (a === undefined || b === undefined) return <Choose a={a} b={b} />;
  if (isNotFound(first.error) || isNotFound(second.error)) return <NothingHere />;
  const error = first.error ?? second.error ?? difference.error;
  const other = ofSecond.data?.items.find((item) => item.name === shown?.name);
  return (
    <Page>
      <PageSentence title="Compare" actions={<Button onClick={() => set({ a: b, b: a })}>Swap</Button>}>
        {difference.data === undefined ? "Two jobs" : sentenceOf(difference.data)}
      </PageSentence>
      {error !== null && <Problem error={error} onRetry={() => void difference.refetch()} />}
      <div className={classes["pair"]}>
        <Side name="A" job={first.data} onJob={(id) => set({ a: id })} />
        <Side name="B" job={second.data} onJob={(id) => set({ b: id })} />
      </div>
      {shown !== undefined && other !== undefined && difference.data !== undefined && (
        <FieldPair
          a={a} b={b} first={shown} second={other} place={Math.max(0, place)} difference={difference.data}
          fields={both.map((item) => ({ name: item.name, title: item.title }))} onField={(name) => set({ field: name, time: undefined })} onTime={(next) => set({ time: next })}
        />
      )}
      {difference.data !== undefined && (
        <div className={classes["pair"]}>
          <Inputs difference={difference.data} />
          <Metrics difference={difference.data} />
        </div>
      )}
    </Page>
  );
}

/** Where two are not named yet. */
function Choose({ a, b }: { a: string | undefined; b: string | undefined }) {
  const navigate = useNavigate();
  const [one, setOne] = useState(a ?? "");
  const [two, setTwo] = useState(b ?? "");
  const isId = (text: string) => /^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(text.trim());
  return (
    <Page>
      <PageSentence title="Compare">Which two jobs?</PageSentence>
      <EmptyState title="Tick two points of a sweep and press c, or give two identifiers.">
        <form
          className={classes["choose"]}
          onSubmit={(event) => {
            event.preventDefault();
            void navigate({ to: "/compare", search: { a: one.trim(), b: two.trim() } });
          }}
        >
          <TextInput label="Job A" value={one} onChange={(event) => setOne(event.currentTarget.value)} />
          <TextInput label="Job B" value={two} onChange={(event) => setTwo(event.currentTarget.value)} />
          <Button type="submit" variant="filled" disabled={!isId(one) || !isId(two)}>Compare</Button>
        </form>
      </EmptyState>
    </Page>
  );
}

/** One of the two, with its neighbours where it is a point of a sweep. */
function Side({ name, job, onJob }: { name: string; job: Job | undefined; onJob: (id: string) => void }) {
  const ids = useQuery(neighboursQuery(job?.sweep_id)).data;
  const at = job === undefined || ids === undefined ? -1 : ids.indexOf(job.id);
  const [before, after] = [ids?.[at - 1], ids?.[at + 1]];
  return (
    <div className={classes["side"]}>
      <strong>{name}</strong>
      {job === undefined ? <span>…</span> : (
        <>
          <Link to="/jobs/$jobId" params={{ jobId: job.id }} className="active"><Identifier id={job.id} /></Link>
          <span>{job.simulation ?? job.container_image}</span>
          <StateMark state={job.status} />
          {at >= 0 && ids !== undefined && (
            <span className={classes["steps"]}>
              <Button size="compact-sm" disabled={before === undefined} aria-label={`${name}: point before`} onClick={() => before !== undefined && onJob(before)}>‹</Button>
              point {at + 1} of {ids.length}
              <Button size="compact-sm" disabled={after === undefined} aria-label={`${name}: point behind`} onClick={() => after !== undefined && onJob(after)}>›</Button>
            </span>
          )}
        </>
      )}
    </div>
  );
}

function Inputs({ difference }: { difference: Difference }) {
  const more = difference.inputs_total - difference.inputs.length;
  return (
    <Panel title={difference.inputs_total === 0 ? "Inputs are equal" : "Inputs that differ"} isFlush>
      <table className={classes["table"]}>
        <thead><tr><th scope="col">Input</th><th scope="col">A</th><th scope="col">B</th><th scope="col">Unit</th></tr></thead>
        <tbody>
          {difference.inputs.map((input) => (
            <tr key={input.name}>
              <th scope="row" title={input.name}>{input.title}</th>
              <td>{printValue(input.a as Json)}</td><td>{printValue(input.b as Json)}</td><td className={classes["unit"]}>{printUnit(input.unit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={classes["note"]}>{more > 0 ? `${plural(more, "input")} more that differ; ` : ""}{plural(difference.inputs_equal, "input")} equal</p>
    </Panel>
  );
}

function Metrics({ difference }: { difference: Difference }) {
  const [showsAll, setShowsAll] = useState(false);
  const rows = metricRows(difference.metrics);
  const equal = rows.filter((row) => row.isEqual).length;
  return (
    <Panel title="Metrics" isFlush>
      <table className={classes["table"]}>
        <thead><tr><th scope="col">Metric</th><th scope="col">A</th><th scope="col">B</th><th scope="col">B − A</th><th scope="col">Unit</th></tr></thead>
        <tbody>
          {rows.filter((row) => showsAll || !row.isEqual).map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.title}</th><td className={classes["number"]}>{row.a}</td><td className={classes["number"]}>{row.b}</td><td className={classes["number"]}>{row.difference}</td><td className={classes["unit"]}>{row.unit}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {equal > 0 && (
        <p className={classes["note"]}>
          {equal} equal <Button size="compact-sm" variant="subtle" onClick={() => setShowsAll(!showsAll)}>{showsAll ? "hide" : "show"}</Button>
        </p>
      )}
    </Panel>
  );
}

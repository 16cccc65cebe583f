import { Button, Checkbox, Popover, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { simulationsQuery } from "@/api/simulations";
import { useKeys } from "@/components/keyboard";
import { JOB_STATES } from "@/components/states";
import { StateMark } from "@/components/StateMark";
import { type RECENT, VERDICTS } from ".";
import classes from "./jobs.module.css";
import { type JobFilters, labelsQuery } from "./queries";

type Change = { [Name in keyof JobFilters]?: JobFilters[Name] | undefined };

interface Props {
  readonly filters: JobFilters;
  readonly onChange: (change: never) => void;
  readonly onClear: () => void;
}

const TIMES = { "1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days" } satisfies Record<keyof typeof RECENT, string>;
const REASONS = [
  "diverged", "oom", "wall_timeout", "cpu_timeout", "start_timeout", "nonzero_exit", "bad_output", "output_too_large",
  "image_unavailable", "sandbox_unavailable", "worker_lost", "poison", "infra", "quota", "queue_expired",
  "cancelled_by_user", "cancelled_by_admin", "cancelled_by_sweep",
];
const VERDICT_WORDS: Record<(typeof VERDICTS)[number], string> = {
  passed: "audits passed", failed: "an audit failed", not_applicable: "nothing to audit",
};
const TYPING_MS = 250;

/** What the list is narrowed by; all of it is in the address. */
export function JobFilterBar(props: Props) {
  const { filters, onClear } = props;
  const onChange = props.onChange as (change: Change) => void;
  const labels = useQuery(labelsQuery);
  const simulations = useQuery(simulationsQuery);
  const choices = labels.data?.keys.flatMap((key) => key.values.map((value) => ({
    value: `${key.key}:${String(value.value)}`, label: `${key.key}:${String(value.value)} (${value.jobs})`,
  }))) ?? [];
  for (const label of filters.label ?? []) {
    if (!choices.some((choice) => choice.value === label)) choices.unshift({ value: label, label });
  }
  const isFiltered = Object.keys(filters).length > 0;
  const from = filters.from !== undefined && !(filters.from in TIMES) ? [{ value: filters.from, label: `from ${filters.from}` }] : [];
  return (
    <div className={classes["filters"]} role="search" aria-label="Filters">
      <SearchField value={filters.q} onChange={(q) => onChange({ q })} />
      <Popover position="bottom-start">
        <Popover.Target>
          <Button>{filters.status === undefined ? "All states" : filters.status.length === 1 ? filters.status[0]?.replace("_", " ") : `${filters.status.length} states`} ▾</Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Checkbox.Group
            aria-label="States" value={filters.status ?? []}
            onChange={(chosen) => onChange({ status: chosen.length === 0 ? undefined : JOB_STATES.filter((state) => chosen.includes(state)) })}
          >
            <div className={classes["states"]}>
              {JOB_STATES.map((state) => <Checkbox key={state} value={state} label={<StateMark state={state} />} />)}
            </div>
          </Checkbox.Group>
        </Popover.Dropdown>
      </Popover>
      <Select
        w={150} placeholder="All simulations" aria-label="Simulation" clearable value={filters.sim ?? null}
        data={simulations.data?.items.map((one) => one.name) ?? (filters.sim === undefined ? [] : [filters.sim])}
        onChange={(sim) => onChange({ sim: sim ?? undefined })}
      />
      <Select
        w={150} placeholder="Any reason" aria-label="Reason" clearable searchable value={filters.reason?.[0] ?? null}
        data={REASONS.map((reason) => ({ value: reason, label: reason.replaceAll("_", " ") }))}
        onChange={(reason) => onChange({ reason: reason === null ? undefined : [reason] })}
      />
      <Select
        w={150} placeholder="Any verdict" aria-label="Verdict" clearable value={filters.verdict?.[0] ?? null}
        data={VERDICTS.map((verdict) => ({ value: verdict, label: VERDICT_WORDS[verdict] }))}
        onChange={(verdict) => onChange({ verdict: verdict === null ? undefined : VERDICTS.filter((one) => one === verdict) })}
      />
      <Select
        w={180} placeholder="Any label" aria-label="Label" clearable searchable value={filters.label?.[0] ?? null} data={choices}
        nothingFoundMessage="No such label" onChange={(label) => onChange({ label: label === null ? undefined : [label] })}
      />
      <Select
        w={150} placeholder="Any time" aria-label="Made" clearable value={filters.from ?? null}
        data={[...from, ...Object.entries(TIMES).map(([value, label]) => ({ value, label }))]}
        onChange={(time) => onChange({ from: time ?? undefined, to: undefined })}
      />
      {isFiltered && <Button variant="subtle" onClick={onClear}>Clear filters</Button>}
    </div>
  );
}

/** Text that is looked for on the server a moment after the last key; `/` goes there. */
function SearchField({ value, onChange }: { value: string | undefined; onChange: (q: string | undefined) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const latest = useRef(onChange);
  useEffect(() => {
    latest.current = onChange;
  });
  useEffect(() => {
    if (typed === null) return;
    const timer = window.setTimeout(() => {
      latest.current(typed.trim() === "" ? undefined : typed.trim());
      setTyped(null);
    }, TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [typed]);
  useKeys([{ keys: "/", does: "Filter jobs", run: () => field.current?.focus() }]);
  return (
    <TextInput
      ref={field} w={220} type="search" aria-label="Search jobs" placeholder="Id or value of a label" maxLength={100}
      value={typed ?? value ?? ""} onChange={(event) => setTyped(event.target.value)}
    />
  );
}

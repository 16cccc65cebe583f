import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Severity, type SeverityName } from "@/components/Severity";
import { plural } from "@/lib/format";
import { removeRule, type Rule, rulesQuery, saveRule } from "./queries";
import { type Draft, EMPTY, findFaults, METRICS, NAME_HINT, refusedFields, toDraft, toRule } from "./rule";
import classes from "./rules.module.css";

const Tester = lazy(() => import("./Tester"));

export const Route = createLazyRoute("/shell/rules")({ component: RulesPage });
const route = getRouteApi("/shell/rules");

const text = (rule: Rule, name: string) => String(rule.rule[name] ?? "–");

const COLUMNS: Column<Rule>[] = [
  { key: "severity", title: "Severity", width: "112px", render: (rule) => <Severity name={text(rule, "severity") as SeverityName} /> },
  { key: "name", title: "Name", width: "minmax(100px, 1fr)", render: (rule) => rule.name },
  { key: "when", title: "Fires", width: "minmax(140px, 1.4fr)", render: (rule) => `${text(rule, "metric")} ${String(rule.rule["op"] ?? ">")} ${text(rule, "raise")}` },
  { key: "for", title: "Of", width: "88px", render: (rule) => (rule.run === null ? "every run" : "one run") },
  { key: "version", title: "Version", width: "72px", align: "right", render: (rule) => rule.version },
];

function RulesPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const rules = useQuery(rulesQuery);
  const items = rules.data?.items ?? [];
  const chosen = items.find((rule) => rule.id === search.id);
  const isNew = search.id === undefined || search.id === "new" || (rules.data !== undefined && chosen === undefined);
  return (
    <Page>
      <PageSentence title="Rules" actions={<Button onClick={() => void navigate({ to: "/rules", search: { id: "new" } })}>New rule</Button>}>
        {rules.data === undefined ? "Rules" : items.length === 0 ? "No rule of your own; scenarios bring theirs." : `${plural(items.length, "rule")} of your own; scenarios bring theirs.`}
      </PageSentence>
      {rules.isError && <Problem error={rules.error} onRetry={() => void rules.refetch()} />}
      <div className={classes["columns"]}>
        <Panel isFlush>
          <DataTable
            label="Rules" height={420} rows={items} columns={COLUMNS} rowKey={(rule) => rule.id}
            onOpen={(rule) => void navigate({ to: "/rules", search: { ...search, id: rule.id } })}
            empty={rules.data !== undefined && <EmptyState title="No rule of your own">A rule watches one number of every tick. Write one at the right, and try it on a run that was.</EmptyState>}
          />
        </Panel>
        {(chosen !== undefined || isNew) && (
          <Editor
            key={chosen?.id ?? "new"} known={chosen} run={search.run}
            onRun={(run) => void navigate({ to: "/rules", search: { ...search, run } })}
            onSaved={(id) => void navigate({ to: "/rules", search: id === undefined ? {} : { ...search, id } })}
          />
        )}
      </div>
    </Page>
  );
}

interface EditorProps {
  readonly known: Rule | undefined;
  readonly run: string | undefined;
  readonly onRun: (run: string) => void;
  readonly onSaved: (id: string | undefined) => void;
}

function Editor({ known, run, onRun, onSaved }: EditorProps) {
  const client = useQueryClient();
  const kept = known?.rule ?? {};
  const [draft, setDraft] = useState<Draft>(() => (known === undefined ? EMPTY : toDraft(known.rule)));
  const [isTried, setTried] = useState(false);
  const faults = findFaults(draft);
  const saving = useMutation({
    mutationFn: () => saveRule(toRule(draft, kept), known),
    onSuccess: async (saved) => {
      announce(`Rule ${saved.name} is in force, version ${saved.version}.`);
      await client.invalidateQueries({ queryKey: ["rules"] });
      onSaved(saved.id);
    },
  });
  const removing = useMutation({
    mutationFn: (id: string) => removeRule(id),
    onSuccess: async () => {
      announce(`Rule ${draft.name} is removed.`);
      await client.invalidateQueries({ queryKey: ["rules"] });
      onSaved(undefined);
    },
    onError: (error) => announce(`It was not removed: ${asProblem(error).detail}`),
  });
  const refused = saving.isError ? refusedFields(asProblem(saving.error).errors) : {};
  const input = (name: keyof Draft, label: string, description?: string, isWide = false) => (
    <TextInput
      size="sm" label={label} description={description} value={draft[name]} data-wide={isWide || undefined}
      error={isTried ? (faults[name] ?? refused[name]) : undefined} wrapperProps={isWide ? { "data-wide": true } : {}}
      onChange={(event) => {
        const typed = event.currentTarget.value;
        setDraft((old) => ({ ...old, [name]: typed }));
        if (saving.isError) saving.reset();
      }}
    />
  );
  const select = (name: keyof Draft, label: string, data: readonly string[]) => (
    <NativeSelect
      size="sm" label={label} error={isTried ? refused[name] : undefined} data={data.includes(draft[name]) ? [...data] : [draft[name], ...data]} value={draft[name]}
      onChange={(event) => {
        const value = event.currentTarget.value;
        setDraft((old) => ({ ...old, [name]: value }));
      }}
    />
  );
  return (
    <div style={{ display: "grid", gap: 12 }}>
      <Panel title={known === undefined ? "New rule" : `Rule ${known.name}`}>
        <form
          className={classes["form"]}
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (Object.keys(faults).length === 0) saving.mutate();
          }}
        >
          {input("name", "Name", NAME_HINT)}
          {select("severity", "Severity", ["low", "medium", "high", "critical"])}
          {select("metric", "Metric", METRICS)}
          {select("op", "Fires where it is", [">", "<"])}
          {input("raise", "Fires beyond", "with a unit where you like: 247 degC")}
          {input("clear", "Ends at", "on the other side of it")}
          {input("for", "After", "so long beyond it")}
          {input("keep_firing_for", "Ends after", "so long at or behind the end")}
          {input("runbook", "Runbook", "needed where it is critical")}
          {input("summary", "Summary")}
          <div className={classes["tools"]} data-wide>
            <Button type="submit" variant="filled" loading={saving.isPending}>{known === undefined ? "Add" : "Save"}</Button>
            {known !== undefined && <Button onClick={() => removing.mutate(known.id)} loading={removing.isPending}>Remove</Button>}
          </div>
          {saving.isError && <div data-wide><Problem error={saving.error} /></div>}
        </form>
      </Panel>
      <Suspense fallback={null}>
        <Tester draft={draft} kept={kept} run={run} onRun={onRun} />
      </Suspense>
    </div>
  );
}

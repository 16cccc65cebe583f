import { Button, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { Schemas } from "@/api/client";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Time } from "@/components/Time";
import { defined, text } from "@/lib/search";
import { type AuditFilters, auditQuery } from "./queries";
import classes from "./system.module.css";

type Row = Schemas["AuditEntryOut"];

const COLUMNS: Column<Row>[] = [
  { key: "at", title: "When", width: "208px", render: (entry) => <Time at={entry.at} withAge /> },
  { key: "actor", title: "Who", width: "120px", render: (entry) => entry.actor ?? (entry.actor_id === null ? "Grid" : entry.actor_id) },
  { key: "action", title: "Did", width: "168px", render: (entry) => entry.action },
  { key: "subject", title: "To", width: "minmax(240px, 1fr)", render: (entry) => <span title={entry.subject}>{entry.subject}</span> },
  { key: "details", title: "Details", width: "minmax(200px, 1fr)", render: (entry) => <Details details={entry.details} /> },
];

/** Who changed what, newest first. */
export function Audit({ filters }: { filters: AuditFilters }) {
  const log = useInfiniteQuery(auditQuery(filters));
  const rows = log.data?.pages.flatMap((page) => page.items) ?? [];
  const onEnd = () => {
    if (log.hasNextPage && !log.isFetchingNextPage) void log.fetchNextPage();
  };
  return (
    <>
      <Filters key={JSON.stringify(filters)} filters={filters} />
      {log.isError && <Problem error={log.error} onRetry={() => void log.refetch()} />}
      <Panel isFlush className="grow">
        <DataTable
          label="Audit log" rows={rows} columns={COLUMNS} rowKey={(entry) => entry.id} onEnd={onEnd}
          empty={log.data !== undefined && (
            <EmptyState title="No entry fits">
              Logins, and every change of users, jobs, runs, alerts and rules, are entered here. <code>grid audit verify</code>{" "}
              checks that nobody has changed an entry since.
            </EmptyState>
          )}
        />
      </Panel>
    </>
  );
}

function Filters({ filters }: { filters: AuditFilters }) {
  const navigate = useNavigate();
  const [actor, setActor] = useState(filters.actor ?? "");
  const [action, setAction] = useState(filters.action ?? "");
  const [subject, setSubject] = useState(filters.subject ?? "");
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const typed = { actor: text(actor.trim()), action: text(action.trim()), subject: text(subject.trim()) };
    void navigate({ to: "/system", search: { tab: "audit", ...defined(typed) } });
  };
  return (
    <form className={classes["filters"]} onSubmit={apply}>
      <TextInput label="Who" placeholder="name or id" value={actor} onChange={(event) => setActor(event.currentTarget.value)} />
      <TextInput label="Did" placeholder="job or job.cancel" value={action} onChange={(event) => setAction(event.currentTarget.value)} />
      <TextInput label="To" placeholder="job:0198…" value={subject} onChange={(event) => setSubject(event.currentTarget.value)} />
      <Button type="submit">Filter</Button>
      {Object.keys(filters).length > 0 && (
        <Button variant="subtle" onClick={() => void navigate({ to: "/system", search: { tab: "audit" } })}>Clear</Button>
      )}
    </form>
  );
}

function Details({ details }: { details: Row["details"] }) {
  const words = Object.entries(details).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return <span className={classes["details"]} title={words.join("\n")}>{words.join(" ")}</span>;
}

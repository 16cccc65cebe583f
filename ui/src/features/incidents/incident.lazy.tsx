import { Button, Menu, SegmentedControl, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { asProblem, isNotFound } from "@/api/problems";
import { announce } from "@/components/announce";
import { Facts } from "@/components/Facts";
import { download, saveFile, tableFile } from "@/components/files";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Severity, type SeverityName } from "@/components/Severity";
import { Time } from "@/components/Time";
import { timelinePicture } from "@/components/timelinePicture";
import { formatDuration, plural } from "@/lib/format";
import { KINDS } from ".";
import { describeEntry, describeStep, ENTRY_HEADS, isShownUnder, LANE_NAMES, lastOutcome, toLanes, toRow } from "./entries";
import { actions, type Incident, incidentQuery, replay, takeStep, verify } from "./queries";
import classes from "./incidents.module.css";

export const Route = createLazyRoute("/shell/incidents/$incidentId")({ component: IncidentPage });
const route = getRouteApi("/shell/incidents/$incidentId");
const LANES: Readonly<Record<(typeof KINDS)[number], string>> = { all: "All", alerts: "Alerts", commands: "Commands", people: "People" };

function IncidentPage() {
  const { incidentId } = route.useParams();
  const incident = useQuery(incidentQuery(incidentId));
  if (incident.isError && isNotFound(incident.error)) return <NothingHere />;
  if (incident.data === undefined) {
    return (
      <Page>
        <PageSentence title="Incident">Incident</PageSentence>
        {incident.isError && <Problem error={incident.error} onRetry={() => void incident.refetch()} />}
      </Page>
    );
  }
  return <IncidentView incident={incident.data} />;
}

/** Put an answer into the cache and say what was done. */
function useAct(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ run }: { run: () => Promise<Incident>; word: string }) => run(),
    onSuccess: (changed, { word }) => {
      client.setQueryData(incidentQuery(id).queryKey, changed);
      void client.invalidateQueries({ queryKey: ["incidents", "list"] });
      announce(word);
    },
    onError: (error, { word }) => announce(`${word} It did not work: ${asProblem(error).detail}`),
  });
}

function IncidentView({ incident }: { incident: Incident }) {
  const act = useAct(incident.id);
  const navigate = useNavigate();
  const filter = route.useSearch().kind ?? "all";
  const entries = incident.entries.filter((entry) => isShownUnder(entry, filter));
  const isOpen = incident.state === "open" || incident.state === "acknowledged";
  const [reason, setReason] = useState("");
  return (
    <Page>
      <PageSentence
        title={incident.title}
        actions={
          <>
            {incident.state === "open" && (
              <Button variant="filled" onClick={() => act.mutate({ run: () => actions.acknowledge(incident.id), word: "The incident is acknowledged." })}>Acknowledge</Button>
            )}
            {isOpen && (
              <>
                <TextInput size="sm" aria-label="Reason of the resolution" placeholder="reason, needed while an alert fires" w={240} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
                <Button onClick={() => act.mutate({ run: () => actions.resolve(incident.id, reason.trim()), word: "The incident is resolved." })}>Resolve</Button>
              </>
            )}
          </>
        }
      >
        <Severity name={incident.severity as SeverityName} isRinging={incident.state === "open"} /> {incident.title}: {incident.state}
      </PageSentence>
      {act.isError && <Problem error={act.error} />}
      <div className={classes["columns"]}>
        <Panel
          isFlush title={`Timeline, ${plural(incident.entries.length, "entry", "entries")}, the newest at the end`}
          actions={
            <SegmentedControl
              size="xs" aria-label="Which entries" value={filter} data={KINDS.map((value) => ({ value, label: LANES[value] }))}
              onChange={(value) => void navigate({ to: "/incidents/$incidentId", params: { incidentId: incident.id }, search: value === "all" ? {} : { kind: value as (typeof KINDS)[number] } })}
            />
          }
        >
          <ol className={classes["entries"]}>
            {entries.map((entry) => (
              <li key={entry.n} data-person={entry.by !== null || undefined}>
                <Time at={entry.at} />
                <b>{entry.kind}</b>
                <span>
                  {describeEntry(entry)}
                  {entry.tick !== null && (
                    <> · <Link to="/runs/$runId" params={{ runId: incident.run }} search={{ tick: entry.tick }}>tick {entry.tick}</Link></>
                  )}
                </span>
                <span className={classes["hash"]} title={`SHA-256 of this entry and all before: ${entry.hash}`}>{entry.hash.slice(0, 8)}</span>
              </li>
            ))}
          </ol>
          <Note onNote={(text) => act.mutate({ run: () => actions.note(incident.id, text), word: "The note is in the timeline." })} />
        </Panel>
        <div className={classes["right"]}>
          <About incident={incident} onAssign={(to) => act.mutate({ run: () => actions.assign(incident.id, to), word: `The incident is assigned to ${to}.` })} />
          <Runbook incident={incident} />
        </div>
      </div>
    </Page>
  );
}

function Note({ onNote }: { onNote: (text: string) => void }) {
  const [text, setText] = useState("");
  return (
    <form
      className={classes["note"]}
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() === "") return;
        onNote(text.trim());
        setText("");
      }}
    >
      <TextInput size="sm" aria-label="Note" placeholder="A note; a wrong one is answered by another, never edited" value={text} onChange={(event) => setText(event.currentTarget.value)} />
      <Button type="submit" disabled={text.trim() === ""}>Add note</Button>
    </form>
  );
}

function About({ incident, onAssign }: { incident: Incident; onAssign: (to: string) => void }) {
  const [to, setTo] = useState("");
  const navigate = useNavigate();
  const replaying = useMutation({
    mutationFn: () => replay(incident.id),
    onSuccess: ({ jobs: [job] }) => {
      if (job !== undefined) void navigate({ to: "/jobs/$jobId", params: { jobId: job } });
    },
  });
  const verifying = useMutation({ mutationFn: () => verify(incident.id) });
  const failure = replaying.error ?? verifying.error;
  return (
    <Panel title="About">
      <Facts
        rows={[
          ["Run", <Link key="run" to="/runs/$runId" params={{ runId: incident.run }}>the run now</Link>],
          incident.first_tick !== null && ["First breach", <Link key="tick" to="/runs/$runId" params={{ runId: incident.run }} search={{ tick: incident.first_tick }}>tick {incident.first_tick}</Link>],
          ["Opened", <Time key="opened" at={incident.opened_at} withAge />],
          ["To acknowledge", formatDuration(incident.acknowledged_s)],
          ["To resolve", formatDuration(incident.resolved_s)],
          ["Assigned to", incident.assigned_to ?? "nobody"],
        ]}
      />
      <form
        className={classes["note"]} style={{ padding: "8px 0" }}
        onSubmit={(event) => {
          event.preventDefault();
          if (to.trim() !== "") onAssign(to.trim());
        }}
      >
        <TextInput size="sm" aria-label="User name" placeholder="user name" value={to} onChange={(event) => setTo(event.currentTarget.value)} />
        <Button type="submit" disabled={to.trim() === ""}>Assign</Button>
      </form>
      <div className={classes["tools"]}>
        <Button size="compact-sm" loading={replaying.isPending} onClick={() => replaying.mutate()}>Replay as a job</Button>
        <Button size="compact-sm" loading={verifying.isPending} onClick={() => verifying.mutate()}>Verify</Button>
        <Button size="compact-sm" onClick={() => void save(incident.id, "md")}>Export Markdown</Button>
        <Button size="compact-sm" onClick={() => void save(incident.id, "json")}>JSON with all hashes</Button>
        <Menu position="bottom-end">
          <Menu.Target><Button size="compact-sm" rightSection="▾">Save</Button></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => void keep(incident, "png")}>Timeline as a picture (PNG)</Menu.Item>
            <Menu.Item onClick={() => void keep(incident, "csv")}>All entries (CSV)</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {verifying.data !== undefined && (
        <p role="status">
          {verifying.data.is_intact
            ? `✓ ${plural(verifying.data.entries, "entry", "entries")}, none was changed; head ${verifying.data.head.slice(0, 12)}…`
            : `◆ The timeline was changed: ${verifying.data.faults.join("; ")}`}
        </p>
      )}
      {failure !== null && <Problem error={failure} />}
    </Panel>
  );
}

/** Let the browser fetch what the server writes: it never passes through the memory of the tab. */
async function save(id: string, format: "md" | "json"): Promise<void> {
  try {
    await download(`/api/v1/incidents/${id}/export?format=${format}`);
  } catch (error) {
    announce(`The export did not work: ${asProblem(error).detail}`);
  }
}

function Outcome({ entries, step }: { entries: Incident["entries"]; step: number }) {
  const last = lastOutcome(entries, step);
  return last === undefined ? null : <span className={classes["outcome"]}>{last.text}, <Time at={last.at} /></span>;
}

/** Hand the timeline to the browser as a file that the page makes. */
async function keep(incident: Incident, ending: "png" | "csv"): Promise<void> {
  const made = ending === "csv" ? tableFile(ENTRY_HEADS, incident.entries.map(toRow)) : await drawTimeline(incident);
  if (made === null) return announce("The browser has no room for the picture.");
  saveFile(`incident-${incident.id}-timeline.${ending}`, made);
  announce(`The timeline is saved as ${ending.toUpperCase()}.`);
}

/** Lanes over the ticks of the run; what has no tick stands where the entry before it does. */
function drawTimeline(incident: Incident): Promise<Blob | null> {
  const lanes = toLanes(incident.entries);
  const [first, last] = [Math.min(...lanes.map(({ tick }) => tick)), Math.max(...lanes.map(({ tick }) => tick))];
  const title = `${incident.title}, ${incident.severity}: ${incident.state}; ticks ${first} to ${last}`;
  const entries = lanes.map((entry) => ({ ...entry, tick: entry.tick - first }));
  return timelinePicture(title, LANE_NAMES, entries, Math.max(1, last - first), (tick) => `tick ${tick + first}`);
}

function Runbook({ incident }: { incident: Incident }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<number>();
  const taking = useMutation({
    mutationFn: ({ number, confirm }: { number: number; confirm: boolean }) => takeStep(incident.id, number, confirm),
    onSuccess: ({ is_done: isDone }, { number }) => {
      announce(isDone ? `Step ${number} is done.` : `Step ${number} has not passed.`);
      void client.invalidateQueries({ queryKey: ["incidents", incident.id] });
      setAsked(undefined);
    },
  });
  if (incident.steps.length === 0 && incident.runbook_text === null) {
    return <Panel title="Runbook">No runbook: the rule names none, or its file was not there when the incident opened.</Panel>;
  }
  return (
    <Panel title={`Runbook: ${incident.runbook ?? ""}`}>
      <ol className={classes["steps"]}>
        {incident.steps.map((step) => (
          <li key={step.number}>
            <span className={classes["step"]}>
              <span>{step.is_done ? "✓" : "○"} {step.number}. {step.title}</span>
              {describeStep(step) !== step.title && <span className={classes["hash"]}>{describeStep(step)}</span>}
              <Outcome entries={incident.entries} step={step.number} />
            </span>
            {asked === step.number ? (
              <span className={classes["tools"]}>
                <Button size="compact-sm" variant="filled" onClick={() => taking.mutate({ number: step.number, confirm: true })}>Send the command</Button>
                <Button size="compact-sm" onClick={() => setAsked(undefined)}>No</Button>
              </span>
            ) : (
              <Button
                size="compact-sm" loading={taking.isPending}
                onClick={() => (step.kind === "do" ? setAsked(step.number) : taking.mutate({ number: step.number, confirm: false }))}
              >
                {step.kind === "check" ? "Check" : step.kind === "do" ? "Do…" : "Said"}
              </Button>
            )}
          </li>
        ))}
      </ol>
      {taking.isError && <Problem error={taking.error} />}
      {incident.runbook_text !== null && <div className={classes["book"]}>{incident.runbook_text}</div>}
    </Panel>
  );
}

import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { simulationQuery } from "@/api/simulations";
import { announce } from "@/components/announce";
import { Facts } from "@/components/Facts";
import { Identifier } from "@/components/Identifier";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Quantity } from "@/components/Quantity";
import { Time } from "@/components/Time";
import { formatDuration, givenDigits } from "@/lib/format";
import classes from "./jobs.module.css";
import { attemptsQuery, type Job } from "./queries";
import { sameAs } from "./sameAs";
import { labelsOf } from "./words";

/** What went in, on what it ran, and how the same is asked for elsewhere. */
export function InputsTab({ job }: { job: Job }) {
  const simulation = useQuery(simulationQuery(job.simulation)).data;
  const properties = simulation?.parameters.properties ?? {};
  return (
    <div className={classes["result"]}>
      <div className={classes["stack"]}>
        <Panel title="Parameters">
          {Object.keys(job.params).length === 0 && <p className={classes["note"]}>It was given none.</p>}
          <Facts
            rows={Object.entries(job.params).map(([name, value]) => {
              const guide = properties[name] as { title?: string; unit?: string } | undefined;
              const shown = typeof value === "number" ? <Quantity key={name} value={value} unit={guide?.unit} digits={givenDigits(value)} /> : typeof value === "object" ? <pre key={name} className={classes["json"]}>{JSON.stringify(value, null, 2)}</pre> : String(value);
              return [guide?.title === undefined ? name : `${guide.title} (${name})`, shown];
            })}
          />
        </Panel>
        <SameAs job={job} />
      </div>
      <div className={classes["stack"]}>
        <Panel title="Job">
          <Facts
            rows={[
              ["Identifier", <CopyId key="id" id={job.id} />],
              ["Simulation", job.simulation ?? job.container_image],
              ["Numerics", job.numerics_version !== null && job.numerics_version !== undefined && <code key="numerics">{job.numerics_version}</code>],
              job.links.sweep !== null && job.links.sweep !== undefined && ["Sweep", <Link key="sweep" to="/jobs" search={{ sweep: job.sweep_id ?? "" }}>all points, this is {job.sweep_index}</Link>],
              labelsOf(job).length > 0 && ["Labels", labelsOf(job).join(", ")],
              ["Priority", String(job.priority)],
              ["Time limit", formatDuration(job.timeout_s)],
              ["Made", <Time key="made" at={job.created_at} withAge />],
            ]}
          />
        </Panel>
        <Attempts jobId={job.id} />
      </div>
    </div>
  );
}

function CopyId({ id }: { id: string }) {
  return (
    <span className={classes["buttons"]}>
      <Identifier id={id} />
      <Button size="compact-sm" variant="subtle" onClick={() => void navigator.clipboard.writeText(id).then(() => announce("The identifier is copied."))}>Copy</Button>
    </span>
  );
}

/** Each run of the job: where, how long, and how it ended. */
function Attempts({ jobId }: { jobId: string }) {
  const { data, error } = useQuery(attemptsQuery(jobId));
  return (
    <Panel title="Attempts">
      {error !== null && <Problem error={error} />}
      {data?.items.length === 0 && <p className={classes["note"]}>No worker has taken it yet.</p>}
      {data?.items.map((attempt) => (
        <div key={`${attempt.number}-${attempt.epoch}`} className={classes["attempt"]}>
          <strong>{attempt.number}</strong> {attempt.message}{" "}
          <span className={classes["muted"]}>
            {attempt.host}, <Time at={attempt.started_at} />
            {attempt.ended_at !== null && `, ${formatDuration((Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000)}`}
            {attempt.exit_code !== null && attempt.exit_code !== undefined && `, exit ${attempt.exit_code}`}
          </span>
        </div>
      ))}
    </Panel>
  );
}

function SameAs({ job }: { job: Job }) {
  const [door, setDoor] = useState<"curl" | "CLI" | "Python">("CLI");
  const text = sameAs(job, location.origin)[door];
  return (
    <Panel
      title="The same as"
      actions={
        <span className={classes["buttons"]}>
          <SegmentedControl size="xs" aria-label="Language" value={door} onChange={(next) => setDoor(next as typeof door)} data={["CLI", "curl", "Python"]} />
          <Button size="compact-sm" onClick={() => void navigator.clipboard.writeText(text).then(() => announce("Copied."))}>Copy</Button>
        </span>
      }
    >
      <pre className={classes["code"]} tabIndex={0} aria-label={`The same as ${door}`}>{text}</pre>
    </Panel>
  );
}

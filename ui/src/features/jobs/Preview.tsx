import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { simulationQuery } from "@/api/simulations";
import { Facts } from "@/components/Facts";
import { Identifier } from "@/components/Identifier";
import { Problem } from "@/components/Problem";
import { Quantity } from "@/components/Quantity";
import { StateMark } from "@/components/StateMark";
import { Time } from "@/components/Time";
import { isFinal } from "@/components/states";
import { givenDigits } from "@/lib/format";
import classes from "./jobs.module.css";
import { MetricList } from "./Metrics";
import { type Job, jobQuery, type JobRow } from "./queries";
import { jobSentence, labelsOf } from "./words";

/** What one row of the list is, without leaving the list. */
export function JobPreview({ jobId, row }: { jobId: string; row: JobRow }) {
  const { data: job, error } = useQuery(jobQuery(jobId));
  const simulation = useQuery(simulationQuery(row.simulation)).data;
  return (
    <div className={classes["stack"]}>
      <p className={classes["sentence"]}><StateMark state={job?.status ?? row.status} /> {job === undefined ? row.message : jobSentence(job)}</p>
      {error !== null && <Problem error={error} />}
      <Facts
        rows={[
          ["Job", <Identifier key="id" id={row.id} />],
          ["Simulation", row.simulation ?? row.container_image],
          ["Made", <Time key="made" at={row.created_at} withAge />],
          row.finished_at !== null && ["Finished", <Time key="finished" at={row.finished_at} withAge />],
          Object.keys(row.metadata).length > 0 && ["Labels", labelsOf(row).join(", ")],
        ]}
      />
      {job !== undefined && <PlainParams job={job} />}
      {job?.metrics !== undefined && job.metrics !== null && <MetricList job={job} simulation={simulation} most={6} />}
      <div>
        <Button component={Link} to={`/jobs/${jobId}${isFinal(row.status) ? "" : "?tab=log"}`}>Open</Button>
      </div>
    </div>
  );
}

/** Parameters that are plain numbers or words. */
function PlainParams({ job }: { job: Job }) {
  const plain = Object.entries(job.params).filter(([, value]) => typeof value !== "object");
  if (plain.length === 0) return null;
  return (
    <div>
      <h3 className={classes["heading"]}>Parameters</h3>
      <Facts rows={plain.map(([name, value]) => [name, typeof value === "number" ? <Quantity key={name} value={value} digits={givenDigits(value)} /> : String(value)])} />
    </div>
  );
}

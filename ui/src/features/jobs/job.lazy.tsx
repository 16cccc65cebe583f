import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi } from "@tanstack/react-router";
import { isNotFound } from "@/api/problems";
import { Facts } from "@/components/Facts";
import { Identifier } from "@/components/Identifier";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { StateMark } from "@/components/StateMark";
import { Time } from "@/components/Time";
import { jobQuery } from "./queries";

export const Route = createLazyRoute("/shell/jobs/$jobId")({ component: JobPage });
const route = getRouteApi("/shell/jobs/$jobId");

function JobPage() {
  const { jobId } = route.useParams();
  const { data: job, error, refetch } = useQuery(jobQuery(jobId));
  if (isNotFound(error)) return <NothingHere />;
  return (
    <Page>
      <PageSentence title={job?.simulation ?? "Job"}>
        {job === undefined ? "Job" : <><StateMark state={job.status} /> {job.message}</>}
      </PageSentence>
      {error !== null && <Problem error={error} onRetry={() => void refetch()} />}
      {job !== undefined && (
        <Panel title="Job">
          <Facts
            rows={[
              ["Identifier", <Identifier key="id" id={job.id} />],
              ["Simulation", job.simulation ?? job.container_image],
              ["Made", <Time key="made" at={job.created_at} withAge />],
              ["Started", <Time key="started" at={job.started_at} why="It has not started." />],
              ["Finished", <Time key="finished" at={job.finished_at} why="It has not finished." />],
            ]}
          />
        </Panel>
      )}
    </Page>
  );
}

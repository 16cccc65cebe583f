import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { isNotFound } from "@/api/problems";
import { useKeys } from "@/components/keyboard";
import { Identifier } from "@/components/Identifier";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Problem } from "@/components/Problem";
import { StateMark } from "@/components/StateMark";
import { isFinal } from "@/components/states";
import { shortId } from "@/lib/format";
import { type Tab, TABS } from ".";
import { JobActions } from "./Actions";
import { FilesTab } from "./FilesTab";
import { InputsTab } from "./InputsTab";
import classes from "./jobs.module.css";
import { LogTab } from "./LogTab";
import { type Job, jobQuery } from "./queries";
import { JobField, ResultTab } from "./ResultTab";
import { jobSentence } from "./words";

export const Route = createLazyRoute("/shell/jobs/$jobId")({ component: JobPage });
const route = getRouteApi("/shell/jobs/$jobId");

const NAMES: Record<Tab, string> = { result: "Result", field: "Field", log: "Log", files: "Files", inputs: "Inputs" };

function JobPage() {
  const { jobId } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const { data: job, error, refetch } = useQuery(jobQuery(jobId));
  const tab = search.tab ?? (job === undefined || job.status === "success" ? "result" : "log");
  const goTo = (next: Tab) => void navigate({ to: "/jobs/$jobId", params: { jobId }, search: { ...search, tab: next }, replace: true });
  useKeys(TABS.map((name, at) => ({ keys: String(at + 1), does: `Job: ${NAMES[name]}`, run: () => goTo(name) })));
  if (isNotFound(error)) return <NothingHere />;
  const name = job?.simulation ?? job?.container_image ?? "Job";
  return (
    <Page>
      <PageSentence title={`${name} ${shortId(jobId)}`} actions={job !== undefined && <><span className={classes["what"]}>{name} <Identifier id={job.id} /></span><JobActions job={job} /></>}>
        {job === undefined ? "Job" : <><StateMark state={job.status} /> {jobSentence(job)}</>}
      </PageSentence>
      {error !== null && <Problem error={error} onRetry={() => void refetch()} />}
      {job !== undefined && !isFinal(job.status) && (
        <progress className={classes["progress"]} value={job.progress} max={1} aria-label="Progress" />
      )}
      {job !== undefined && (
        <Tabs value={tab} onChange={(next) => goTo(next as Tab)} className="grow" classNames={{ root: classes["tabs"] ?? "", panel: classes["panel"] ?? "" }}>
          <Tabs.List>
            {TABS.map((one) => <Tabs.Tab key={one} value={one}>{NAMES[one]}</Tabs.Tab>)}
          </Tabs.List>
          {TABS.map((one) => <Tabs.Panel key={one} value={one}><TabBody tab={one} job={job} /></Tabs.Panel>)}
        </Tabs>
      )}
    </Page>
  );
}

function TabBody({ tab, job }: { tab: Tab; job: Job }) {
  switch (tab) {
    case "result": return <ResultTab job={job} />;
    case "field": return <JobField job={job} height={Math.max(280, window.innerHeight - 360)} />;
    case "log": return <LogTab key={job.id} jobId={job.id} />;
    case "files": return <FilesTab job={job} />;
    case "inputs": return <InputsTab job={job} />;
  }
}

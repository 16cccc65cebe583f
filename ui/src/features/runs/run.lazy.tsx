import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { isNotFound } from "@/api/problems";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Problem } from "@/components/Problem";
import { defined } from "@/lib/search";
import { runQuery } from "./queries";
import { RunView } from "./RunView";

export const Route = createLazyRoute("/shell/runs/$runId")({ component: RunPage });
const route = getRouteApi("/shell/runs/$runId");

function RunPage() {
  const { runId } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const run = useQuery(runQuery(runId));
  if (run.isError && isNotFound(run.error)) return <NothingHere />;
  if (run.data === undefined) {
    return (
      <Page>
        <PageSentence title="Run">Run</PageSentence>
        {run.isError && <Problem error={run.error} onRetry={() => void run.refetch()} />}
      </Page>
    );
  }
  return (
    <RunView
      key={runId}
      run={run.data}
      error={run.isError ? run.error : undefined}
      search={search}
      onSearch={(change) => void navigate({ to: "/runs/$runId", params: { runId }, search: defined({ ...search, ...change }), replace: true })}
      onState={() => void client.invalidateQueries({ queryKey: ["runs", runId] })}
    />
  );
}

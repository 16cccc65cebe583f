import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { isNotFound } from "@/api/problems";
import { type Simulation, simulationQuery, simulationsQuery } from "@/api/simulations";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Problem } from "@/components/Problem";
import { isRecord } from "@/lib/json";
import { defined } from "@/lib/search";
import { partSchemaQuery } from "./queries";
import { SubmitForm } from "./SubmitForm";

export const Route = createLazyRoute("/shell/jobs/new")({ component: SubmitPage });
const route = getRouteApi("/shell/jobs/new");

function SubmitPage() {
  const { sim, tab = "form" } = route.useSearch();
  const navigate = useNavigate();
  const all = useQuery(simulationsQuery);
  const name = sim ?? all.data?.items[0]?.name;
  const one = useQuery(simulationQuery(name));
  const part = useQuery(partSchemaQuery(one.data === undefined ? undefined : openPart(one.data)));
  if (isNotFound(one.error)) return <NothingHere />;
  const error = all.error ?? one.error ?? part.error;
  const isReady = one.data !== undefined && all.data !== undefined && (openPart(one.data) === undefined || part.data !== undefined);
  if (error !== null || !isReady) {
    return (
      <Page>
        <PageSentence title="New job">New job</PageSentence>
        {error !== null && <Problem error={error} onRetry={() => void Promise.all([all.refetch(), one.refetch()])} />}
      </Page>
    );
  }
  return (
    <SubmitForm
      key={one.data.name}
      simulation={one.data}
      simulations={all.data.items}
      part={part.data}
      tab={tab}
      onSimulation={(next) => void navigate({ to: "/jobs/new", search: defined({ sim: next, tab: tab === "form" ? undefined : tab }) })}
      onTab={(next) => void navigate({ to: "/jobs/new", search: defined({ sim, tab: next === "form" ? undefined : next }), replace: true })}
    />
  );
}

/** Address of the schema of a heat problem, where the simulation has one. */
function openPart(simulation: Simulation): string | undefined {
  const properties = simulation.parameters.properties as Record<string, unknown>;
  const problem = properties["problem"];
  return isRecord(problem) && typeof problem["schema"] === "string" ? problem["schema"] : undefined;
}

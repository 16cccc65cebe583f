import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import type { Schemas } from "@/api/client";
import { healthQuery, meQuery } from "@/api/service";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Problem } from "@/components/Problem";
import { SavedViews } from "@/components/SavedViews";
import { plural } from "@/lib/format";
import type { TABS } from ".";
import { Audit } from "./Audit";
import { modesQuery, systemQuery } from "./queries";
import { Service } from "./Service";

export const Route = createLazyRoute("/shell/system")({ component: SystemPage });
const route = getRouteApi("/shell/system");

function SystemPage() {
  const { tab = "service", ...filters } = route.useSearch();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const isAdministrator = me?.role === "admin";
  const health = useQuery(healthQuery);
  const system = useQuery({ ...systemQuery, enabled: isAdministrator });
  const modes = useQuery(modesQuery);
  const failed = [health, system, modes].find((query) => query.isError);
  const choose = (name: string | null) =>
    void navigate({ to: "/system", search: name === "audit" ? { tab: name as (typeof TABS)[number] } : {} });

  return (
    <Page>
      <PageSentence title="System" actions={isAdministrator && tab === "audit" && <SavedViews page="system" />}>
        {health.data === undefined ? "System" : sentence(health.data, system.data, modes.data?.items ?? [])}
      </PageSentence>
      {failed !== undefined && <Problem error={failed.error} onRetry={() => void failed.refetch()} />}
      {isAdministrator ? (
        <Tabs value={tab} onChange={choose}>
          <Tabs.List>
            <Tabs.Tab value="service">Service</Tabs.Tab>
            <Tabs.Tab value="audit">Audit log</Tabs.Tab>
          </Tabs.List>
        </Tabs>
      ) : null}
      {isAdministrator && tab === "audit" ? (
        <Audit filters={filters} />
      ) : (
        <Service health={health.data} system={system.data} modes={modes.data?.items ?? []} />
      )}
    </Page>
  );
}

/** Answer which part is ill, and who waits for what. */
export function sentence(
  health: Schemas["HealthOut"], system: Schemas["SystemOut"] | undefined, modes: readonly Schemas["ModeOut"][],
): string {
  const away = health.parts.filter((part) => part.state !== "ready").map((part) => part.name);
  const degraded = modes.filter((mode) => mode.rung > 0).length;
  const parts = [
    away.length === 0 ? "All parts are ready." : `Not ready: ${away.join(", ")}.`,
    degraded === 0 ? "" : `${plural(degraded, "part")} ${degraded === 1 ? "runs" : "run"} with less than full service.`,
  ];
  if (system !== undefined) {
    const slots = system.workers.reduce((sum, worker) => sum + (worker.slots ?? 0), 0);
    const busy = system.workers.reduce((sum, worker) => sum + (worker.busy ?? 0), 0);
    const queued = system.queues.reduce((sum, queue) => sum + queue.queued, 0);
    parts.push(`${plural(system.workers.length, "worker")} with ${plural(slots, "core")}, ${busy} in use.`);
    parts.push(queued === 0 ? "Nobody waits." : `${plural(queued, "job")} of ${plural(system.queues.length, "user")} wait.`);
  }
  return parts.filter((part) => part !== "").join(" ");
}

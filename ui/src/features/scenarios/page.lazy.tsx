import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, Link } from "@tanstack/react-router";
import { api, ok } from "@/api/client";
import { isNotFound } from "@/api/problems";
import { EmptyState } from "@/components/EmptyState";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { plural } from "@/lib/format";
import { Scenario } from "./Scenario";
import classes from "./scenarios.module.css";

export const Route = createLazyRoute("/shell/scenarios")({ component: ScenariosPage });
const route = getRouteApi("/shell/scenarios");
const FOR_THIS_SERVER = Number.POSITIVE_INFINITY; // scenarios change with a restart alone

function ScenariosPage() {
  const { name } = route.useSearch();
  const list = useQuery({
    queryKey: ["scenarios"], staleTime: FOR_THIS_SERVER,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/scenarios", { signal })).then((found) => found.items),
  });
  const chosen = useQuery({
    queryKey: ["scenarios", name], enabled: name !== undefined, staleTime: FOR_THIS_SERVER,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/scenarios/{name}", { params: { path: { name: name ?? "" } }, signal })),
  });
  if (chosen.isError && isNotFound(chosen.error)) return <NothingHere />;
  const items = list.data ?? [];
  return (
    <Page>
      <PageSentence title="Scenarios">
        {list.data === undefined ? "Scenarios" : `${plural(items.length, "scenario")}: what could go wrong, each with its events, rules and what is expected.`}
      </PageSentence>
      {list.isError && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      <div className={classes["columns"]}>
        <Panel isFlush>
          <ul className={classes["list"]}>
            {items.map((item) => (
              <li key={item.name}>
                <Link to="/scenarios" search={{ name: item.name }} className={classes["item"]} data-chosen={item.name === name || undefined}>
                  <b>{item.title}</b>
                  <span>{item.name}, {item.cells.join(" × ")} cells</span>
                </Link>
              </li>
            ))}
          </ul>
        </Panel>
        {chosen.data !== undefined ? (
          <Scenario key={chosen.data.name} scenario={chosen.data} />
        ) : (
          <Panel>{chosen.isError ? <Problem error={chosen.error} /> : <EmptyState title="Choose a scenario">Its story, its parameters and the button that starts it stand here.</EmptyState>}</Panel>
        )}
      </div>
    </Page>
  );
}

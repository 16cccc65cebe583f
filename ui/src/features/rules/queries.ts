/** What the page of rules asks the server. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";

export type Rule = Schemas["AlertRuleOut"];

export const rulesQuery = queryOptions({
  queryKey: ["rules"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/alert-rules", { params: { query: { limit: 200 } }, signal })),
});

/** Runs whose samples a rule can be tried on. */
export const runsQuery = queryOptions({
  queryKey: ["runs", "list", "names"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/engine/runs", { params: { query: { limit: 100 } }, signal })),
});

export function historyQuery(runId: string, metric: string) {
  const query = { points: 1_000, metric: [metric] };
  return queryOptions({
    queryKey: ["runs", runId, "history", metric],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/engine/runs/{run_id}/metrics/history", { params: { path: { run_id: runId }, query }, signal })) as Promise<Schemas["MetricHistoryOut"]>,
  });
}

type RuleBody = Schemas["AlertRuleIn"]["rule"];

export function saveRule(rule: Record<string, unknown>, known: Rule | undefined): Promise<Rule> {
  if (known === undefined) return ok(api.POST("/api/v1/alert-rules", { body: { rule: rule as RuleBody } }));
  return ok(
    api.PUT("/api/v1/alert-rules/{rule_id}", {
      params: { path: { rule_id: known.id }, header: { "if-match": `"${known.version}"` } }, body: { rule: rule as RuleBody },
    }),
  );
}

export async function removeRule(id: string): Promise<void> {
  await api.DELETE("/api/v1/alert-rules/{rule_id}", { params: { path: { rule_id: id } } });
}

export function testRule(rule: Record<string, unknown>, run: string, truth: string) {
  return ok(api.POST("/api/v1/alert-rules/test", { body: { rules: [rule as RuleBody], run, ...(truth === "" ? {} : { truth }) } }));
}

import { Button, Table } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { changeViews, type ViewsAnswer, viewsQuery, withoutView } from "@/api/views";
import { announce } from "@/components/announce";
import { Problem } from "@/components/Problem";
import { parseSearch } from "@/lib/search";
import classes from "./users.module.css";

const PAGES: Readonly<Record<string, string>> = {
  jobs: "Jobs", sweeps: "Sweeps", runs: "Runs", alerts: "Alerts", incidents: "Incidents", system: "Audit log",
};

/** All views that the user has saved, to be opened or removed. */
export function ViewList() {
  const queries = useQueryClient();
  const { data } = useQuery(viewsQuery);
  const remove = useMutation({
    mutationFn: ({ page, name, known }: { page: string; name: string; known: ViewsAnswer }) =>
      changeViews(known, (views) => withoutView(views, page, name)),
    onSuccess: (answer, { name }) => {
      queries.setQueryData(viewsQuery.queryKey, answer);
      announce(`The view “${name}” is removed.`);
    },
  });
  const rows = Object.entries(data?.views ?? {}).flatMap(([page, list]) => list.map((view) => ({ page, ...view })));
  if (rows.length === 0) return <p className={classes["none"]}>None yet. A list saves its filters under Views.</p>;
  return (
    <>
      {remove.isError && <Problem error={remove.error} />}
      <Table aria-label="Saved views">
        <Table.Thead><Table.Tr>{["View", "Page", "Action"].map((head) => <Table.Th key={head}>{head}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>
          {rows.map(({ page, name, query }) => (
            <Table.Tr key={`${page} ${name}`}>
              <Table.Td><Link to={`/${page}` as string} search={parseSearch(query) as never}>{name}</Link></Table.Td>
              <Table.Td>{PAGES[page] ?? page}</Table.Td>
              <Table.Td>
                <Button size="compact-sm" disabled={remove.isPending || data === undefined}
                  onClick={() => data !== undefined && remove.mutate({ page, name, known: data })}>Remove</Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}

import { Button, Table } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas } from "@/api/client";
import { announce } from "@/components/announce";
import { Problem } from "@/components/Problem";
import { Time } from "@/components/Time";
import { MISSING } from "@/lib/format";
import { sessionsQuery } from "./queries";
import classes from "./users.module.css";

type Session = Schemas["SessionOut"];

/** Where the user is logged in, with a button that ends it there. */
export function Sessions({ sessions }: { sessions: readonly Session[] }) {
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/users/me/sessions/{session_id}", { params: { path: { session_id: id } } });
      return id;
    },
    onSuccess: (id) => {
      queries.setQueryData(sessionsQuery.queryKey, (old) => old?.filter((session) => session.id !== id));
      announce("The session has ended.");
    },
  });
  return (
    <div className={classes["table"]}>
      {end.isError && <Problem error={end.error} />}
      <Table aria-label="Sessions">
        <Table.Thead>
          <Table.Tr>{["Program", "Address", "Began", "Used", "Ends", "Action"].map((head) => <Table.Th key={head}>{head}</Table.Th>)}</Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sessions.map((session) => (
            <Table.Tr key={session.id}>
              <Table.Td><span className={classes["agent"]} title={session.agent ?? ""}>{nameOf(session)}</span></Table.Td>
              <Table.Td>{session.address ?? MISSING}</Table.Td>
              <Table.Td><Time at={session.created_at} withAge /></Table.Td>
              <Table.Td><Time at={session.refreshed_at} withAge /></Table.Td>
              <Table.Td><Time at={session.expires_at} /></Table.Td>
              <Table.Td>
                {session.is_current ? <span className={classes["muted"]}>this one</span> : (
                  <Button size="compact-sm" disabled={end.isPending} onClick={() => end.mutate(session.id)}>End</Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

const BROWSERS = ["Firefox", "Edg", "OPR", "Chromium", "Chrome", "Safari"]; // the first that is named is meant

/** Return a short name of a program: the browser of a long `User-Agent`, else its first word. */
export function nameOf(session: Pick<Session, "agent" | "kind">): string {
  const agent = session.agent ?? "";
  if (agent === "") return session.kind ?? "unknown";
  const browser = BROWSERS.find((name) => agent.includes(`${name}/`) || agent.includes(`Headless${name}/`));
  if (!agent.startsWith("Mozilla/") || browser === undefined) return agent.split(" ")[0] ?? agent;
  const system = /\(([^;)]+)/.exec(agent)?.[1];
  return `${{ Edg: "Edge", OPR: "Opera" }[browser] ?? browser}${system === undefined ? "" : ` on ${system}`}`;
}

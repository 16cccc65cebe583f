import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { Facts } from "@/components/Facts";
import { Panel } from "@/components/Panel";
import { Time } from "@/components/Time";
import { formatBytes, formatCount, MISSING } from "@/lib/format";
import classes from "./system.module.css";

interface Props {
  readonly health: Schemas["HealthOut"] | undefined;
  /** Absent for those who are no administrators. */
  readonly system: Schemas["SystemOut"] | undefined;
  readonly modes: readonly Schemas["ModeOut"][];
}

/** Parts, modes, and for administrators workers, queues and disk. */
export function Service({ health, system, modes }: Props) {
  const degraded = modes.filter((mode) => mode.rung > 0);
  const full = [...new Set(modes.filter((mode) => mode.rung === 0).map((mode) => mode.part))];
  return (
    <>
      <div className={classes["split"]}>
        <Panel title="Parts">
          <Facts rows={[
            ["Version", health?.version ?? MISSING],
            system !== undefined && ["Started", <Time key="started" at={system.started_at} withAge />],
            ...(health?.parts ?? []).map((part) => [capital(part.name), <Part key={part.name} part={part} />] as const),
            system !== undefined && ["Events to announce", formatCount(system.database.outbox_backlog)],
            system !== undefined && ["Disk", <Disk key="disk" store={system.store} />],
          ]} />
        </Panel>
        <Panel title="Modes" isFlush>
          {degraded.map((mode) => (
            <div key={`${mode.part} ${mode.run ?? ""} ${mode.name}`} className={classes["mode"]}>
              <p>◆ {mode.part}: {mode.name}{mode.run !== null && ` (run ${mode.run.slice(0, 8)})`}</p>
              <p>{mode.reason} <Time at={mode.since} withAge /></p>
              <p>{mode.advice}</p>
            </div>
          ))}
          {full.length > 0 && <p className={classes["none"]}>Full service: {full.join(", ")}.</p>}
        </Panel>
      </div>
      {system !== undefined && <Workers workers={system.workers} />}
      {system !== undefined && <Queues queues={system.queues} />}
    </>
  );
}

function Part({ part }: { part: Schemas["PartOut"] }) {
  const isReady = part.state === "ready";
  return (
    <span className={classes["part"]} data-away={isReady ? undefined : true}>
      {isReady ? "ready" : `◆ ${part.state}`} <span className={classes["muted"]}>{part.kind}{part.detail !== "" && `: ${part.detail}`}</span>
    </span>
  );
}

function Disk({ store }: { store: Schemas["StoreOut"] }) {
  if (store.free_bytes === null || store.used_bytes === null) return <span>{store.kind}</span>;
  const all = store.free_bytes + store.used_bytes;
  return (
    <span>
      <progress className={classes["disk"]} max={all} value={store.used_bytes} aria-label="Disk in use" />
      {formatBytes(store.free_bytes)} free of {formatBytes(all)}
    </span>
  );
}

function Workers({ workers }: { workers: readonly Schemas["WorkerOut"][] }) {
  return (
    <Listed title="Workers" heads={["Worker", "Host", "Version", "Cores in use", "Live runs", "Takes work", "Seen", "Simulations"]}
      none="No worker was heard of lately: jobs are taken and wait. `grid up` starts one beside the server.">
      {workers.map((worker) => (
        <Table.Tr key={worker.id}>
          <Table.Td>{worker.id}</Table.Td>
          <Table.Td>{worker.host}</Table.Td>
          <Table.Td>{worker.version ?? MISSING}</Table.Td>
          <Table.Td>{worker.busy ?? MISSING} of {worker.slots ?? MISSING}</Table.Td>
          <Table.Td>{worker.live_runs ?? MISSING}</Table.Td>
          <Table.Td>{worker.draining === true ? "◆ draining" : "yes"}</Table.Td>
          <Table.Td><Time at={worker.seen_at} withAge /></Table.Td>
          <Table.Td>{Object.entries(worker.simulations).map(([name, version]) => `${name} ${version}`).join(", ") || MISSING}</Table.Td>
        </Table.Tr>
      ))}
    </Listed>
  );
}

function Queues({ queues }: { queues: readonly Schemas["SystemOut"]["queues"][number][] }) {
  return (
    <Listed title="Who waits" heads={["User", "Waiting", "Running", "May wait"]} none="Nobody has a job that waits or runs.">
      {queues.map((queue) => (
        <Table.Tr key={queue.user_id}>
          <Table.Td>{queue.user}</Table.Td>
          <Table.Td>{formatCount(queue.queued)}</Table.Td>
          <Table.Td>{formatCount(queue.running)}</Table.Td>
          <Table.Td>{formatCount(queue.queue_limit)}</Table.Td>
        </Table.Tr>
      ))}
    </Listed>
  );
}

function Listed(props: { title: string; heads: readonly string[]; none: string; children: ReactNode[] }) {
  return (
    <Panel title={props.title} isFlush>
      {props.children.length === 0 ? <p className={classes["none"]}>{props.none}</p> : (
        <div className={classes["table"]}>
          <Table aria-label={props.title}>
            <Table.Thead><Table.Tr>{props.heads.map((head) => <Table.Th key={head}>{head}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>{props.children}</Table.Tbody>
          </Table>
        </div>
      )}
    </Panel>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

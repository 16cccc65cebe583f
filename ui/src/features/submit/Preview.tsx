import { Button } from "@mantine/core";
import { useMemo } from "react";
import { type Column, DataTable } from "@/components/DataTable";
import { Facts } from "@/components/Facts";
import { Panel } from "@/components/Panel";
import { formatBytes, formatCount, formatDuration, MISSING, plural } from "@/lib/format";
import type { Json } from "@/lib/json";
import type { Price } from "./queries";
import type { Derived } from "./useDraft";
import classes from "./submit.module.css";

interface Props {
  readonly derived: Derived;
  readonly isSweep: boolean;
  readonly price: Price | undefined;
  /** Rows that page or server refuse, with the reason. */
  readonly refused: ReadonlyMap<number, string>;
  readonly leftOut: readonly number[];
  readonly onLeaveOut: (rows: readonly number[]) => void;
}

/** What a submission is before it is one: its price, its place in the queue, and every point of a sweep. */
export function Preview({ derived, isSweep, price, refused, leftOut, onLeaveOut }: Props) {
  return (
    <>
      <Panel title="Price">{<PriceFacts price={price} />}</Panel>
      {isSweep && (
        <Panel
          isFlush
          className={classes["points"] ?? ""}
          title={`Points: ${derived.expansion.product === "" ? MISSING : derived.expansion.product}${leftOut.length > 0 ? `, ${leftOut.length} left out` : ""}`}
          actions={
            <>
              {refused.size > 0 && (
                <Button size="compact-sm" onClick={() => onLeaveOut([...leftOut, ...refused.keys()])}>
                  Leave {refused.size === 1 ? "it" : `${refused.size}`} out
                </Button>
              )}
              {leftOut.length > 0 && <Button size="compact-sm" onClick={() => onLeaveOut([])}>Take all</Button>}
            </>
          }
        >
          <PointTable derived={derived} refused={refused} leftOut={leftOut} />
        </Panel>
      )}
    </>
  );
}

function PriceFacts({ price }: { price: Price | undefined }) {
  if (price === undefined) return <p className={classes["quiet"]}>The price is known as soon as all fields are right.</p>;
  if (price.refused_total === price.points) return <p className={classes["quiet"]}>What the server would refuse has no price.</p>;
  const { estimate, queue } = price;
  const wall = estimate === null ? null : estimate.wall_s;
  return (
    <Facts
      rows={[
        ["Jobs", formatCount(price.points)],
        ["Processor time", estimate === null ? "not known" : formatDuration(estimate.work_s)],
        wall !== null && ["Until the last ends", spanText(formatDuration(wall.low), formatDuration(wall.high))],
        estimate !== null && ["Memory of the largest", formatBytes(estimate.memory_mb * 1e6)],
        estimate !== null && ["Files", `up to ${formatBytes(estimate.output_mb * 1e6)}`],
        ["Queue", `${queue.waiting === 0 ? "nothing of yours waits" : `${plural(queue.waiting, "job")} of yours ${queue.waiting === 1 ? "waits" : "wait"}`}, ${queue.has_room ? "room for all" : `no room: ${formatCount(queue.limit)} at most`}`],
        ["Starts", queue.cores === 0 ? "when a worker is there" : queue.ahead_s < 0.5 ? "at once" : `in about ${formatDuration(queue.ahead_s)}`],
      ]}
    />
  );
}

function spanText(low: string, high: string): string {
  return low === high ? low : `${low} to ${high}`;
}

interface Row {
  readonly row: number;
  readonly point: { readonly [name: string]: Json };
}

/** Every point by its number; refused ones first say why. */
function PointTable({ derived, refused, leftOut }: { derived: Derived; refused: ReadonlyMap<number, string>; leftOut: readonly number[] }) {
  const { points, reason } = derived.expansion;
  const rows = useMemo<Row[]>(() => {
    const all = points.map((point, row) => ({ row, point }));
    return refused.size === 0 ? all : [...all.filter(({ row }) => refused.has(row)), ...all.filter(({ row }) => !refused.has(row))];
  }, [points, refused]);
  const out = useMemo(() => new Set(leftOut), [leftOut]);
  const columns = useMemo<Column<Row>[]>(() => {
    const names = [...new Set(points.slice(0, 100).flatMap((point) => Object.keys(point)))];
    return [
      { key: "#", title: "#", width: "64px", align: "right", render: ({ row }) => row + 1 },
      ...names.map((name): Column<Row> => ({
        key: name, title: shortName(name), width: "minmax(88px, 1fr)", align: "right",
        render: ({ row, point }) => <span className={out.has(row) ? classes["out"] : undefined}>{print(point[name])}</span>,
      })),
      {
        key: "why", title: "", width: "minmax(72px, 2fr)",
        render: ({ row }) => (out.has(row) ? <span className={classes["muted"]}>left out</span> : refused.has(row) ? <span className={classes["refusal"]} title={refused.get(row)}>✕ {refused.get(row)}</span> : ""),
      },
    ];
  }, [points, refused, out]);
  return (
    <DataTable
      label="Points of the sweep"
      rows={rows}
      columns={columns}
      rowKey={({ row }) => String(row)}
      empty={<p className={classes["quiet"]}>{reason ?? "No points yet: give values to what is varied."}</p>}
    />
  );
}

function shortName(name: string): string {
  return name.split(".").slice(-2).join(".");
}

function print(value: Json | undefined): string {
  if (typeof value === "number") return String(Number(value.toPrecision(6))).replace("-", "\u2212");
  return value === undefined ? MISSING : typeof value === "string" ? value : JSON.stringify(value);
}

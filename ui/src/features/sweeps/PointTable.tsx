import { memo, useMemo } from "react";
import { type Column, DataTable } from "@/components/DataTable";
import { StateMark } from "@/components/StateMark";
import { MISSING } from "@/lib/format";
import { isFailed, type Points, printValue } from "./points";

interface Props {
  readonly points: Points;
  readonly rows: Uint32Array;
  readonly sort: string | undefined;
  readonly ticked: ReadonlySet<number>;
  readonly onSort: (sort: string) => void;
  readonly onTick: (row: number) => void;
  readonly onOpen: (row: number) => void;
}

/**
 * The chosen points with what differs among them. Points that failed stand behind all others. What is called back looks
 * at the newest of the page, so that other functions alone draw nothing anew.
 */
export const PointTable = memo(TableOfPoints, (old, now) =>
  (["points", "rows", "sort", "ticked"] as const).every((name) => old[name] === now[name]));

function TableOfPoints({ points, rows, sort, ticked, onSort, onTick, onOpen }: Props) {
  const list = useMemo(() => Array.from(rows), [rows]);
  const keys = useMemo(() => new Set([...ticked].map(String)), [ticked]);
  const columns = useMemo<Column<number>[]>(() => {
    const order = (name: string) => (sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none");
    return [
      { key: "#", title: "#", width: "64px", align: "right", render: (row) => (points.place[row] ?? row) + 1 },
      { key: "state", title: "State", width: "168px", render: (row) => <><StateMark state={points.status[row] ?? ""} /> {isFailed(points, row) ? points.reason[row] : ""}</> },
      ...points.words.map((column): Column<number> => ({ key: column.name, title: column.label, width: "112px", render: (row) => column.values[row] ?? MISSING })),
      ...points.numbers.map((column): Column<number> => ({
        key: column.name, align: "right", width: `${Math.max(96, 24 + 7 * (column.label.length + column.unit.length))}px`, sort: order(column.name),
        title: column.unit === "" ? column.label : `${column.label}, ${column.unit}`,
        render: (row) => <span title={String(column.values[row])}>{printValue(column, column.values[row])}</span>,
      })),
    ];
  }, [points, sort]);
  return (
    <DataTable
      label="Points"
      rows={list}
      columns={columns}
      rowKey={String}
      ticked={keys}
      onTick={onTick}
      onOpen={onOpen}
      onSort={(name) => onSort(sort === name ? `-${name}` : name)}
      empty={<p style={{ margin: 12 }}>No point is chosen: widen the ranges, or take off a filter.</p>}
    />
  );
}

import { Input } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "@/api/client";
import { FieldView } from "@/components/FieldView";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Quantity } from "@/components/Quantity";
import type { MapName } from "@/draw/luts";
import { formatQuantity } from "@/lib/format";
import type { Frame } from "@/lib/frame";
import classes from "./compare.module.css";
import { nearest, placeOf, sameCell } from "./difference";
import { type Difference, frameQuery } from "./queries";

type Field = Schemas["FieldOut"];

interface Props {
  readonly a: string;
  readonly b: string;
  readonly first: Field;
  readonly second: Field;
  readonly fields: readonly { readonly name: string; readonly title: string }[];
  readonly place: number;
  readonly difference: Difference;
  readonly onField: (name: string) => void;
  readonly onTime: (place: number) => void;
}

const HEIGHT = 220;

/** A, B and B - A at one time: the first two on one scale, the third about zero; a probe in one is a probe in all. */
export function FieldPair({ a, b, first, second, fields, place, difference, onField, onTime }: Props) {
  const [probe, setProbe] = useState<readonly number[] | null>(null);
  const time = first.times[place] ?? 0;
  const other = nearest(second.times, difference.other_time_s ?? time);
  const name = encodeURIComponent(first.name);
  const frames = [
    useQuery(frameQuery(`/api/v1/jobs/${a}/fields/${name}?time=${place}`)),
    useQuery(frameQuery(`/api/v1/jobs/${b}/fields/${name}?time=${other}`)),
    useQuery(frameQuery(difference.field ?? undefined)),
  ] as const;
  const error = frames.find((frame) => frame.error !== null)?.error;
  const ends = [first.min, second.min, first.max, second.max].filter((end) => typeof end === "number");
  const scale = ends.length === 0 ? {} : { low: Math.min(...ends), high: Math.max(...ends) };
  const most = difference.norms?.max ?? 0;
  const shape = frames[0].data?.shape ?? [];
  const linked = (frame: Frame | undefined) => (probe === null || frame === undefined ? null : sameCell(probe, shape, frame.shape));
  const take = (frame: Frame | undefined) => (cell: readonly number[]) => setProbe(frame === undefined ? null : sameCell(cell, frame.shape, shape));
  const unit = (frame: Frame | undefined, own: string, name: string): Frame | null => (frame === undefined ? null : { ...frame, name, unit: own });
  const view = (label: string, index: 0 | 1 | 2, field: { title: string; unit: string }, look: object, axes: Field["axes"]) => (
    <Panel title={label}>
      <FieldView
        frame={unit(frames[index].data, field.unit, index === 2 ? "difference" : first.name)} title={`${field.title}, ${label}`} look={look} axes={axes} height={HEIGHT}
        probe={linked(frames[index].data)} onProbe={take(frames[index].data)} fileName={`${first.name}-${label.replaceAll(" ", "")}`}
      />
    </Panel>
  );
  return (
    <>
      <div className={classes["bar"]}>
        {fields.length > 1 && (
          <Input component="select" pointer aria-label="Field" value={first.name} rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" onChange={(event) => onField(event.currentTarget.value)}>
            {fields.map((one) => <option key={one.name} value={one.name}>{one.title}</option>)}
          </Input>
        )}
        <label className={classes["time"]}>
          Time {formatQuantity(time, "s")}
          <input type="range" min={0} max={first.times.length - 1} value={place} aria-valuetext={formatQuantity(time, "s")} onChange={(event) => onTime(Number(event.currentTarget.value))} />
        </label>
        {difference.norms !== undefined && difference.norms !== null && (
          <span className={classes["norms"]}>
            largest <Quantity value={difference.norms.max} unit={difference.unit} />
            {difference.where !== undefined && difference.where !== null && <> at {placeOf(difference.where.at)}</>}
            , mean square <Quantity value={difference.norms.l2} unit={difference.unit} />
          </span>
        )}
        {difference.other_time_s !== undefined && difference.other_time_s !== null && Math.abs(difference.other_time_s - time) > 1e-9 * Math.abs(time) && (
          <span className={classes["unit"]}>B is of {formatQuantity(difference.other_time_s, "s")}, the nearest that is kept</span>
        )}
      </div>
      {error !== undefined && error !== null && <Problem error={error} />}
      <div className={classes["three"]}>
        {view("A", 0, first, { map: first.map as MapName, ...scale }, first.axes)}
        {view("B", 1, second, { map: first.map as MapName, ...scale }, second.axes)}
        {difference.field !== undefined && difference.field !== null && difference.axes !== undefined && difference.axes !== null
          ? view("B − A", 2, { title: first.title, unit: difference.unit ?? "" }, { map: "PuOr", ...(most > 0 ? { low: -most, high: most } : {}) }, difference.axes)
          : <Panel title="B − A"><p className={classes["note"]}>{difference.reason ?? "There is no difference to show."}</p></Panel>}
      </div>
    </>
  );
}

import { Checkbox, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { EmptyState } from "@/components/EmptyState";
import { FieldView } from "@/components/FieldView";
import { useKeys } from "@/components/keyboard";
import type { FieldViewProps } from "@/components/parts";
import { Problem } from "@/components/Problem";
import type { MapName } from "@/draw/luts";
import { formatQuantity } from "@/lib/format";
import { parseQuantity, printUnit } from "@/lib/units";
import classes from "./JobFieldView.module.css";
import { type Ends, lockEnds, readEnds, useLockedEnds, writeEnds } from "./lock";
import { exactQuery, type Field, fieldListQuery, findExact, framesQuery } from "./queries";

const MAPS: readonly string[] = ["cividis", "viridis", "PuOr"] satisfies MapName[];

/** The fields of a finished job: which, when, on which scale; the scale is that of the whole run unless it is locked. */
export default function JobFieldView(props: FieldViewProps) {
  const { jobId, onChoose } = props;
  const list = useQuery(fieldListQuery(jobId));
  const field = list.data?.items.find((one) => one.name === props.field) ?? list.data?.items[0];
  const last = (field?.times.length ?? 1) - 1;
  const time = Math.max(0, Math.min(last, props.time ?? last));
  const frames = useQuery(framesQuery(jobId, field, time));
  const frame = frames.data?.find((one) => one.tick === time) ?? null;
  const [isProbed, setProbed] = useState(false);
  const exact = useQuery(exactQuery(jobId, field, isProbed && frame?.level === 0));
  const scale = useScale(props, field);
  useKeys([
    { keys: "[", does: "Field: the time before", run: () => onChoose?.({ time: Math.max(0, time - 1) }) },
    { keys: "]", does: "Field: the next time", run: () => onChoose?.({ time: Math.min(last, time + 1) }) },
    { keys: "l", does: "Field: lock the scale, or let it go", run: scale.toggle },
  ]);
  const isolines = useMemo(() => (props.iso === undefined ? [] : [{ value: props.iso }]), [props.iso]);
  const { ends } = scale;
  const look = useMemo(
    () => ({
      map: (MAPS.includes(field?.map ?? "") ? field?.map : "cividis") as MapName, isolines,
      ...(ends === null ? {} : { low: ends[0], high: ends[1] }),
    }),
    [field?.map, isolines, ends],
  );
  if (list.isError) return <Problem error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data !== undefined && field === undefined) {
    return <EmptyState title="No field">This simulation names no field. What it wrote is under Files.</EmptyState>;
  }
  return (
    <>
      {frames.isError && <Problem error={frames.error} onRetry={() => void frames.refetch()} />}
      <FieldView
        frame={frame}
        title={field?.title ?? "Field"}
        axes={field?.axes ?? []}
        look={look}
        height={props.height ?? 320}
        fileName={`${field?.name ?? "field"}-${jobId.slice(0, 8)}-${time}`}
        onProbe={() => setProbed(true)}
        exactAt={(cell) => (field === undefined ? null : findExact(exact.data, field, time, cell))}
        controls={field !== undefined && (
          <>
            {(list.data?.items.length ?? 0) > 1 && (
              <Select
                size="xs" w={160} aria-label="Field" allowDeselect={false} value={field.name}
                data={list.data?.items.map((one) => ({ value: one.name, label: one.title })) ?? []}
                onChange={(name) => name !== null && onChoose?.({ field: name })}
              />
            )}
            {last > 0 && <TimeSlider field={field} time={time} onChange={(next) => onChoose?.({ time: next })} />}
            <SegmentedControl
              size="xs" aria-label="Scale" value={scale.isLocked ? "lock" : "run"} onChange={scale.toggle}
              data={[{ value: "run", label: "Scale of the run" }, { value: "lock", label: "Locked" }]}
            />
            <IsoControl field={field} iso={props.iso} onChange={(iso) => onChoose?.({ iso })} />
          </>
        )}
      />
    </>
  );
}

/** Ends of the scale: those in the address, else those that are locked in this tab, else those of the run. */
function useScale({ scale, onChoose }: FieldViewProps, field: Field | undefined) {
  const quantity = field === undefined ? "" : `${field.name} ${field.unit}`;
  const fromAddress = useMemo(() => readEnds(scale), [scale]);
  const held = useLockedEnds(quantity);
  const locked = fromAddress ?? held;
  useEffect(() => {
    if (quantity !== "" && fromAddress !== undefined) lockEnds(quantity, fromAddress); // for the next job too
  }, [quantity, fromAddress]);
  const run = useMemo<Ends | null>(
    () => (field === undefined || field.min === null || field.max === null ? null : [field.min, field.max]), [field],
  );
  const toggle = useCallback(() => {
    if (quantity === "" || run === null) return;
    const next = locked === undefined ? run : undefined;
    lockEnds(quantity, next);
    onChoose?.({ scale: next === undefined ? undefined : writeEnds(next) });
  }, [quantity, run, locked, onChoose]);
  return { ends: locked ?? run, isLocked: locked !== undefined, toggle };
}

function TimeSlider({ field, time, onChange }: { field: Field; time: number; onChange: (time: number) => void }) {
  const text = `t = ${formatQuantity(field.times[time], "s", 3)}`;
  return (
    <label className={classes["time"]}>
      <span className={classes["value"]}>{text}</span>
      <input
        type="range" min={0} max={field.times.length - 1} step={1} value={time} aria-label="Time" aria-valuetext={text}
        className={classes["slider"]} onChange={(event) => onChange(Number(event.target.value))}
      />
    </label>
  );
}

/** A line of equal value: on or off, and where. What was typed stays until it is a number. */
function IsoControl({ field, iso, onChange }: { field: Field; iso: number | undefined; onChange: (iso: number | undefined) => void }) {
  const [typed, setTyped] = useState<string | null>(null);
  const middle = Number((((field.min ?? 0) + (field.max ?? 1)) / 2).toPrecision(3));
  const parsed = typed === null ? null : parseQuantity(typed, field.unit);
  const take = () => {
    if (parsed?.ok === true) {
      onChange(parsed.value);
      setTyped(null);
    }
  };
  return (
    <span className={classes["iso"]}>
      <Checkbox size="xs" label="Iso-line" checked={iso !== undefined} onChange={() => onChange(iso === undefined ? middle : undefined)} />
      {iso !== undefined && (
        <TextInput
          size="xs" w={104} aria-label={`Value of the iso-line in ${printUnit(field.unit)}`} value={typed ?? String(iso)}
          error={parsed?.ok === false ? parsed.reason : undefined} rightSection={printUnit(field.unit)} rightSectionWidth={36}
          onChange={(event) => setTyped(event.target.value)} onBlur={take}
          onKeyDown={(event) => event.key === "Enter" && take()}
        />
      )}
    </span>
  );
}

import { Input } from "@mantine/core";
import type { Shape } from "@/lib/schema";
import { printUnit } from "@/lib/units";
import type { Axis, Way } from "./points";
import classes from "./submit.module.css";

interface Props {
  readonly name: string;
  readonly title: string;
  readonly axis: Axis;
  readonly shape: Shape;
  readonly reason: string | undefined;
  readonly onChange: (axis: Axis) => void;
}

/** What stands in place of a field that is varied: a list of values, or a range divided evenly or by ratio. */
export function AxisEditor({ name, title, axis, shape, reason, onChange }: Props) {
  const unit = printUnit(shape.unit);
  const text = (member: "list" | "from" | "to" | "count", label: string, className: string | undefined) => (
    <Input
      className={className}
      aria-label={`${title}: ${label}`}
      data-path={member === "list" || member === "from" ? name : undefined}
      value={axis[member]}
      error={reason !== undefined}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => onChange({ ...axis, [member]: event.currentTarget.value })}
    />
  );
  return (
    <span className={classes["axis"]}>
      <Input
        component="select"
        pointer
        rightSection={<span aria-hidden="true">▾</span>}
        rightSectionPointerEvents="none"
        className={classes["way"]}
        aria-label={`${title}: how it is varied`}
        value={axis.way}
        onChange={(event) => onChange({ ...axis, way: event.currentTarget.value as Way })}
      >
        <option value="list">list</option>
        <option value="linear">linear</option>
        <option value="log">log</option>
      </Input>
      {axis.way === "list" ? (
        text("list", "values", classes["values"])
      ) : (
        <>
          {text("from", "first value", classes["end"])}
          <span className={classes["muted"]}>to</span>
          {text("to", "last value", classes["end"])}
          <span className={classes["muted"]}>n</span>
          {text("count", "number of values", classes["count"])}
        </>
      )}
      {unit !== "" && <span className={classes["muted"]}>{unit}</span>}
      {reason !== undefined && <span className={classes["wrong"]} role="status">{reason}</span>}
    </span>
  );
}

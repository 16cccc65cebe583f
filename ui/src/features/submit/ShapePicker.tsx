import { Button, Input, Popover } from "@mantine/core";
import { useState } from "react";
import { parseQuantity } from "@/lib/units";
import { complement } from "./expressions";
import { AXES } from "./heat";
import classes from "./submit.module.css";

interface Props {
  readonly dimension: number;
  readonly size: readonly number[];
  /** Places of the other materials: what is left of them is "the rest". */
  readonly others: readonly string[];
  readonly title: string;
  readonly onTake: (expression: string) => void;
}

const KINDS = { side: "One side of a plane", box: "A box", round: "A disc or ball" } as const;
type Kind = keyof typeof KINDS;

/** Shapes in numbers for those who would not write an expression; what is taken can be changed by hand. */
export function ShapePicker({ dimension, size, others, title, onTake }: Props) {
  const [isOpen, setOpen] = useState(false);
  const [kind, setKind] = useState<Kind>("side");
  const [isInside, setInside] = useState(true);
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const axes = AXES.slice(0, dimension);
  const half = (axis: number) => Number(((size[axis] ?? 1) / 2).toPrecision(4));
  const spare = (name: string): number => {
    const axis = Math.max(0, AXES.indexOf(name.slice(-1) as "x"));
    if (name === "radius") return Number((Math.min(...size.slice(0, dimension)) / 5).toPrecision(4));
    return name.startsWith("low") ? half(axis) / 2 : name.startsWith("high") ? 1.5 * half(axis) : half(axis);
  };
  const value = (name: string) => {
    const typed = texts[name];
    if (typed === undefined) return spare(name);
    const parsed = parseQuantity(typed, "m");
    return parsed.ok ? parsed.value : Number.NaN;
  };
  const field = (name: string, label: string) => (
    <label key={name} className={classes["pair"]}>
      {label}
      <Input
        className={classes["end"]} value={texts[name] ?? String(spare(name))} error={Number.isNaN(value(name))}
        onChange={(event) => setTexts({ ...texts, [name]: event.currentTarget.value })}
      /> m
    </label>
  );
  const shape = writeShape(kind, axes, value);
  const expression = isInside ? shape : complement(shape);
  const take = (text: string) => {
    onTake(text);
    setOpen(false);
  };
  return (
    <Popover opened={isOpen} onChange={setOpen} position="bottom-end" trapFocus>
      <Popover.Target>
        <Button size="compact-sm" variant="subtle" aria-label={`Shape of ${title}`} onClick={() => setOpen(!isOpen)}>shape…</Button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className={classes["shape"]}>
          <Input component="select" pointer aria-label="Shape" value={kind} rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" onChange={(event) => setKind(event.currentTarget.value as Kind)}>
            {Object.entries(KINDS).map(([name, label]) => <option key={name} value={name}>{label}</option>)}
          </Input>
          <Input component="select" pointer aria-label="Which part" value={isInside ? "in" : "out"} rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" onChange={(event) => setInside(event.currentTarget.value === "in")}>
            <option value="in">{kind === "side" ? "the low side" : "inside of it"}</option>
            <option value="out">{kind === "side" ? "the high side" : "outside of it"}</option>
          </Input>
          {kind === "side" && field("plane x", "x =")}
          {kind === "box" && axes.map((axis) => <span key={axis} className={classes["pair"]}>{field(`low ${axis}`, `${axis} from`)}{field(`high ${axis}`, "to")}</span>)}
          {kind === "round" && <>{axes.map((axis) => field(`centre ${axis}`, `${axis} =`))}{field("radius", "radius")}</>}
          <code className={classes["muted"]}>{expression}</code>
          <span className={classes["pair"]}>
            <Button size="compact-sm" variant="filled" disabled={expression.includes("NaN")} onClick={() => take(expression)}>Take</Button>
            {others.length > 0 && <Button size="compact-sm" onClick={() => take(complement(others.length === 1 ? (others[0] ?? "") : others.map((one) => `(${one})`).join(" | ")))}>The rest</Button>}
          </span>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

/** The expression of a shape's inside. */
export function writeShape(kind: Kind, axes: readonly string[], value: (name: string) => number): string {
  switch (kind) {
    case "side": return `x < ${value("plane x")}`;
    case "box": return axes.map((axis) => `(${axis} > ${value(`low ${axis}`)}) & (${axis} < ${value(`high ${axis}`)})`).join(" & ");
    case "round": return `${axes.map((axis) => `(${axis} - ${value(`centre ${axis}`)})**2`).join(" + ")} < ${value("radius")}**2`;
  }
}

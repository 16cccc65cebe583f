import { Button, Input, Textarea } from "@mantine/core";
import { type Dispatch, type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";
import { getAt, joinPath, parsePath, type Json } from "@/lib/json";
import {
  convertedText, type FieldError, findErrors, type FormAction, type FormState, hintOf, type Member, resolve, type Schema,
  type Shape, shapeOf, shownError, shownPath, textAt,
} from "@/lib/schema";
import { printUnit } from "@/lib/units";
import { announce } from "./announce";
import classes from "./SchemaForm.module.css";

interface Props {
  /** Schema of an object: the form's root. */
  readonly schema: Schema;
  readonly state: FormState;
  readonly dispatch: Dispatch<FormAction>;
  /** Names of members that are shown elsewhere. */
  readonly hides?: readonly string[];
  /** Paths of sections that are open at first. */
  readonly opens?: readonly string[];
  /** What stands in place of a field's input and behind it, as the editor of a sweep does. */
  readonly instead?: (path: string, shape: Shape) => ReactNode | undefined;
  readonly beside?: (path: string, shape: Shape) => ReactNode | undefined;
}

interface Context extends Props {
  readonly errors: readonly FieldError[];
  readonly idOf: (path: string) => string;
  readonly open: ReadonlySet<string>;
  readonly onOpen: (path: string, isOpen: boolean) => void;
}

/**
 * A form for a JSON Schema; its state is that of `reduceForm`. After a refusal the section of the first wrong field
 * opens, the field has the focus, and what is wrong is said.
 */
export function SchemaForm(props: Props) {
  const { schema, state } = props;
  const base = useId();
  const root = useRef<HTMLDivElement>(null);
  const errors = useMemo(() => findErrors(schema, state), [schema, state]);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(props.opens));
  const [focused, setFocused] = useState(state.refusals);
  const first = state.refused[0] ?? errors[0];
  const target = first === undefined ? undefined : shownPath(schema, first.path);
  if (focused !== state.refusals) {
    setFocused(state.refusals);
    if (target !== undefined) setOpen(new Set([...open, ...parentsOf(target)]));
  }
  const seen = useRef(state.refusals);
  useEffect(() => {
    if (seen.current === state.refusals) return;
    seen.current = state.refusals;
    if (target === undefined || first === undefined) return;
    const path = CSS.escape(target);
    const field = root.current?.querySelector<HTMLElement>(`[data-path="${path}"], [data-path^="${path}\\["]`); // a list has rows
    field?.focus();
    const count = Math.max(state.refused.length, errors.length);
    announce(`${count === 1 ? "One field is wrong" : `${count} fields are wrong`}: ${first.path}. ${first.message}`);
  }, [state.refusals, target, first, state.refused.length, errors.length]);

  const context: Context = {
    ...props,
    errors,
    open,
    idOf: (path) => `${base}-${path}`,
    onOpen: (path, isOpen) => {
      const next = new Set(open);
      if (isOpen) next.add(path);
      else next.delete(path);
      setOpen(next);
    },
  };
  const shape = shapeOf(schema, schema);
  const strays = strayErrors(context, shape);
  return (
    <div ref={root} className={classes["form"]}>
      {shape.kind === "object" ? <Members context={context} path="" members={shape.members} /> : <JsonField context={context} path="" shape={shape} />}
      {strays.map((error) => (
        <p key={error.path} className={classes["error"]}>{error.path}: {error.message}</p>
      ))}
    </div>
  );
}

/** Errors of what has no field of its own, such as a parameter that does not exist. */
function strayErrors({ schema, state, errors }: Context, shape: Shape): readonly FieldError[] {
  if (shape.kind !== "object") return [];
  const names = new Set(shape.members.map((member) => member.name));
  const isStray = (error: FieldError) => !names.has(String(parsePath(shownPath(schema, error.path))[0] ?? ""));
  return [...state.refused, ...(state.showsAll ? errors : [])].filter(isStray);
}

function parentsOf(path: string): string[] {
  const steps = parsePath(path);
  return steps.map((_, index) => joinPath(steps.slice(0, index))).filter((parent) => parent !== "");
}

function Members(props: { context: Context; path: string; members: readonly Member[] }) {
  const { context, path } = props;
  return props.members
    .filter((member) => path !== "" || !(context.hides ?? []).includes(member.name))
    .filter((member) => !isSettled(context, joinPath([...parsePath(path), member.name]), member.schema))
    .map((member) => (
      <Field
        key={member.name}
        context={context}
        path={joinPath([...parsePath(path), member.name])}
        schema={member.schema}
        name={member.name}
        isRequired={member.isRequired}
      />
    ));
}

/** Tell whether there is nothing to choose: one value is possible, and it is there. */
function isSettled({ schema: root, state }: Context, path: string, schema: Schema): boolean {
  const shape = shapeOf(schema, root);
  return shape.kind === "choice" && shape.options.length === 1 && getAt(state.value, parsePath(path)) === shape.options[0];
}

interface FieldProps {
  readonly context: Context;
  readonly path: string;
  readonly schema: Schema;
  readonly name: string;
  readonly isRequired: boolean;
}

function Field({ context, path, schema, name, isRequired }: FieldProps) {
  const shape = shapeOf(schema, context.schema);
  if (shape.kind === "object") return <Section context={context} path={path} shape={shape} name={name} />;
  if (shape.kind === "list") return <List context={context} path={path} shape={shape} name={name} rowNames={rowNamesOf(schema, context.schema)} />;
  const id = context.idOf(path);
  const error = shownErrorWithin(context, path, shape);
  const instead = context.instead?.(path, shape);
  const hint = hintOf(shape);
  return (
    <div className={classes["field"]} data-wide={shape.kind === "json" || undefined}>
      <label htmlFor={id} className={classes["label"]} title={shape.description}>
        {shape.title ?? name}
        {isRequired && <span className={classes["needed"]}> needed</span>}
      </label>
      <div className={classes["control"]}>
        {instead ?? <Control context={context} path={path} shape={shape} error={error} />}
        {context.beside?.(path, shape)}
      </div>
      <p id={`${id}-hint`} className={classes["hint"]}>
        {[shape.description, hint].filter((part) => part !== undefined && part !== "").join(": ")}
      </p>
      {error !== undefined && <p id={`${id}-error`} className={classes["error"]}>{error}</p>}
    </div>
  );
}

/** The error of a field, or of anything within it where it is a JSON part or an expression. */
function shownErrorWithin({ state, errors }: Context, path: string, shape: Shape): string | undefined {
  const own = shownError(state, errors, path);
  if (own !== undefined || (shape.kind !== "json" && shape.kind !== "formula")) return own;
  const inner = state.refused.find((error) => error.path.startsWith(`${path}.`) || error.path.startsWith(`${path}[`));
  if (inner === undefined || shape.kind === "formula") return inner?.message;
  return `${inner.path}: ${inner.message}`;
}

function Control(props: { context: Context; path: string; shape: Shape; error: string | undefined }) {
  const { context, path, shape, error } = props;
  const { state, dispatch } = context;
  const id = context.idOf(path);
  const text = textAt(state, path);
  const described = `${id}-hint${error === undefined ? "" : ` ${id}-error`}`;
  const shared = {
    id,
    "data-path": path,
    "aria-describedby": described,
    "aria-invalid": error !== undefined,
    onBlur: () => dispatch({ type: "left", path }),
  };
  if (shape.kind === "choice" || shape.kind === "switch") return <Choice {...props} shared={shared} />;
  if (shape.kind === "json") return <JsonField context={context} path={path} shape={shape} />;
  const converted = convertedText(shape, text);
  const isNumber = shape.kind === "number";
  return (
    <>
      <Input
        {...shared}
        className={isNumber ? classes["number"] : classes["text"]}
        error={error !== undefined}
        value={text}
        placeholder={shape.default === undefined || shape.default === null ? "" : String(shape.default)}
        inputMode={isNumber ? "text" : undefined}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => dispatch({ type: "typed", path, text: event.currentTarget.value })}
      />
      {(isNumber || shape.kind === "formula") && printUnit(shape.unit) !== "" && <span className={classes["unit"]}>{printUnit(shape.unit)}</span>}
      {converted !== undefined && <output className={classes["converted"]}>{converted}</output>}
    </>
  );
}

function Choice(props: { context: Context; path: string; shape: Shape; error: string | undefined; shared: object }) {
  const { context, path, shape } = props;
  const value = getAt(context.state.value, parsePath(path));
  const options: readonly Json[] = shape.kind === "choice" ? shape.options : [true, false];
  const chosen = options.findIndex((option) => option === value);
  const unset = shape.default === undefined ? "choose" : `${printOption(shape.default)} (default)`;
  return (
    <Input
      {...props.shared}
      component="select"
      className={classes["text"]}
      error={props.error !== undefined}
      value={value === undefined || (value === null && chosen < 0) ? "" : chosen < 0 ? "unknown" : String(chosen)}
      pointer
      rightSection={<span aria-hidden="true">▾</span>}
      rightSectionPointerEvents="none"
      onChange={(event) => {
        const option = event.currentTarget.value === "" ? undefined : options[Number(event.currentTarget.value)];
        context.dispatch({ type: "chosen", path, value: option });
      }}
    >
      <option value="">{unset}</option>
      {value !== undefined && value !== null && chosen < 0 && <option value="unknown">{printOption(value)}</option>}
      {options.map((option, index) => (
        <option key={index} value={index}>{printOption(option)}</option>
      ))}
    </Input>
  );
}

function printOption(option: Json): string {
  if (option === null) return "none";
  if (typeof option === "boolean") return option ? "yes" : "no";
  if (typeof option === "object") return JSON.stringify(option);
  return option === "degC" ? printUnit(option) : String(option).replaceAll("_", " ");
}

/** A part that the form has no fields for: its JSON, with errors by the same paths. */
function JsonField({ context, path, shape }: { context: Context; path: string; shape: Shape }) {
  const id = context.idOf(path);
  const error = shownErrorWithin(context, path, shape);
  return (
    <Textarea
      id={id}
      data-path={path}
      className={classes["json"] ?? ""}
      classNames={{ input: classes["code"] ?? "" }}
      rows={6}
      spellCheck={false}
      value={textAt(context.state, path)}
      error={error !== undefined}
      aria-invalid={error !== undefined}
      aria-describedby={`${id}-hint`}
      onBlur={() => context.dispatch({ type: "left", path })}
      onChange={(event) => context.dispatch({ type: "typed", path, text: event.currentTarget.value })}
    />
  );
}

function Section(props: { context: Context; path: string; shape: Shape & { kind: "object" }; name: string }) {
  const { context, path, shape, name } = props;
  const title = shape.title ?? name;
  return (
    <details
      className={classes["section"]}
      open={context.open.has(path)}
      onToggle={(event) => {
        if (event.currentTarget.open !== context.open.has(path)) context.onOpen(path, event.currentTarget.open);
      }}
    >
      <summary className={classes["summary"]} title={shape.description}>
        {title}
        <span className={classes["names"]}> {shape.members.map((member) => member.name).join(", ")}</span>
      </summary>
      <div className={classes["inner"]}>
        <Members context={context} path={path} members={shape.members} />
      </div>
    </details>
  );
}

/** Names of the rows of a list, where its schema has them, as those of a place: x, y, z. */
function rowNamesOf(schema: Schema, root: Schema): readonly string[] {
  const names = resolve(schema, root)["names"];
  return Array.isArray(names) ? names.map(String) : [];
}

function List(props: { context: Context; path: string; shape: Shape & { kind: "list" }; name: string; rowNames: readonly string[] }) {
  const { context, path, shape, name, rowNames } = props;
  const list = getAt(context.state.value, parsePath(path));
  const rows = Array.isArray(list) ? list.length : 0;
  const error = shownError(context.state, context.errors, path);
  const title = shape.title ?? name;
  const item = resolve(shape.item, context.schema);
  const isFixed = shape.least === shape.most && rows === shape.most;
  const hint = [shape.description, isFixed ? "" : hintOf(shape)].filter(Boolean).join(": ");
  const titles = Array.isArray(item["titles"]) ? (item["titles"] as readonly unknown[]) : [];
  const each = typeof item["title"] === "string" ? item["title"] : title;
  const titleOf = (index: number) => {
    if (typeof titles[index] === "string") return titles[index];
    if (rowNames[index] !== undefined) return `${title} ${rowNames[index]}`;
    return rows === 1 && isFixed ? title : `${each} ${index + 1}`;
  };
  const hasHead = !isFixed || hint !== "" || error !== undefined;
  return (
    <div role="group" aria-label={title} className={classes["list"]}>
      {hasHead && <div className={classes["field"]}>
        <span className={classes["label"]}>{title}</span>
        {isFixed ? <span /> : (
          <Button size="compact-sm" className={classes["add"] ?? ""} data-path={path} disabled={rows >= shape.most} onClick={() => context.dispatch({ type: "added", path })}>
            Add a row
          </Button>
        )}
        {hint !== "" && <p className={classes["hint"]}>{hint}</p>}
        {error !== undefined && <p className={classes["error"]}>{error}</p>}
      </div>}
      {Array.from({ length: rows }, (_, index) => {
        const row = joinPath([...parsePath(path), index]);
        return (
          <div key={row} className={classes["row"]}>
            <Field context={context} path={row} schema={{ unit: shape.unit, ...item, title: titleOf(index) }} name={`${index + 1}`} isRequired={false} />
            {!isFixed && (
              <Button size="compact-sm" variant="subtle" aria-label={`Remove ${title} ${index + 1}`} onClick={() => context.dispatch({ type: "removed", path: row })}>
                Remove
              </Button>
            )}
          </div>
        );
      })}
    </div>
  );
}

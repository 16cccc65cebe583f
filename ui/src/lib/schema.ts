/**
 * Forms from JSON Schema, for the part of it that pydantic writes: what each field takes, and the state of a form as a
 * pure reducer. What was typed is kept as text until it is right; nothing here knows how a field is drawn.
 */
import { getAt, isRecord, type Json, joinPath, omit, parsePath, type Path, removeAt, setAt } from "./json";
import { parseQuantity, printUnit } from "./units";

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** The widest list that is shown row by row; a longer one is edited as JSON. */
const MOST_ROWS = 50;

interface Common {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly unit?: string | undefined;
  readonly default?: Json | undefined;
  /** Whether null is a value of its own, beside what the shape takes. */
  readonly isNullable: boolean;
}

export interface Limits {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
}

/**
 * What a field takes. A `formula` is a number, an expression, or a table as JSON, in one line of text. Everything beyond
 * these is `json`: a text with the JSON of that part.
 */
export type Shape = Common &
  (
    | (Limits & { readonly kind: "number"; readonly isInteger: boolean; readonly isLog: boolean })
    | { readonly kind: "text"; readonly pattern?: string | undefined; readonly least: number; readonly most?: number | undefined }
    | { readonly kind: "switch" }
    | { readonly kind: "choice"; readonly options: readonly Json[] }
    | { readonly kind: "object"; readonly members: readonly Member[] }
    | { readonly kind: "list"; readonly item: Schema; readonly least: number; readonly most: number }
    | { readonly kind: "formula" }
    | { readonly kind: "json" }
  );

export interface Member {
  readonly name: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** Follow `$ref` within the document; members beside it (a default, a description) go before those of its target. */
export function resolve(schema: Schema, root: Schema, depth = 0): Schema {
  const ref = schema["$ref"];
  if (typeof ref !== "string" || !ref.startsWith("#/") || depth > 20) return schema;
  const target = ref.slice(2).split("/").reduce<unknown>(
    (at, name) => (isRecord(at) ? at[name.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined),
    root,
  );
  const beside = omit(schema, "$ref");
  return isRecord(target) ? resolve({ ...(target as Schema), ...beside }, root, depth + 1) : beside;
}

/** Tell what a schema takes. */
export function shapeOf(given: Schema, root: Schema): Shape {
  let schema = resolve(given, root);
  let isNullable = false;
  const either = schema["anyOf"] ?? schema["oneOf"];
  if (isFormula(either, root)) return { ...common(schema, false), kind: "formula" };
  if (Array.isArray(either)) {
    const others = either.filter((item) => !(isRecord(item) && item["type"] === "null")) as Schema[];
    isNullable = others.length < either.length;
    const beside = omit(schema, "anyOf", "oneOf");
    schema = others.length === 1 ? { ...resolve(others[0] ?? {}, root), ...beside } : { ...beside, type: "any of these" };
  }
  const type = schema["type"];
  if (Array.isArray(type)) {
    const others = type.filter((name) => name !== "null");
    isNullable ||= others.length < type.length;
    schema = { ...schema, type: others.length === 1 ? others[0] : "any of these" };
  }
  return { ...common(schema, isNullable), ...plainShape(schema) };
}

/** Tell whether a value may be a number or `{"expression": …}`. */
function isFormula(either: unknown, root: Schema): boolean {
  if (!Array.isArray(either)) return false;
  const all = either.map((item) => (isRecord(item) ? resolve(item as Schema, root) : {}));
  const isExpression = (item: Schema) => isRecord(item["properties"]) && "expression" in item["properties"];
  return all.some((item) => item["type"] === "number") && all.some(isExpression);
}

type Plain = Shape extends infer One ? (One extends Shape ? Omit<One, keyof Common> : never) : never;

function plainShape(schema: Schema): Plain {
  const number = (name: string) => (typeof schema[name] === "number" ? schema[name] : undefined);
  if (Array.isArray(schema["enum"])) return { kind: "choice", options: schema["enum"] as Json[] };
  if ("const" in schema) return { kind: "choice", options: [schema["const"] as Json] };
  const [minimum, maximum] = [number("minimum"), number("maximum")];
  const [exclusiveMinimum, exclusiveMaximum] = [number("exclusiveMinimum"), number("exclusiveMaximum")];
  switch (schema["type"]) {
    case "number":
    case "integer":
      return {
        kind: "number", isInteger: schema["type"] === "integer", isLog: schema["scale"] === "log",
        minimum, maximum, exclusiveMinimum, exclusiveMaximum,
      };
    case "string": {
      const pattern = typeof schema["pattern"] === "string" ? schema["pattern"] : undefined;
      return { kind: "text", pattern, least: number("minLength") ?? 0, most: number("maxLength") };
    }
    case "boolean":
      return { kind: "switch" };
    case "object":
      return objectShape(schema);
    case "array": {
      const most = number("maxItems") ?? MOST_ROWS;
      if (!isRecord(schema["items"]) || most > MOST_ROWS) return { kind: "json" };
      return { kind: "list", item: schema["items"] as Schema, least: number("minItems") ?? 0, most };
    }
    default:
      return { kind: "json" };
  }
}

/** Objects with rules between their members, or with members of any name, are JSON. */
function objectShape(schema: Schema): Plain {
  const properties = schema["properties"];
  const isOpen = schema["additionalProperties"] !== undefined && schema["additionalProperties"] !== false;
  const hasRules = ["if", "allOf", "not", "dependentSchemas", "patternProperties"].some((name) => name in schema);
  if (!isRecord(properties) || isOpen || hasRules) return { kind: "json" };
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const members = Object.entries(properties).map(([name, member]) => ({
    name, schema: isRecord(member) ? (member as Schema) : {}, isRequired: required.includes(name),
  }));
  return { kind: "object", members };
}

function common(schema: Schema, isNullable: boolean): Common {
  const text = (name: string) => (typeof schema[name] === "string" ? schema[name] : undefined);
  return {
    title: text("title"), description: text("description"), unit: text("unit"),
    default: schema["default"] as Json | undefined, isNullable,
  };
}

/** Members that a schema of parameters has by name; nothing where it is no closed object. */
export function membersOf(schema: Schema): readonly Member[] {
  const shape = shapeOf(schema, schema);
  return shape.kind === "object" ? shape.members : [];
}

/** Find the schema of the field at a path, or undefined where there is none, as within a JSON part. */
export function schemaAt(schema: Schema, path: Path): Schema | undefined {
  let at: Schema = schema;
  for (const step of path) {
    const shape = shapeOf(at, schema);
    if (shape.kind === "object") {
      const member = shape.members.find(({ name }) => name === step);
      if (member === undefined) return undefined;
      at = member.schema;
    } else if (shape.kind === "list" && typeof step === "number") {
      at = shape.item;
    } else return undefined;
  }
  return at;
}

/** Say what a field takes, before anything is wrong: `1e-6 to 1e6, default 1`. */
export function hintOf(shape: Shape): string {
  const parts = [limitsText(shape)];
  if (shape.kind === "text" && shape.most !== undefined) parts.push(`up to ${shape.most} characters`);
  if (shape.default === null) parts.push("may be left out");
  else if (shape.default !== undefined && !isRecord(shape.default) && !Array.isArray(shape.default)) {
    parts.push(`default ${typeof shape.default === "number" ? printPlain(shape.default) : String(shape.default)}`);
  }
  return parts.filter((part) => part !== "").join(", ");
}

function limitsText(shape: Shape): string {
  if (shape.kind === "list") {
    return shape.least === shape.most ? `${shape.least} values` : `${shape.least} to ${shape.most} values`;
  }
  if (shape.kind !== "number") return "";
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = shape;
  const low = exclusiveMinimum !== undefined ? `above ${printPlain(exclusiveMinimum)}` : minimum;
  const high = exclusiveMaximum !== undefined ? `below ${printPlain(exclusiveMaximum)}` : maximum;
  if (typeof low === "number" && typeof high === "number") return `${printPlain(low)} to ${printPlain(high)}`;
  const lowText = typeof low === "number" ? `at least ${printPlain(low)}` : (low ?? "");
  const highText = typeof high === "number" ? `at most ${printPlain(high)}` : (high ?? "");
  return [lowText, highText].filter((part) => part !== "").join(", ");
}

/** A number as it could be typed: `0.01`, `1e-6`, `1e6`; all its digits. */
export function printPlain(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return String(value);
  const [plain, power] = [String(value), value.toExponential().replace("e+", "e")];
  return power.length < plain.length ? power : plain;
}

export interface FieldError {
  readonly path: string;
  readonly message: string;
}

export interface FormState {
  /** The parameters as they would be sent. What cannot be read stands in it as it was typed. */
  readonly value: Json;
  /** Texts as they were typed, by path, as long as they are what the value was read from. */
  readonly texts: Readonly<Record<string, string>>;
  /** Paths of fields that were left once: their errors are shown. */
  readonly left: Readonly<Record<string, true>>;
  /** Errors that the server named, until the field is changed. */
  readonly refused: readonly FieldError[];
  /** Counts refusals, so that the first field is focused once for each. */
  readonly refusals: number;
  /** All errors are shown, also of fields that were never entered. */
  readonly showsAll: boolean;
}

export type FormAction =
  | { readonly type: "typed"; readonly path: string; readonly text: string }
  | { readonly type: "chosen"; readonly path: string; readonly value: Json | undefined }
  | { readonly type: "left"; readonly path: string }
  | { readonly type: "added"; readonly path: string }
  | { readonly type: "removed"; readonly path: string }
  | { readonly type: "refused"; readonly errors: readonly FieldError[] }
  | { readonly type: "asked" }
  | { readonly type: "replaced"; readonly value: Json };

export function startForm(value: Json = {}): FormState {
  return { value, texts: {}, left: {}, refused: [], refusals: 0, showsAll: false };
}

/** Return the form after an action; `schema` is the whole form's. Pure. */
export function reduceForm(schema: Schema, state: FormState, action: FormAction): FormState {
  switch (action.type) {
    case "typed": {
      const field = schemaAt(schema, parsePath(action.path));
      const read = readText(field === undefined ? { kind: "json", isNullable: false } : shapeOf(field, schema), action.text);
      const value = read === undefined
        ? removeAt(state.value, parsePath(action.path))
        : setAt(state.value, parsePath(action.path), read);
      return { ...clear(state, action.path), value, texts: { ...state.texts, [action.path]: action.text } };
    }
    case "chosen": {
      const path = parsePath(action.path);
      const value = action.value === undefined ? removeAt(state.value, path) : setAt(state.value, path, action.value);
      return { ...clear(state, action.path), value, texts: without(state.texts, action.path) };
    }
    case "left":
      return state.left[action.path] === true ? state : { ...state, left: { ...state.left, [action.path]: true } };
    case "added": {
      const path = parsePath(action.path);
      const field = schemaAt(schema, path);
      const list = getAt(state.value, path);
      const item = field === undefined ? undefined : shapeOf(field, schema);
      const blank = item?.kind === "list" ? blankOf(item.item, schema) : "";
      return { ...clear(state, action.path), value: setAt(state.value, path, [...(Array.isArray(list) ? list : []), blank]) };
    }
    case "removed": {
      const path = parsePath(action.path);
      const parent = joinPath(path.slice(0, -1));
      return { ...clear(state, parent), value: removeAt(state.value, path), texts: without(state.texts, parent) };
    }
    case "refused":
      return { ...state, refused: action.errors, refusals: state.refusals + 1, showsAll: true };
    case "asked":
      return { ...state, refused: [], refusals: state.refusals + 1, showsAll: true };
    case "replaced":
      return { ...startForm(action.value), refusals: state.refusals, showsAll: true };
  }
}

/** Drop the server's errors of a field that changes, and of its parts. */
function clear(state: FormState, path: string): FormState {
  return { ...state, refused: state.refused.filter((error) => !isWithin(error.path, path)) };
}

function isWithin(path: string, parent: string): boolean {
  return parent === "" || path === parent || path.startsWith(`${parent}.`) || path.startsWith(`${parent}[`);
}

function without(texts: FormState["texts"], parent: string): FormState["texts"] {
  return Object.fromEntries(Object.entries(texts).filter(([path]) => !isWithin(path, parent)));
}

/** What a text stands for; undefined where the field is empty and so left out. A wrong text stands for itself. */
function readText(shape: Shape, text: string): Json | undefined {
  if (text.trim() === "" && !(shape.kind === "text" && shape.least === 0 && shape.default === undefined)) {
    return undefined;
  }
  if (shape.kind === "number") {
    const parsed = parseQuantity(text, shape.unit);
    return parsed.ok ? parsed.value : text;
  }
  if (shape.kind === "formula" && !/^\s*[[{]/.test(text)) {
    const parsed = parseQuantity(text, shape.unit);
    return parsed.ok ? parsed.value : { expression: text.trim() };
  }
  if (shape.kind !== "json" && shape.kind !== "formula" && shape.kind !== "object" && shape.kind !== "list") return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** What a new row of a list begins as. */
function blankOf(item: Schema, root: Schema): Json {
  const shape = shapeOf(item, root);
  if (shape.default !== undefined) return shape.default;
  if (shape.kind === "choice") return shape.options[0] ?? null;
  if (shape.kind === "object" || shape.kind === "json") return {};
  return shape.kind === "switch" ? false : shape.kind === "list" ? [] : "";
}

/** Return the text that a field shows: as typed, else its value. */
export function textAt(state: FormState, path: string): string {
  const typed = state.texts[path];
  if (typed !== undefined) return typed;
  return printJson(getAt(state.value, parsePath(path)));
}

function printJson(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return printPlain(value);
  if (isRecord(value) && Object.keys(value).length === 1 && typeof value["expression"] === "string") return value["expression"];
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Return all that is wrong with a form's value, in the order of its fields. The server decides what is left open. */
export function findErrors(schema: Schema, state: FormState): FieldError[] {
  const found: FieldError[] = [];
  check(schema, schema, state, [], true, found);
  return found;
}

function check(field: Schema, root: Schema, state: FormState, path: Path, isRequired: boolean, found: FieldError[]): void {
  const shape = shapeOf(field, root);
  const value = getAt(state.value, path);
  const name = joinPath(path);
  const wrong = (message: string) => void found.push({ path: name, message });
  if (value === undefined || (value === null && !shape.isNullable)) {
    if (isRequired && path.length > 0 && shape.default === undefined) wrong("A value is missing.");
    return;
  }
  if (value === null) return;
  if (shape.kind === "object") {
    if (!isRecord(value)) return wrong("This must be an object.");
    for (const member of shape.members) check(member.schema, root, state, [...path, member.name], member.isRequired, found);
    const known = new Set(shape.members.map((member) => member.name));
    for (const key of Object.keys(value).filter((key) => !known.has(key))) {
      found.push({ path: joinPath([...path, key]), message: "There is no such parameter." });
    }
    return;
  }
  if (shape.kind === "list") {
    if (!Array.isArray(value)) return wrong("This must be a list.");
    if (value.length < shape.least || value.length > shape.most) wrong(`This must have ${limitsText(shape)}.`);
    value.forEach((_, index) => check(shape.item, root, state, [...path, index], true, found));
    return;
  }
  const message = checkPlain(shape, value, state.texts[name]);
  if (message !== undefined) wrong(message);
}

/** Say what is wrong with the value of a single field, or return undefined. */
export function checkPlain(shape: Shape, value: Json, text?: string): string | undefined {
  switch (shape.kind) {
    case "number":
      return checkNumber(shape, value, text);
    case "text": {
      if (typeof value !== "string") return "This must be a text.";
      if (value.length < shape.least) return `This must have at least ${shape.least} characters.`;
      if (shape.most !== undefined && value.length > shape.most) return `This may have ${shape.most} characters at most.`;
      if (shape.pattern !== undefined && !matches(shape.pattern, value)) return `This must match ${shape.pattern}.`;
      return undefined;
    }
    case "switch":
      return typeof value === "boolean" ? undefined : "This must be true or false.";
    case "choice": {
      const isOne = shape.options.some((option) => option === value);
      return isOne ? undefined : `This must be one of: ${shape.options.map(String).join(", ")}.`;
    }
    case "formula":
      return typeof value === "string" ? jsonFault(value) : undefined; // the grammar is the server's to check
    default:
      return text === undefined || text.trim() === "" ? undefined : jsonFault(text);
  }
}

function checkNumber(shape: Shape & { kind: "number" }, value: Json, text: string | undefined): string | undefined {
  if (typeof value !== "number") {
    const parsed = parseQuantity(text ?? String(value), shape.unit);
    return parsed.ok ? "This must be a number, not a text." : parsed.reason;
  }
  const unit = printUnit(shape.unit);
  const withUnit = (limit: number) => `${printPlain(limit)}${unit === "" ? "" : ` ${unit}`}`;
  if (!Number.isFinite(value)) return "This must be a finite number.";
  if (shape.isInteger && !Number.isInteger(value)) return "This must be a whole number.";
  if (shape.minimum !== undefined && value < shape.minimum) return `Must be at least ${withUnit(shape.minimum)}.`;
  if (shape.maximum !== undefined && value > shape.maximum) return `Must be at most ${withUnit(shape.maximum)}.`;
  if (shape.exclusiveMinimum !== undefined && value <= shape.exclusiveMinimum) {
    return `Must be above ${withUnit(shape.exclusiveMinimum)}.`;
  }
  if (shape.exclusiveMaximum !== undefined && value >= shape.exclusiveMaximum) {
    return `Must be below ${withUnit(shape.exclusiveMaximum)}.`;
  }
  return undefined;
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true; // a pattern of another dialect is the server's to check
  }
}

/** Say where a text stops being JSON, or return undefined. */
export function jsonFault(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Return what stands beside a field whose text was converted: `= 0.5 m`. */
export function convertedText(shape: Shape, text: string): string | undefined {
  if (shape.kind !== "number") return undefined;
  const parsed = parseQuantity(text, shape.unit);
  if (!parsed.ok || parsed.unit === null || printUnit(parsed.unit) === printUnit(shape.unit)) return undefined;
  return `= ${printPlain(parsed.value)}\u2009${printUnit(shape.unit)}`;
}

/** The error that a field shows now: the server's, or the page's own once the field was left or all was asked for. */
export function shownError(state: FormState, errors: readonly FieldError[], path: string): string | undefined {
  const refused = state.refused.find((error) => error.path === path);
  if (refused !== undefined) return refused.message;
  if (!state.showsAll && state.left[path] !== true) return undefined;
  return errors.find((error) => error.path === path)?.message;
}

/**
 * Return the errors of a form's own fields out of those of a problem document, by paths within the form.
 *
 * @param prefixes What stands before a path on the server, as `params`; a path without any of them is taken as it is.
 */
export function fieldsOf(errors: readonly { field: string; message: string }[], prefixes: readonly string[] = ["params"]) {
  return errors.map(({ field, message }) => {
    const prefix = prefixes.find((one) => field.startsWith(`${one}.`));
    return { path: prefix === undefined ? field : field.slice(prefix.length + 1), message };
  });
}

/** Return the path of the nearest field that is shown for a path, which may lead into a JSON part. */
export function shownPath(schema: Schema, path: string): string {
  const steps = parsePath(path);
  for (let length = steps.length; length > 0; length -= 1) {
    if (schemaAt(schema, steps.slice(0, length)) !== undefined) return joinPath(steps.slice(0, length));
  }
  return path;
}


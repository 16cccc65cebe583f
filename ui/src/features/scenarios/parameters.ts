/** Parameters of a scenario as fields of a form: numbers, choices and switches of its JSON Schema. */
import { formatNumber } from "@/lib/format";
import { parseQuantity, printUnit } from "@/lib/units";

export interface Parameter {
  readonly name: string;
  readonly title: string;
  readonly what: string;
  readonly unit: string;
  readonly kind: "number" | "integer" | "boolean" | "choice" | "text";
  readonly choices: readonly string[];
  readonly initial: string;
  readonly least: number | undefined;
  readonly most: number | undefined;
  /** Whether the ends themselves are refused. */
  readonly isOpen: boolean;
}

type Raw = Readonly<Record<string, unknown>>;

/** Read the properties of a schema; what is no number, choice or switch is a text of JSON. */
export function readParameters(schema: Raw, defaults: Raw): Parameter[] {
  const properties = (schema["properties"] ?? {}) as Record<string, Raw>;
  return Object.entries(properties).map(([name, raw]) => {
    const choices = Array.isArray(raw["enum"]) ? raw["enum"].map(String) : [];
    const type = String(raw["type"] ?? "");
    const kind = choices.length > 0 ? "choice" : type === "number" || type === "integer" || type === "boolean" ? type : "text";
    const initial = defaults[name] ?? raw["default"];
    const number = (key: string) => (typeof raw[key] === "number" ? raw[key] : undefined);
    return {
      name, kind, choices,
      title: typeof raw["title"] === "string" ? raw["title"] : name,
      what: typeof raw["description"] === "string" ? raw["description"] : "",
      unit: typeof raw["unit"] === "string" ? raw["unit"] : "",
      initial: typeof initial === "object" ? JSON.stringify(initial) : initial === undefined ? "" : String(initial),
      least: number("minimum") ?? number("exclusiveMinimum"),
      most: number("maximum") ?? number("exclusiveMaximum"),
      isOpen: raw["exclusiveMinimum"] !== undefined || raw["exclusiveMaximum"] !== undefined,
    };
  });
}

export type Value = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

/** Read what was typed for a parameter; the text itself is never changed. */
export function readValue(parameter: Parameter, text: string): Value {
  const { kind, least, most, isOpen, unit } = parameter;
  if (kind === "boolean") return { ok: true, value: text === "true" };
  if (kind === "choice") return { ok: true, value: text };
  if (kind === "text") {
    try {
      return { ok: true, value: JSON.parse(text) as unknown };
    } catch {
      return { ok: false, reason: "This is not JSON." };
    }
  }
  const read = parseQuantity(text, unit);
  if (!read.ok) return read;
  if (kind === "integer" && !Number.isInteger(read.value)) return { ok: false, reason: "A whole number is needed." };
  const isBelow = least !== undefined && (isOpen ? read.value <= least : read.value < least);
  const isAbove = most !== undefined && (isOpen ? read.value >= most : read.value > most);
  return isBelow || isAbove ? { ok: false, reason: `It must be ${limitsOf(parameter)}.` } : { ok: true, value: read.value };
}

/** The limits in words: `1 to 300 s`. */
export function limitsOf({ least, most, unit }: Parameter): string {
  const printed = printUnit(unit) === "" ? "" : `\u2009${printUnit(unit)}`;
  if (least !== undefined && most !== undefined) return `${short(least)} to ${short(most)}${printed}`;
  if (least !== undefined) return `at least ${short(least)}${printed}`;
  return most === undefined ? "" : `at most ${short(most)}${printed}`;
}

/** A limit without digits that say nothing: 0.02, 300, 10⁹. */
function short(limit: number): string {
  const size = Math.abs(limit);
  return limit === 0 || (size >= 1e-4 && size < 1e6) ? String(Number(limit.toPrecision(6))) : formatNumber(limit, 2);
}

/** Read numbers of cells as they are typed: `128x128`, `64 64`, `50`. */
export function readCells(text: string, counts: readonly number[]): Value {
  if (text.trim() === "") return { ok: true, value: null };
  const parts = text.trim().split(/\s*[x×,\s]\s*/).map(Number);
  if (!parts.every((part) => Number.isInteger(part) && part > 0)) return { ok: false, reason: "Write whole numbers, as in 128x128." };
  if (!counts.includes(parts.length)) return { ok: false, reason: `This scenario takes ${counts.join(" or ")} numbers.` };
  return { ok: true, value: parts };
}

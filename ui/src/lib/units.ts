/** Units as the schema writes them ("m2/s"), as people read them ("m²/s"), and what may be typed instead. */

const SUPERSCRIPTS: Record<string, string> = { "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "6": "⁶" };

/**
 * Return a unit of the schema as it is printed: `m2/s` as `m²/s`, `W/(m K)` as `W/(m·K)`, `degC` as `°C`.
 * Units without dimension (`1`, `-`, empty) are printed as nothing.
 */
export function printUnit(unit: string | null | undefined): string {
  if (unit === null || unit === undefined || unit === "" || unit === "1" || unit === "-") return "";
  return unit
    .replace(/\bdegC\b/g, "°C")
    .replace(/\*\*|\^/g, "")
    .replace(/([A-Za-z])(-?[0-9])/g, (_, letter: string, power: string) => letter + superscript(power))
    .replace(/(?<=\S)[ *](?=\S)/g, "·");
}

function superscript(power: string): string {
  return [...power].map((sign) => SUPERSCRIPTS[sign] ?? sign).join("");
}

/** A unit that may be typed: value in SI = value * factor + offset. */
interface Conversion {
  readonly si: string;
  readonly factor: number;
  readonly offset?: number;
}

/** Spellings of the units that a number field takes; each says which unit of the schema it is converted to. */
export const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  m: { si: "m", factor: 1 },
  cm: { si: "m", factor: 1e-2 },
  mm: { si: "m", factor: 1e-3 },
  um: { si: "m", factor: 1e-6 },
  µm: { si: "m", factor: 1e-6 },
  km: { si: "m", factor: 1e3 },
  in: { si: "m", factor: 0.0254 },
  ft: { si: "m", factor: 0.3048 },
  s: { si: "s", factor: 1 },
  ms: { si: "s", factor: 1e-3 },
  us: { si: "s", factor: 1e-6 },
  min: { si: "s", factor: 60 },
  h: { si: "s", factor: 3600 },
  d: { si: "s", factor: 86400 },
  K: { si: "K", factor: 1 },
  degC: { si: "K", factor: 1, offset: 273.15 },
  "°C": { si: "K", factor: 1, offset: 273.15 },
  W: { si: "W", factor: 1 },
  mW: { si: "W", factor: 1e-3 },
  kW: { si: "W", factor: 1e3 },
  MW: { si: "W", factor: 1e6 },
  Pa: { si: "Pa", factor: 1 },
  kPa: { si: "Pa", factor: 1e3 },
  MPa: { si: "Pa", factor: 1e6 },
  GPa: { si: "Pa", factor: 1e9 },
  bar: { si: "Pa", factor: 1e5 },
  "m2/s": { si: "m2/s", factor: 1 },
  "mm2/s": { si: "m2/s", factor: 1e-6 },
  "cm2/s": { si: "m2/s", factor: 1e-4 },
  "m/s": { si: "m/s", factor: 1 },
  "mm/s": { si: "m/s", factor: 1e-3 },
  "km/h": { si: "m/s", factor: 1 / 3.6 },
  "kg/m3": { si: "kg/m3", factor: 1 },
  "g/cm3": { si: "kg/m3", factor: 1e3 },
  "W/m2": { si: "W/m2", factor: 1 },
  "kW/m2": { si: "W/m2", factor: 1e3 },
  "W/cm2": { si: "W/m2", factor: 1e4 },
  "W/m3": { si: "W/m3", factor: 1 },
  "kW/m3": { si: "W/m3", factor: 1e3 },
  "MW/m3": { si: "W/m3", factor: 1e6 },
  J: { si: "J", factor: 1 },
  kJ: { si: "J", factor: 1e3 },
  "%": { si: "1", factor: 1e-2 },
};

export type Parsed =
  | { readonly ok: true; readonly value: number; readonly unit: string | null }
  | { readonly ok: false; readonly reason: string };

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i;

/**
 * Read what was typed into a number field: `1e-3`, `50 cm`, `−4` (also with the typographic minus).
 *
 * @param text What was typed; it is never changed.
 * @param unit The field's unit in the schema; what was typed in another unit of its dimension is converted.
 * @returns The value in the field's unit and the unit that was typed, or the reason why it is no number.
 */
export function parseQuantity(text: string, unit?: string | null): Parsed {
  const plain = text.trim().replace(/\u2212/g, "-");
  if (plain === "") return { ok: false, reason: "A number is missing." };
  if (/^[+-]?\d+,\d/.test(plain)) {
    return { ok: false, reason: `Write a point instead of the comma: ${plain.replace(",", ".")}` };
  }
  const match = NUMBER.exec(plain);
  if (match === null) return { ok: false, reason: `"${shorten(plain)}" is not a number.` };
  const value = Number(match[0]);
  const rest = plain.slice(match[0].length).trim();
  if (!Number.isFinite(value)) return { ok: false, reason: "The number is too large." };
  if (rest === "") return { ok: true, value, unit: null };
  return convert(value, rest, unit ?? "");
}

function convert(value: number, typed: string, unit: string): Parsed {
  const plain = typed.replace(/²/g, "2").replace(/³/g, "3").replace(/μ/g, "µ");
  if (plain === unit || plain === printUnit(unit)) return { ok: true, value, unit: typed };
  const from = CONVERSIONS[plain];
  const to = CONVERSIONS[unit === "" ? "1" : unit] ?? { si: unit === "" ? "1" : unit, factor: 1 };
  if (from === undefined || from.si !== to.si) {
    const wanted = unit === "" ? "This field has no unit" : `This field is in ${printUnit(unit)}`;
    return { ok: false, reason: `${wanted}; "${shorten(typed)}" does not fit.` };
  }
  const si = value * from.factor + (from.offset ?? 0);
  return { ok: true, value: tidy((si - (to.offset ?? 0)) / to.factor), unit: typed };
}

/** Return the unit in which differences of a quantity are given: kelvin for temperatures. */
export function differenceUnit(unit: string): string {
  return unit === "degC" || unit === "°C" ? "K" : unit;
}

/** Drop the roundings of a conversion, which are beyond the fifteenth digit. */
function tidy(value: number): number {
  return Number(value.toPrecision(15));
}

function shorten(text: string): string {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

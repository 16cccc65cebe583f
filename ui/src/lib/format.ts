/** Numbers, times and durations as the page prints them; none of these ever throws. */
import { printUnit } from "./units";

const THIN_SPACE = "\u2009";
const MINUS = "\u2212";
export const MISSING = "–";

/**
 * Return a number with as many significant digits as are known, with a typographic minus.
 * Plain from 0.001 up to 100 000, in powers of ten beyond (`1.2×10⁻⁵`); trailing zeros are kept, since they are known.
 */
export function formatNumber(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return formatCount(value);
  const exponent = Math.floor(Math.log10(Number(size.toPrecision(digits))));
  if (exponent < -3 || exponent >= 6) {
    const [mantissa = "", power = "0"] = size.toExponential(digits - 1).split("e");
    return `${value < 0 ? MINUS : ""}${mantissa}×10${raise(Number(power))}`;
  }
  const text = size.toFixed(Math.max(0, Math.min(20, digits - 1 - exponent)));
  return (value < 0 ? MINUS : "") + group(text);
}

/** Return how many significant digits a number was written with, six at most: what somebody gave is shown as given. */
export function givenDigits(value: number): number {
  const [mantissa = ""] = Number(value.toPrecision(6)).toExponential().split("e");
  return Math.max(1, mantissa.replace(/[-.]/g, "").length);
}

/** Return a whole number with thin spaces between thousands, from 10 000 on. */
export function formatCount(value: number): string {
  return (value < 0 ? MINUS : "") + group(Math.abs(Math.round(value)).toString());
}

/** Return a value and its unit with a thin space between: `0.005 m²/s`. */
export function formatQuantity(value: number | null | undefined, unit?: string | null, digits = 4): string {
  const text = formatNumber(value, digits);
  const printed = printUnit(unit);
  return printed === "" || text === MISSING ? text : `${text}${printed === "%" ? "" : THIN_SPACE}${printed}`;
}

/** Return a tick of an axis with an engineering prefix: `20 k`, `1.5 M`. Only for axes. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 1e-3)) return formatNumber(value, 2);
  if (size >= 1e6) return `${trim(value / 1e6)}${THIN_SPACE}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}${THIN_SPACE}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(6))).replace("-", MINUS);
}

/** Return a fraction in percent: `58 %`; below one percent, and just below all, with a digit that tells so. */
export function formatPercent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined || !Number.isFinite(fraction)) return MISSING;
  const percent = fraction * 100;
  const isNearEnd = (percent > 0 && percent < 1) || (percent > 99 && percent < 100);
  const text = isNearEnd ? (Math.floor(percent * 10) / 10).toFixed(1) : Math.round(percent).toString();
  return `${text}${THIN_SPACE}%`;
}

/** Return bytes in decimal units: `235 kB`. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return MISSING;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let index = 0;
  while (value >= 999.5 && index < units.length - 1) {
    value /= 1000;
    index += 1;
  }
  return `${index === 0 ? value : trim(Number(value.toPrecision(3)))}${THIN_SPACE}${units[index] ?? "B"}`;
}

/** Return a duration in seconds as people say it: `0.31 s`, `4 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return MISSING;
  const size = Math.max(0, seconds);
  const unit = (value: number, name: string) => `${value}${THIN_SPACE}${name}`;
  if (size === 0) return unit(0, "s");
  if (size < 0.0095) return unit(Number((size * 1e3).toPrecision(2)), "ms");
  if (size < 9.95) return unit(Number(size.toPrecision(2)), "s");
  const whole = Math.round(size);
  if (whole < 60) return unit(whole, "s");
  const pair = (large: number, largeName: string, small: number, smallName: string) =>
    small === 0 ? unit(large, largeName) : `${unit(large, largeName)} ${unit(small, smallName)}`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** Return how long ago something was, in one unit: `12 s ago`, `4 min ago`; `in 3 s` for what is to come. */
export function formatAge(seconds: number): string {
  const size = Math.abs(seconds);
  const [value, name] =
    size < 60 ? [size, "s"] : size < 3600 ? [size / 60, "min"] : size < 86400 ? [size / 3600, "h"] : [size / 86400, "d"];
  const text = `${Math.floor(value)}${THIN_SPACE}${name}`;
  if (size < 1) return "now";
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** Return a moment in the viewer's zone: `14:02:11` today, `29 Nov 14:02:11` this year, else with the year. */
export function formatTime(moment: Date, now: Date = new Date(), timeZone?: string): string {
  if (Number.isNaN(moment.getTime())) return MISSING;
  const format = dateFormat(timeZone);
  const parts = (date: Date) => Object.fromEntries(format.formatToParts(date).map((part) => [part.type, part.value]));
  const [then, today] = [parts(moment), parts(now)];
  const clock = `${then["hour"]}:${then["minute"]}:${then["second"]}`;
  if (then["year"] !== today["year"]) return `${then["day"]} ${then["month"]} ${then["year"]} ${clock}`;
  if (then["month"] !== today["month"] || then["day"] !== today["day"]) return `${then["day"]} ${then["month"]} ${clock}`;
  return clock;
}

const dateFormats = new Map<string | undefined, Intl.DateTimeFormat>(); // each costs more to make than a row of a list

function dateFormat(timeZone: string | undefined): Intl.DateTimeFormat {
  const known = dateFormats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23", ...(timeZone === undefined ? {} : { timeZone }),
  });
  dateFormats.set(timeZone, made);
  return made;
}

/** Return the short name of the viewer's zone, as in `CET` or `GMT+1`. */
export function zoneName(now: Date = new Date(), timeZone?: string): string {
  const zone = timeZone === undefined ? {} : { timeZone };
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short", ...zone }).formatToParts(now);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
}

/** Return the start of an identifier, which is enough to tell rows apart; the whole of it is on hover and on copy. */
export function shortId(id: string): string {
  return id.length <= 13 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`;
}

/** Return `1 job`, `412 jobs`: a count with its noun. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : many}`;
}

const PROPER = /^(Young|Poisson|Stefan|Fourier|Peclet|Newton|[A-Z]{2})/; // names of people, and abbreviations

/** Return a title as it stands within a sentence: `Heat flux` as `heat flux`. */
export function inSentence(title: string): string {
  return PROPER.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1);
}

function group(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const grouped = whole.length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function raise(power: number): string {
  const signs = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  return (power < 0 ? "⁻" : "") + [...Math.abs(power).toString()].map((digit) => signs[Number(digit)]).join("");
}

/** Search parameters of the address: written plainly (`?status=failed,timed_out&sim=heat`), read without trust. */

type Value = string | readonly string[];
export type RawSearch = Record<string, unknown>;

/** Read a query string. A raw comma separates the members of a list; a comma inside a member is written as %2C. */
export function parseSearch(query: string): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const pair of query.replace(/^\?/, "").split("&")) {
    const cut = pair.indexOf("=");
    if (pair === "" || cut === 0) continue;
    const name = decode(cut < 0 ? pair : pair.slice(0, cut));
    const raw = cut < 0 ? "" : pair.slice(cut + 1);
    found[name] = raw.includes(",") ? raw.split(",").map(decode) : decode(raw);
  }
  return found;
}

/** Write a query string; members that are undefined, null, empty or an empty list are left out. */
export function stringifySearch(search: RawSearch): string {
  const pairs = Object.entries(search).flatMap(([name, value]) => {
    if (value === undefined || value === null || value === "" || value === false) return [];
    if (Array.isArray(value)) {
      return value.length === 0 ? [] : [`${encode(name)}=${value.map((item) => encode(String(item))).join(",")}`];
    }
    return [`${encode(name)}=${value === true ? "1" : encode(String(value))}`];
  });
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** Return a text, or undefined where there is none. */
export function text(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(String).join(",");
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" ? String(value) : undefined;
}

/** Return the members of a list, or undefined where there are none. */
export function texts(value: unknown): string[] | undefined {
  const items = Array.isArray(value) ? value.map(String) : value === undefined || value === null ? [] : [String(value)];
  const present = items.filter((item) => item !== "");
  return present.length === 0 ? undefined : present;
}

/** Return one of the given words, or undefined for anything else. */
export function choice<const Word extends string>(value: unknown, words: readonly Word[]): Word | undefined {
  return words.find((word) => word === value);
}

/** Return those of a list's members that are among the given words, or undefined where there are none. */
export function choices<const Word extends string>(value: unknown, words: readonly Word[]): Word[] | undefined {
  const present = words.filter((word) => texts(value)?.includes(word));
  return present.length === 0 ? undefined : present;
}

/** Return a whole number within limits, or undefined for anything else. */
export function integer(value: unknown, least: number, most: number): number | undefined {
  const number = typeof value === "number" ? value : /^-?\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
  return Number.isInteger(number) && number >= least && number <= most ? number : undefined;
}

/** Return a finite number, or undefined for anything else. */
export function real(value: unknown): number | undefined {
  if (value === undefined || value === null || value === "" || Array.isArray(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** Return true for a switch that is set (`?pair=1`), undefined otherwise, so that an address stays short. */
export function flag(value: unknown): true | undefined {
  return value === true || value === "1" || value === "true" ? true : undefined;
}

/** Drop members that are undefined: what `validateSearch` of a route returns. */
export function defined<T extends object>(search: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function decode(raw: string): string {
  const plain = raw.replaceAll("+", " ");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain; // a lone percent sign, typed by hand
  }
}

/** Encode what has a meaning in a query; colons, slashes and blanks stay readable. */
function encode(plain: string): string {
  return encodeURIComponent(plain).replace(/%3A/g, ":").replace(/%2F/g, "/").replace(/%20/g, "+");
}

/** JSON values, and places in them by paths as the server writes them: `problem.sources[0].power`. None changes its argument. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonRecord = { readonly [name: string]: Json };
export type Path = readonly (string | number)[];

export function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Read a path; `""` is the whole. */
export function parsePath(path: string): Path {
  if (path === "") return [];
  return path.split(".").flatMap((part) => {
    const [, name = "", indices = ""] = /^([^[]*)((?:\[\d+\])*)$/.exec(part) ?? [undefined, part, ""];
    const numbers = [...indices.matchAll(/\d+/g)].map((match) => Number(match[0]));
    return name === "" ? numbers : [name, ...numbers];
  });
}

export function joinPath(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  );
}

/** Return the value at a path, or undefined where there is none. */
export function getAt(value: Json | undefined, path: Path): Json | undefined {
  let at: Json | undefined = value;
  for (const step of path) {
    if (typeof step === "number") at = Array.isArray(at) ? (at as readonly Json[])[step] : undefined;
    else at = isRecord(at) && Object.hasOwn(at, step) ? (at as JsonRecord)[step] : undefined;
  }
  return at;
}

/** Return a value with another one at a path; objects on the way are made where they are missing. */
export function setAt(value: Json | undefined, path: Path, to: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined) return to;
  if (typeof step === "number") {
    const list = Array.isArray(value) ? [...(value as readonly Json[])] : [];
    list[step] = setAt(list[step], rest, to);
    return list;
  }
  const record = isRecord(value) ? (value as JsonRecord) : {};
  return { ...record, [step]: setAt(record[step], rest, to) };
}

/** Return a value without the member at a path; rows behind it move up. */
export function removeAt(value: Json, path: Path): Json {
  const step = path.at(-1);
  if (step === undefined) return {};
  const parent = getAt(value, path.slice(0, -1));
  if (typeof step === "number") {
    return Array.isArray(parent) ? setAt(value, path.slice(0, -1), parent.filter((_, index) => index !== step)) : value;
  }
  if (!isRecord(parent) || !Object.hasOwn(parent, step)) return value;
  return setAt(value, path.slice(0, -1), omit(parent as JsonRecord, step));
}

/** Return a record without some of its members. */
export function omit<Value>(record: { readonly [name: string]: Value }, ...names: readonly string[]): { readonly [name: string]: Value } {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}

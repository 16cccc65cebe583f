/** What the server of this version can do, so that no page is offered whose server part is missing. */
import { list, version } from "virtual:operations";
import type { paths } from "./schema";

type Method = "GET" | "PUT" | "POST" | "DELETE" | "PATCH";
export type Operation = `${Method} ${keyof paths & string}`;

const known = new Set(list);

/** Version of Grid that the page was built with. */
export const pageVersion: string = version;

/** Tell whether the server has an operation, as in `has("GET /api/v1/alerts")`; any string, for what may come. */
export function has(operation: Operation | (string & {})): boolean {
  return known.has(operation);
}

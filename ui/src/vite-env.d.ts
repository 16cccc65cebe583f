/// <reference types="vite/client" />

declare module "virtual:operations" {
  /** Version of the server that the page was built with. */
  export const version: string;
  /** The operations of that server, as "GET /api/v1/jobs". */
  export const list: readonly string[];
}

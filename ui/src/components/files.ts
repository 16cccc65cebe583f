/** Files for the browser to keep: made by the page, or fetched from the server by a link for one use. */
import { api, ok } from "@/api/client";
import { csvRow, type CsvValue } from "@/lib/csv";

/** Hand a file to the browser, which keeps it where downloads go. */
export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name.replace(/[^\w.-]+/g, "-");
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Let the browser fetch a file of this server by itself, so that it never passes through the memory of the tab. */
export async function download(path: string): Promise<void> {
  const link = await ok(api.POST("/api/v1/downloads", { body: { path } }));
  const anchor = Object.assign(document.createElement("a"), { href: link.url, download: "" });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

/** Make a table of a head and its rows. */
export function tableFile(head: readonly string[], rows: Iterable<readonly CsvValue[]>): Blob {
  return new Blob([csvRow(head), ...Array.from(rows, csvRow)], { type: "text/csv" });
}

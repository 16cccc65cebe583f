/** Tables as CSV (RFC 4180), safe to open in a spreadsheet: a text that it would take for a formula gets an apostrophe. */

export type CsvValue = string | number | null | undefined;

/** Return one row with its line end. Numbers keep all their digits; NaN and missing values are empty. */
export function csvRow(values: readonly CsvValue[]): string {
  return `${values.map(field).join(",")}\r\n`;
}

function field(value: CsvValue): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

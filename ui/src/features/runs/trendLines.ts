/** Lines of the trends of a run: which metrics, how each is called and drawn. */
import type { TrendName } from ".";

export interface Line {
  readonly metric: string;
  readonly label: string;
  readonly unit: "temperature" | "1" | "s";
  readonly dash?: readonly number[];
}

export const LINES: Readonly<Record<TrendName, readonly Line[]>> = {
  temperature: [
    { metric: "highest", label: "peak", unit: "temperature" },
    { metric: "mean", label: "mean", unit: "temperature", dash: [6, 4] },
  ],
  safety: [
    { metric: "utilisation", label: "utilisation (1 / safety)", unit: "1" },
    { metric: "damage", label: "damage", unit: "1", dash: [6, 4] },
  ],
  residual: [
    { metric: "balance_residual", label: "residual of the balance", unit: "1" },
    { metric: "share", label: "certificate, of its limit", unit: "1", dash: [6, 4] },
  ],
  pace: [
    { metric: "ratio", label: "pace, of what is wanted", unit: "1" },
    { metric: "lag_s", label: "lag", unit: "s", dash: [6, 4] },
  ],
};
export const WORDS: Readonly<Record<TrendName, string>> = { temperature: "Peak, mean", safety: "Safety", residual: "Residual", pace: "Pace" };

/** What a page makes of a run: its body, and its title. */
import { useEffect, useMemo } from "react";
import type { Body } from "./geometry";
import type { Run } from "./queries";

/** The body of a run; the same object as long as it is the same body. */
export function useBody(run: Run): Body {
  const key = JSON.stringify([run.cells, run.origin_m, run.size_m]);
  return useMemo(() => {
    const [cells, origin, size] = JSON.parse(key) as [number[] | null, number[] | null, number[] | null];
    const known = size !== null && size.length > 0;
    return { cells: cells ?? [1], origin: known ? origin : null, size: known ? size : null };
  }, [key]);
}

export function useTitle(run: Run): void {
  useEffect(() => {
    document.title = `${run.name === "" ? (run.scenario ?? "Run") : run.name} · Grid`;
  }, [run.name, run.scenario]);
}

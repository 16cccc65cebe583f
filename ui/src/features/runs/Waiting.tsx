import { EmptyState } from "@/components/EmptyState";
import type { Run } from "./queries";
import { isOver } from "./states";

/** What stands in place of a picture that is not there yet. */
export function Waiting({ run, isPast, error }: { run: Run; isPast: boolean; error: unknown }) {
  if (isPast) return error === undefined ? <EmptyState title="The past is computed again">From the nearest snapshot and the log.</EmptyState> : null;
  if (typeof error === "string") return <EmptyState title="The picture cannot be read">{error}</EmptyState>;
  if (isOver(run.status)) return <EmptyState title={`The run has ${run.status === "failed" ? "failed" : "stopped"}`}>{run.message}</EmptyState>;
  return <EmptyState title={run.activity === "compiling" ? "Kernels are compiled" : "No picture yet"}>{run.message}</EmptyState>;
}

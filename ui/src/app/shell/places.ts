/** The entries of the rail, in their order. One whose server part or page is missing is left out. */
import { has } from "@/api/operations";
import * as alerts from "@/features/alerts";
import * as compare from "@/features/compare";
import * as incidents from "@/features/incidents";
import * as jobs from "@/features/jobs";
import * as overview from "@/features/overview";
import * as rules from "@/features/rules";
import * as runs from "@/features/runs";
import * as scenarios from "@/features/scenarios";
import * as sweeps from "@/features/sweeps";
import * as system from "@/features/system";
import * as users from "@/features/users";

export interface Place {
  readonly to:
    | "/" | "/jobs" | "/sweeps" | "/compare" | "/runs" | "/scenarios" | "/alerts" | "/incidents" | "/rules"
    | "/system" | "/users";
  readonly name: string;
  /** Second key after `g`. */
  readonly key?: string;
  readonly feature: { readonly isShown: boolean };
  /** The operation of the server that the page cannot do without. */
  readonly needs: string;
  /** Only for administrators. */
  readonly isAdministrative?: boolean;
}

const ALL: readonly Place[] = [
  { to: "/", name: "Overview", key: "o", feature: overview, needs: "GET /api/v1/jobs/stats" },
  { to: "/jobs", name: "Jobs", key: "j", feature: jobs, needs: "GET /api/v1/jobs" },
  { to: "/sweeps", name: "Sweeps", key: "s", feature: sweeps, needs: "GET /api/v1/sweeps" },
  { to: "/compare", name: "Compare", key: "c", feature: compare, needs: "GET /api/v1/jobs/{job_id}" },
  { to: "/runs", name: "Runs", key: "r", feature: runs, needs: "GET /api/v1/engine/runs" },
  { to: "/scenarios", name: "Scenarios", feature: scenarios, needs: "GET /api/v1/scenarios" },
  { to: "/alerts", name: "Alerts", key: "a", feature: alerts, needs: "GET /api/v1/alerts" },
  { to: "/incidents", name: "Incidents", key: "i", feature: incidents, needs: "GET /api/v1/incidents" },
  { to: "/rules", name: "Rules", feature: rules, needs: "GET /api/v1/alert-rules" },
  { to: "/system", name: "System", key: "y", feature: system, needs: "GET /health" },
  { to: "/users", name: "Users", key: "u", feature: users, needs: "GET /api/v1/users", isAdministrative: true },
];

/** Return the places that are there for this user. */
export function placesFor(isAdministrator: boolean): readonly Place[] {
  return ALL.filter(
    ({ feature, needs, isAdministrative }) => feature.isShown && has(needs) && (!isAdministrative || isAdministrator),
  );
}

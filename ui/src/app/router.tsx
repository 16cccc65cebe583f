/** All routes of the page. Each loads its feature's file when it is first opened; search parameters are typed. */
import { createRootRoute, createRoute, createRouter, notFound, Outlet, redirect } from "@tanstack/react-router";
import { session } from "@/api/browser";
import { NothingHere } from "@/components/NothingHere";
import * as alerts from "@/features/alerts";
import * as compare from "@/features/compare";
import * as incidents from "@/features/incidents";
import * as jobs from "@/features/jobs";
import * as overview from "@/features/overview";
import * as rules from "@/features/rules";
import * as runs from "@/features/runs";
import * as scenarios from "@/features/scenarios";
import * as submit from "@/features/submit";
import * as sweeps from "@/features/sweeps";
import * as system from "@/features/system";
import * as users from "@/features/users";
import { defined, parseSearch, type RawSearch, stringifySearch, text } from "@/lib/search";
import { ErrorPage } from "./ErrorPage";
import { LoginPage } from "./session/LoginPage";
import { Shell } from "./shell/Shell";

/** Leave a route unknown until its feature has a page. */
function onlyIf(feature: { isShown: boolean }) {
  return () => {
    if (!feature.isShown) throw notFound();
  };
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NothingHere, errorComponent: ErrorPage });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (raw: RawSearch) => defined({ to: ownPath(text(raw["to"])) }),
  beforeLoad: ({ search }) => {
    if (session.getState() === "in") throw redirect({ href: search.to ?? "/", replace: true });
  },
  component: LoginPage,
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: ({ location }) => {
    if (session.getState() !== "out") return;
    throw redirect({ to: "/login", search: defined({ to: location.href === "/" ? undefined : location.href }) });
  },
  component: Shell,
});

const parent = { getParentRoute: () => shell };

const home = createRoute({
  ...parent,
  path: "/",
  validateSearch: overview.readSearch,
  beforeLoad: () => {
    if (!overview.isShown) throw redirect({ to: "/jobs", replace: true });
  },
}).lazy(() => import("@/features/overview/page.lazy").then((file) => file.Route));

const jobList = createRoute({ ...parent, path: "/jobs", validateSearch: jobs.readListSearch }).lazy(() =>
  import("@/features/jobs/list.lazy").then((file) => file.Route),
);
const jobNew = createRoute({
  ...parent, path: "/jobs/new", validateSearch: submit.readSearch, beforeLoad: onlyIf(submit),
}).lazy(() => import("@/features/submit/page.lazy").then((file) => file.Route));
const job = createRoute({ ...parent, path: "/jobs/$jobId", validateSearch: jobs.readJobSearch }).lazy(() =>
  import("@/features/jobs/job.lazy").then((file) => file.Route),
);
const sweepList = createRoute({
  ...parent, path: "/sweeps", validateSearch: sweeps.readListSearch, beforeLoad: onlyIf(sweeps),
}).lazy(() => import("@/features/sweeps/list.lazy").then((file) => file.Route));
const sweep = createRoute({
  ...parent, path: "/sweeps/$sweepId", validateSearch: sweeps.readSweepSearch, beforeLoad: onlyIf(sweeps),
}).lazy(() => import("@/features/sweeps/sweep.lazy").then((file) => file.Route));
const comparison = createRoute({
  ...parent, path: "/compare", validateSearch: compare.readSearch, beforeLoad: onlyIf(compare),
}).lazy(() => import("@/features/compare/page.lazy").then((file) => file.Route));
const runList = createRoute({
  ...parent, path: "/runs", validateSearch: runs.readListSearch, beforeLoad: onlyIf(runs),
}).lazy(() => import("@/features/runs/list.lazy").then((file) => file.Route));
const run = createRoute({
  ...parent, path: "/runs/$runId", validateSearch: runs.readRunSearch, beforeLoad: onlyIf(runs),
}).lazy(() => import("@/features/runs/run.lazy").then((file) => file.Route));
const alertList = createRoute({
  ...parent, path: "/alerts", validateSearch: alerts.readSearch, beforeLoad: onlyIf(alerts),
}).lazy(() => import("@/features/alerts/page.lazy").then((file) => file.Route));
const incidentList = createRoute({
  ...parent, path: "/incidents", validateSearch: incidents.readListSearch, beforeLoad: onlyIf(incidents),
}).lazy(() => import("@/features/incidents/list.lazy").then((file) => file.Route));
const incident = createRoute({
  ...parent, path: "/incidents/$incidentId", validateSearch: incidents.readIncidentSearch, beforeLoad: onlyIf(incidents),
}).lazy(() => import("@/features/incidents/incident.lazy").then((file) => file.Route));
const scenarioList = createRoute({
  ...parent, path: "/scenarios", validateSearch: scenarios.readSearch, beforeLoad: onlyIf(scenarios),
}).lazy(() => import("@/features/scenarios/page.lazy").then((file) => file.Route));
const ruleList = createRoute({
  ...parent, path: "/rules", validateSearch: rules.readSearch, beforeLoad: onlyIf(rules),
}).lazy(() => import("@/features/rules/page.lazy").then((file) => file.Route));
const systemPage = createRoute({
  ...parent, path: "/system", validateSearch: system.readSearch, beforeLoad: onlyIf(system),
}).lazy(() => import("@/features/system/page.lazy").then((file) => file.Route));
const userList = createRoute({
  ...parent, path: "/users", validateSearch: users.readSearch, beforeLoad: onlyIf(users),
}).lazy(() => import("@/features/users/page.lazy").then((file) => file.Route));
const me = createRoute({
  ...parent, path: "/me", validateSearch: users.readSearch, beforeLoad: onlyIf(users),
}).lazy(() => import("@/features/users/me.lazy").then((file) => file.Route));

/** Any other address, within the shell and for those who are logged in. */
const unknown = createRoute({ ...parent, path: "$", component: NothingHere });

const routeTree = root.addChildren([
  login,
  shell.addChildren([
    home, jobList, jobNew, job, sweepList, sweep, comparison, runList, run, alertList, incidentList, incident,
    scenarioList, ruleList, systemPage, userList, me, unknown,
  ]),
]);

export const router = createRouter({
  routeTree,
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingMinMs: 0,
  defaultNotFoundComponent: NothingHere,
  defaultErrorComponent: ErrorPage,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Return a path of this server, or undefined: the address after a login never leads elsewhere. */
function ownPath(path: string | undefined): string | undefined {
  return path !== undefined && /^\/(?![/\\])/.test(path) && !path.startsWith("/login") ? path : undefined;
}

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, Link } from "@tanstack/react-router";
import { useState } from "react";
import { has } from "@/api/operations";
import { healthQuery, meQuery, openAlertsQuery, statsQuery } from "@/api/service";
import { announce } from "@/components/announce";
import { useKeys } from "@/components/keyboard";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import type { Schemas } from "@/api/client";
import { formatCount, formatDuration } from "@/lib/format";
import { Column } from "./Column";
import { finished, needsALook, running, sentence } from "./columns";
import { readLooked, saveLooked } from "./looked";
import { badJobsQuery, doubtfulJobsQuery, endedJobsQuery, openJobsQuery, openSweepsQuery, runsQuery, sweepsQuery } from "./queries";
import classes from "./overview.module.css";
import { Sparkline } from "./Sparkline";

export const Route = createLazyRoute("/shell/")({ component: OverviewPage });

const CAN_SUBMIT = has("POST /api/v1/jobs");

function OverviewPage() {
  const { data: me } = useQuery(meQuery);
  return me === undefined ? <Page><PageSentence title="Overview">Overview</PageSentence></Page> : <Overview userId={me.id} />;
}

function Overview({ userId }: { userId: string }) {
  const [looked, setLooked] = useState(() => readLooked(userId));
  const health = useQuery(healthQuery);
  const stats = useQuery(statsQuery);
  const alerts = useQuery(openAlertsQuery);
  const bad = useQuery(badJobsQuery);
  const doubtful = useQuery(doubtfulJobsQuery);
  const open = useQuery(openJobsQuery);
  const ended = useQuery(endedJobsQuery);
  const openSweeps = useQuery(openSweepsQuery);
  const sweeps = useQuery(sweepsQuery);
  const runs = useQuery(runsQuery);

  const needs = needsALook(alerts.data ?? [], bad.data?.items ?? [], doubtful.data?.items ?? [], looked.at);
  const goes = running(open.data?.items ?? [], openSweeps.data?.items ?? [], runs.data?.items ?? []);
  const ends = finished(ended.data?.items ?? [], sweeps.data?.items ?? [], looked.isSaid ? looked.at : Number.POSITIVE_INFINITY);
  const isKnown = stats.data !== undefined && bad.data !== undefined && open.data !== undefined && ended.data !== undefined;
  const away = (health.data?.parts ?? []).filter((part) => part.state !== "ready").map((part) => part.name);
  const failed = [stats, bad, open, ended, openSweeps, sweeps, alerts, runs, doubtful].find((query) => query.isError);

  const haveLooked = () => {
    const now = Date.now();
    saveLooked(userId, now);
    setLooked({ at: now, isSaid: true });
    announce("What ended until now needs no look any more.");
  };
  useKeys([{ keys: "x", does: "I have looked", run: haveLooked }]);

  return (
    <Page>
      <PageSentence
        title="Overview"
        actions={<Button onClick={haveLooked} disabled={!isKnown}>I have looked</Button>}
      >
        {isKnown
          ? sentence({ away, alerts: alerts.data ?? [], needs, goes, ends, waiting: stats.data.queue_depth })
          : "Overview"}
      </PageSentence>
      {failed !== undefined && <Problem error={failed.error} onRetry={() => void failed.refetch()} />}
      <div className={classes["columns"]}>
        <Column
          title="Needs a look" lines={needs} isLoading={!isKnown}
          none="Nothing. Alerts, failed jobs and failed audits stand here until you have looked."
          all={{ status: ["failed", "timed_out", "expired"], name: "failed jobs" }}
        />
        <Column
          title="Running" lines={goes} isLoading={!isKnown} none="Nothing runs."
          all={{ status: ["starting", "running", "cancelling"], name: "running jobs" }}
        />
        <Column
          title="Finished" lines={ends} isLoading={!isKnown}
          none="Nothing has finished yet. Submit a job or a sweep; what ends is listed here, the newest first."
          all={{ name: "all jobs" }}
        />
      </div>
      <LastHour stats={stats.data} />
    </Page>
  );
}

function LastHour({ stats }: { stats: Schemas["JobStats"] | undefined }) {
  const bins = stats?.finished.by_five_minutes ?? [];
  return (
    <Panel>
      <div className={classes["hour"]}>
        <span className={classes["figure"]}>
          last hour: finished <b>{stats === undefined ? "–" : formatCount(stats.finished.last_hour)}</b>
          <Sparkline values={bins} label={`Jobs that ended in each five minutes of the last hour: ${bins.join(", ")}`} />
        </span>
        <span className={classes["figure"]} title="From submission to start, of jobs that ended within the hour">
          waits <b>{formatDuration(stats?.mean_wait_s)}</b> mean
        </span>
        <span className={classes["figure"]} title="From start to end, of jobs that ended within the hour">
          runs <b>{formatDuration(stats?.mean_run_s)}</b> mean
        </span>
        {CAN_SUBMIT && (
          <span className={classes["end"]}>
            <Link to="/jobs/new">New job</Link>
          </span>
        )}
      </div>
    </Panel>
  );
}

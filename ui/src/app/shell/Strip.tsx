import { Button, type MantineColorScheme, Menu, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { session } from "@/api/browser";
import type { Schemas } from "@/api/client";
import { pageVersion } from "@/api/operations";
import { healthQuery, meQuery, openAlertsQuery, statsQuery } from "@/api/service";
import { announce } from "@/components/announce";
import { lastHeard, useLink } from "@/components/live";
import { useNow } from "@/components/now";
import { Severity } from "@/components/Severity";
import * as alerts from "@/features/alerts";
import * as users from "@/features/users";
import { formatAge, formatCount, plural, zoneName } from "@/lib/format";
import { heard, worst } from "@/lib/severity";
import classes from "./shell.module.css";

const STALE_S = 15; // three answers of the strip missed

/** The strip on every page: is the service well, what waits, what is wrong, how old is what is seen, who am I. */
export function Strip({ onHelp }: { onHelp: () => void }) {
  const health = useQuery(healthQuery);
  const stats = useQuery(statsQuery);
  const link = useLink();
  return (
    <header className={classes["strip"]}>
      <Link to="/" className={classes["brand"]}>Grid</Link>
      <Health health={health.data} isGone={health.isError} />
      <span className={classes["figure"]}>
        {stats.data !== undefined && (
          <>
            <span>queue <b>{formatCount(stats.data.queue_depth)}</b></span>
            <span>running <b>{formatCount(stats.data.running)}</b></span>
          </>
        )}
      </span>
      <WorstAlert />
      <span className={classes["space"]} />
      <Updated versions={[link.version, health.data?.version]} />
      <DataAge polledAt={Math.min(health.dataUpdatedAt, stats.dataUpdatedAt)} isLive={link.state === "open"} isGone={health.isError} />
      <span className={classes["zone"]} title="Times are in this zone; UTC is on hover.">{zoneName()}</span>
      <UserMenu onHelp={onHelp} />
    </header>
  );
}

function Health({ health, isGone }: { health: Schemas["HealthOut"] | undefined; isGone: boolean }) {
  if (isGone) return <span className={classes["health"]} data-tone="bad">✕ no answer</span>;
  if (health === undefined) return <span className={classes["health"]} />;
  const away = health.parts.filter((part) => part.state !== "ready");
  if (away.length === 0) return <span className={classes["health"]}>ok, all parts ready</span>;
  const detail = away.map((part) => `${part.name}: ${part.detail}`).join("\n");
  return (
    <span className={classes["health"]} data-tone="warn" title={detail}>
      ◆ {health.status}: {away.map((part) => part.name).join(", ")} away
    </span>
  );
}

function WorstAlert() {
  const { data } = useQuery(openAlertsQuery);
  if (data === undefined) return null;
  const audible = heard(data);
  const severity = worst(audible);
  const content =
    severity === null ? (
      <span className={classes["quiet"]}>no alerts</span>
    ) : (
      <>
        <Severity name={severity} /> {plural(audible.length, "alert")}
      </>
    );
  return alerts.isShown ? <Link to="/alerts" className={classes["alert"]}>{content}</Link> : <span className={classes["alert"]}>{content}</span>;
}

/** A page of another version than the server's says so; it is never reloaded by itself, since a form may be filled in. */
function Updated({ versions }: { versions: readonly (string | undefined)[] }) {
  const version = versions.find((one) => one !== undefined && one !== pageVersion);
  if (version === undefined) return null;
  return <Button size="compact-sm" title={`The server is Grid ${version}, this page is of ${pageVersion}.`} onClick={() => location.reload()}>Grid was updated: reload</Button>;
}

/** How old what is shown may be: since the server last spoke over the socket, or else since it was last asked. */
function DataAge({ polledAt, isLive, isGone }: { polledAt: number; isLive: boolean; isGone: boolean }) {
  const now = useNow();
  const at = isLive ? Math.max(lastHeard(), polledAt) : polledAt;
  if (at === 0) return null;
  const seconds = Math.max(0, (now - at) / 1000);
  const isStale = seconds > STALE_S;
  return (
    <span className={classes["age"]} data-stale={isStale || undefined}>
      {isStale ? `◌ STALE ${formatAge(seconds).replace(" ago", "")}` : formatAge(seconds)}
      <span className={classes["quiet"]} title={isGone ? undefined : isLive ? "The server tells what changes." : "The server is asked every few seconds."}>
        {isGone ? "not connected" : isLive ? "connected" : "asking"}
      </span>
    </span>
  );
}

function UserMenu({ onHelp }: { onHelp: () => void }) {
  const { data: me } = useQuery(meQuery);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const logOut = () => {
    session.logOut().catch((error: unknown) => announce(`Logging out did not work: ${String(error)}`));
  };
  return (
    <Menu position="bottom-end" width={208}>
      <Menu.Target>
        <Button variant="subtle" color="gray" className={classes["user"] ?? ""} rightSection="▾">
          {me?.username ?? "…"}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {users.isShown && <Menu.Item component={Link} to="/me">Account and sessions</Menu.Item>}
        <Menu.Label>Colours</Menu.Label>
        <Menu.RadioGroup value={colorScheme} onChange={(scheme) => setColorScheme(scheme as MantineColorScheme)}>
          <Menu.RadioItem value="auto">As the system</Menu.RadioItem>
          <Menu.RadioItem value="light">Light</Menu.RadioItem>
          <Menu.RadioItem value="dark">Dark</Menu.RadioItem>
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.Item onClick={onHelp} rightSection={<kbd>?</kbd>}>Keyboard</Menu.Item>
        <Menu.Item component="a" href="/docs" target="_blank" rel="noopener">REST API</Menu.Item>
        <Menu.Divider />
        <Menu.Item onClick={logOut}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

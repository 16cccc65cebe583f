import { Link } from "@tanstack/react-router";
import { Panel } from "@/components/Panel";
import { Severity } from "@/components/Severity";
import { StateMark } from "@/components/StateMark";
import type { JobState } from "@/components/states";
import { Age } from "@/components/Time";
import { formatPercent, shortId } from "@/lib/format";
import { defined } from "@/lib/search";
import type { Kind, Line } from "./columns";
import classes from "./overview.module.css";

const MOST = 12; // lines; more are a click away

interface Props {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Said where there is no line. */
  readonly none: string;
  /** The list that has all of them. */
  readonly all: { readonly status?: JobState[]; readonly name: string };
  readonly isLoading: boolean;
}

/** One column of the overview: lines of 32 px, each a link to what it tells of. */
export function Column({ title, lines, none, all, isLoading }: Props) {
  return (
    <Panel title={title} isFlush actions={lines.length > 0 && <span className={classes["second"]}>{lines.length}</span>}>
      {lines.length === 0 ? (
        <p className={classes["none"]}>{isLoading ? "\u00a0" : none}</p>
      ) : (
        <ul className={classes["lines"]} aria-label={title}>
          {lines.slice(0, MOST).map((line) => (
            <li key={line.key}><LineLink line={line} /></li>
          ))}
        </ul>
      )}
      {lines.length > MOST && <Link to="/jobs" search={defined({ status: all.status })} className={classes["more"]}>{`${lines.length - MOST} more: ${all.name}`}</Link>}
    </Panel>
  );
}

const WAYS: Record<Kind, (id: string) => string> = {
  alert: (id) => `/runs/${id}`,
  job: (id) => `/jobs/${id}`,
  sweep: (id) => `/sweeps/${id}`,
  run: (id) => `/runs/${id}`,
};

function LineLink({ line }: { line: Line }) {
  return (
    <Link to={WAYS[line.kind](line.id)} className={classes["line"]} data-severity={line.severity}>
      <span className={classes["what"]}>
        {line.severity !== undefined && (
          <Severity name={line.severity} isRinging={line.isRinging ?? false} hidesWord={line.kind !== "alert"} />
        )}
        <span className={`${classes["name"]} ${line.isNew === true ? classes["fresh"] : ""}`} title={line.what}>{line.what}</span>
        <span className={classes["second"]}>
          {line.kind === "alert" ? "" : `${line.kind === "run" ? "live run" : line.kind} ${shortId(line.id).slice(0, 8)}`}
        </span>
      </span>
      <Value line={line} />
    </Link>
  );
}

function Value({ line }: { line: Line }) {
  if (line.progress !== undefined && line.progress !== null) {
    return (
      <span className={classes["progress"]}>
        <progress className={classes["bar"]} max={1} value={line.progress} aria-label="Done" />
        <span className={classes["percent"]}>{formatPercent(line.progress)}</span>
      </span>
    );
  }
  return (
    <span className={classes["second"]}>
      {line.done !== undefined ? line.done : line.state !== undefined && <StateMark state={line.state} />}
      {line.at !== null && <span className={classes["age"]}><Age at={line.at} /></span>}
    </span>
  );
}

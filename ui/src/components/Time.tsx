import { MISSING, formatAge, formatTime } from "@/lib/format";
import { useNowAs } from "./now";
import classes from "./text.module.css";

/** A moment in the viewer's zone, with its age beside it where asked for; ISO and UTC in the title. */
export function Time(props: { at: string | null | undefined; withAge?: boolean; why?: string }) {
  const { at, withAge = false, why } = props;
  if (at === null || at === undefined) {
    return <span className={classes["muted"]} title={why ?? "It has not happened."}>{MISSING}</span>;
  }
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return <span>{at}</span>;
  return (
    <time className={classes["time"]} dateTime={at} title={`${moment.toISOString()} (UTC)`}>
      {formatTime(moment)}
      {withAge && <Age at={at} />}
    </time>
  );
}

/** How long ago something was: `4 min ago`. */
export function Age({ at }: { at: string }) {
  const moment = new Date(at).getTime();
  const age = useNowAs((now) => formatAge((now - moment) / 1000));
  return <span className={classes["age"]}> {age}</span>;
}

/** The mark of data that are older than they should be. */
export function Stale({ seconds }: { seconds: number }) {
  return <span className={classes["stale"]}>◌ STALE {formatAge(seconds).replace(" ago", "")}</span>;
}

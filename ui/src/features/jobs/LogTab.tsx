import { Button } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ClipboardEvent, type KeyboardEvent, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { announce } from "@/components/announce";
import { EmptyState } from "@/components/EmptyState";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { saveFile } from "@/components/files";
import { formatCount, plural } from "@/lib/format";
import classes from "./jobs.module.css";
import { EventReader, followLog, LogStore, visible } from "./logStream";

const ROW = 18; // pixels; every line has this height, long ones are opened below
const NEAR_END = 2 * ROW;
const STATES = { reading: "follows", waiting: "the connection is cut; it goes on by itself", ended: "complete", refused: "" };

/** The log as it comes. It follows only while its end is in sight; a hidden tab reads nothing. */
export function LogTab({ jobId }: { jobId: string }) {
  const [store] = useState(() => new LogStore());
  useSyncExternalStore(store.subscribe, store.getVersion);
  useEffect(() => {
    const reader = new EventReader();
    let stop = new AbortController();
    const follow = () => {
      stop.abort();
      if (document.visibilityState === "hidden" || store.state === "ended") return;
      stop = new AbortController();
      void followLog(jobId, store, reader, stop.signal);
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      stop.abort();
    };
  }, [jobId, store]);
  const { lines, dropped, state, error } = store;
  const copy = () => {
    void navigator.clipboard.writeText(lines.join("\n")).then(() => announce(`${plural(lines.length, "line")} copied.`));
  };
  return (
    <Panel
      isFlush className={classes["fill"] ?? ""}
      title={<>Log <span className={classes["muted"]}>{plural(lines.length + dropped, "line")}, {STATES[state]}</span></>}
      actions={
        <span className={classes["buttons"]}>
          <Button size="compact-sm" disabled={lines.length === 0} onClick={copy}>Copy all</Button>
          <Button size="compact-sm" disabled={lines.length === 0} onClick={() => saveFile(`${jobId}.log`, new Blob([`${lines.join("\n")}\n`]))}>Save</Button>
        </span>
      }
    >
      {state === "refused" && <Problem error={error} />}
      {dropped > 0 && <p className={classes["note"]}>The first {formatCount(dropped)} lines are left out here; <code>grid jobs logs {jobId}</code> shows all.</p>}
      {lines.length === 0 && state === "ended" ? <EmptyState title="The log is empty">The simulation wrote nothing.</EmptyState> : <LogLines lines={lines} dropped={dropped} />}
    </Panel>
  );
}

function LogLines({ lines, dropped }: { lines: readonly string[]; dropped: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(true);
  const [seen, setSeen] = useState(0);
  const [open, setOpen] = useState<number | null>(null);
  const isAll = useRef(false); // all is selected, also what is not in the document
  // eslint-disable-next-line react-hooks/incompatible-library -- its functions are used here alone, never handed on
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 20 });
  const total = lines.length + dropped;
  useEffect(() => {
    if (isFollowing) scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  }, [total, isFollowing]);
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    if (isAtEnd !== isFollowing) {
      setFollowing(isAtEnd);
      setSeen(total);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    isAll.current = (event.ctrlKey || event.metaKey) && event.key === "a";
    if (event.key === "End") setFollowing(true);
  };
  const onCopy = (event: ClipboardEvent) => {
    if (!isAll.current) return;
    event.clipboardData.setData("text/plain", lines.join("\n"));
    event.preventDefault();
  };
  const fresh = total - seen;
  const opened = open === null ? undefined : lines[open - dropped];
  return (
    <div className={classes["logBox"]}>
      <div
        ref={scroller} className={classes["log"]} role="log" aria-live="off" aria-label="Lines of the log" tabIndex={0}
        onScroll={onScroll} onKeyDown={onKeyDown} onCopy={onCopy} onPointerDown={() => { isAll.current = false; }}
      >
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => (
            <div
              key={item.key} className={classes["line"]} style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => String(window.getSelection()) === "" && setOpen(item.index + dropped)}
            >
              <span className={classes["number"]} aria-hidden="true" data-number={item.index + 1 + dropped} />
              {visible(lines[item.index] ?? "")}
              {"\n"}
            </div>
          ))}
        </div>
      </div>
      {!isFollowing && fresh > 0 && (
        <Button size="compact-sm" className={classes["newLines"] ?? ""} onClick={() => setFollowing(true)}>{plural(fresh, "new line")}</Button>
      )}
      {opened !== undefined && open !== null && (
        <div className={classes["opened"]}>
          <span className={classes["muted"]}>line {open + 1}</span> <code>{visible(opened)}</code>
          <Button size="compact-sm" variant="subtle" onClick={() => setOpen(null)}>Close</Button>
        </div>
      )}
    </div>
  );
}

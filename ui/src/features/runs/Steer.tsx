import { Button, Menu, Modal, NativeSelect } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { useKeys } from "@/components/keyboard";
import { commands, type Run, runQuery } from "./queries";
import { isOver, nextSpeed, SPEEDS, whyNotSteered } from "./states";
import classes from "./run.module.css";

const SHOW_AFTER_MS = 600; // when a command has mostly taken effect

interface Props {
  readonly run: Run;
  readonly isPast: boolean;
  readonly tick: number | undefined;
  readonly onBranch: (id: string) => void;
}

/** Commands to a run: pause, step, speed, model, checkpoint, branch, stop. Each says what it did. */
export function Steer({ run, isPast, tick, onBranch }: Props) {
  const client = useQueryClient();
  const [isStopping, setStopping] = useState(false);
  const why = whyNotSteered(run.status, isPast);
  const canSteer = why === undefined;
  const isPaused = run.wanted === "pause";

  const send = async (name: string, command: () => Promise<{ seq?: number }>, change: Partial<Run> = {}) => {
    try {
      const answer = await command();
      client.setQueryData(runQuery(run.id).queryKey, (old) => (old === undefined ? old : { ...old, ...change }));
      announce(`${name}${answer.seq === undefined ? "" : ` is accepted as #${answer.seq}`}.`);
      window.setTimeout(() => void client.invalidateQueries({ queryKey: ["runs", run.id] }), SHOW_AFTER_MS);
    } catch (error) {
      announce(`${name} was refused: ${asProblem(error).detail}`);
    }
  };
  const pause = () =>
    isPaused
      ? send("Resume", () => commands.resume(run.id), { wanted: "run" })
      : send("Pause", () => commands.pause(run.id), { wanted: "pause" });
  const step = () => send("One step", () => commands.step(run.id, 1));
  const branch = async () => {
    try {
      const name = `${run.name === "" ? (run.scenario ?? "run") : run.name} branch`.slice(0, 100);
      const made = await commands.branch(run.id, { name, ...(isPast && tick !== undefined ? { at_tick: tick } : {}), keep_commands: false, paused: false });
      announce(`Branch ${made.name} begins${isPast ? ` at tick ${tick ?? ""}` : ""}.`);
      void client.invalidateQueries({ queryKey: ["runs", "list"] });
      onBranch(made.id);
    } catch (error) {
      announce(`The branch was refused: ${asProblem(error).detail}`);
    }
  };
  const setSpeed = (value: string) =>
    send(`Speed ${value}`, () => commands.speed(run.id, value === "max" ? "max" : Number(value)), { speed: value === "max" ? null : Number(value) });
  const shift = (by: 1 | -1) => {
    const next = nextSpeed(speedOf(run), by);
    if (next !== undefined) void setSpeed(next);
  };
  const checkpoint = () => send("A checkpoint", () => commands.checkpoint(run.id));
  useKeys([
    ...(canSteer
      ? [
          { keys: "p", does: isPaused ? "Resume the run" : "Pause the run", run: () => void pause() },
          ...(isPaused ? [{ keys: "s", does: "One step", run: () => void step() }] : []),
          { keys: "+", does: "Faster", run: () => shift(1) },
          { keys: "-", does: "Slower", run: () => shift(-1) },
          { keys: "K", does: "Checkpoint", run: () => void checkpoint() },
        ]
      : []),
    { keys: "b", does: isPast ? `Branch at tick ${tick ?? ""}` : "Branch here, shown beside", run: () => void branch() },
  ]);

  return (
    <div className={classes["steer"]} role="group" aria-label="Steer the run">
      <Reason why={why}><Button disabled={!canSteer} onClick={() => void pause()}>{isPaused ? "Resume" : "Pause"}</Button></Reason>
      <Button disabled={!canSteer || !isPaused} onClick={() => void step()}>Step</Button>
      <label>
        speed
        <NativeSelect
          size="sm" w={76} disabled={!canSteer} aria-label="Speed" data={SPEEDS.includes(speedOf(run)) ? [...SPEEDS] : [speedOf(run), ...SPEEDS]} value={speedOf(run)}
          onChange={(event) => void setSpeed(event.currentTarget.value)}
        />
      </label>
      <label>
        model
        <NativeSelect
          size="sm" w={108} disabled={!canSteer} aria-label="Model" data={["auto", "lumped", "diffusive"]} value={run.model}
          onChange={(event) => {
            const model = event.currentTarget.value as Run["model"];
            void send(`Model ${model}`, () => commands.model(run.id, model), { model });
          }}
        />
      </label>
      <Menu position="bottom-end">
        <Menu.Target><Button rightSection="▾">More</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item disabled={!canSteer} onClick={() => void checkpoint()}>Checkpoint</Menu.Item>
          <Menu.Item onClick={() => void branch()}>{isPast ? `Branch at tick ${tick ?? ""}` : "Branch here, shown beside"}</Menu.Item>
          <Menu.Divider />
          <Menu.Item disabled={isOver(run.status) || run.status === "stopping"} onClick={() => setStopping(true)}>Stop…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isStopping} onClose={() => setStopping(false)} title="Stop the run?">
        <p>It ends at its next tick and stores its result. It cannot go on after that; a branch can.</p>
        <div className={classes["steer"]}>
          <Button
            variant="filled"
            onClick={() => {
              setStopping(false);
              void send("Stop", () => commands.stop(run.id), { wanted: "stop" });
            }}
          >
            Stop
          </Button>
          <Button onClick={() => setStopping(false)}>Go on</Button>
        </div>
      </Modal>
    </div>
  );
}

function Reason({ why, children }: { why: string | undefined; children: React.ReactElement }) {
  if (why === undefined) return children;
  return <span title={why}>{children}</span>;
}

function speedOf(run: Run): string {
  return run.speed === null ? "max" : String(run.speed);
}

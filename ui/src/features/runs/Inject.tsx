import { Button, NativeSelect } from "@mantine/core";
import { SchemaForm } from "@/components/SchemaForm";
import { memo, useLayoutEffect } from "react";
import { findErrors, membersOf } from "@/lib/schema";
import { EVENT_KINDS, type Scene } from "./events";
import { describe, type Ghost } from "./ghosts";
import type { LiveEvent } from "./timeline";
import { type Bursts, type Injection, useInjection } from "./useInjection";
import classes from "./run.module.css";

const OPENS = ["law", "region", "region.box", "region.disc"];
const MOST_SHOWN = 4;

interface Props {
  readonly runId: string;
  readonly scene: Scene;
  readonly events: readonly LiveEvent[];
  /** Why nothing can be sent now. */
  readonly why: string | undefined;
  /** Told of what the field draws, and how it draws more, before either is painted. */
  readonly onBursts: (bursts: Bursts) => void;
}

/** Events into a run: it holds them for the page, which is why it is drawn anew for its own changes alone. */
export default memo(function Inject({ runId, scene, events, why, onBursts }: Props) {
  const injection = useInjection(runId, scene, events);
  useLayoutEffect(() => onBursts(injection)); // each time anew: its functions know the forms as they are now
  return <InjectForm injection={injection} why={why} />;
});

/** A form for each kind of event, what was sent lately, and what became of it. */
function InjectForm({ injection, why }: { injection: Injection; why: string | undefined }) {
  const { form: { kind, variant }, isDrawn, ghosts, choose } = injection;
  const listed = ghosts.filter((ghost) => ghost.state !== "draft").slice(-MOST_SHOWN).reverse();
  return (
    <div className={classes["inject"]}>
      <NativeSelect
        size="sm" aria-label="Kind of event" value={kind.kind} disabled={why !== undefined}
        data={EVENT_KINDS.map((item) => ({ value: item.kind, label: item.title }))} onChange={(event) => choose(event.currentTarget.value)}
      />
      {kind.variants !== undefined && (
        <NativeSelect
          size="sm" aria-label={kind.varies === "law" ? "Law" : "Region"} value={variant} disabled={why !== undefined}
          data={kind.variants.map(({ name, title }) => ({ value: name, label: `${kind.varies === "law" ? "to" : "in"} ${title}` }))}
          onChange={(event) => choose(kind.kind, event.currentTarget.value)}
        />
      )}
      <p className={classes["what"]}>{why ?? kind.what}</p>
      {why === undefined && (
        <form
          className={classes["narrow"]} aria-label={`Inject ${kind.title}`}
          onSubmit={(event) => {
            event.preventDefault();
            void injection.send();
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape" && isDrawn) injection.drop();
          }}
        >
          <Fields key={`${kind.kind} ${variant}`} injection={injection} />
          <span className={classes["steer"]}>
            {/* The field keeps the focus while the button is pressed: what its loss says would move the button away. */}
            <Button type="submit" variant="filled" size="sm" onMouseDown={(event) => event.preventDefault()}>Send</Button>
            {isDrawn && <Button size="sm" onClick={injection.drop}>Drop</Button>}
          </span>
        </form>
      )}
      {listed.length > 0 && (
        <ul className={classes["sent"]} aria-label="Sent events">
          {listed.map((ghost) => <Sent key={ghost.clientId} ghost={ghost} injection={injection} canEnd={why === undefined} />)}
        </ul>
      )}
    </div>
  );
}

/** The fields of a form; what is seldom needed stands behind a heading, which opens where something of it is wrong. */
function Fields({ injection }: { injection: Injection }) {
  const { form: { kind, schema, state }, dispatch } = injection;
  const more = kind.more ?? [];
  const isMore = (path: string) => more.some((name) => path === name || path.startsWith(`${name}[`));
  const isWrong = state.refused.some((error) => isMore(error.path)) || findErrors(schema, state).some((error) => isMore(error.path));
  const rest = membersOf(schema).map((member) => member.name).filter((name) => !more.includes(name));
  const shared = { schema, state, dispatch };
  return (
    <>
      <SchemaForm {...shared} hides={more} opens={OPENS} />
      {more.length > 0 && (
        <details open={isWrong || undefined}>
          <summary className={classes["more"]}>More</summary>
          <SchemaForm {...shared} hides={rest} />
        </details>
      )}
    </>
  );
}

function Sent({ ghost, injection, canEnd }: { ghost: Ghost; injection: Injection; canEnd: boolean }) {
  const isLasting = ghost.event["duration_s"] === undefined && ghost.kind !== "damage";
  return (
    <li data-state={ghost.state}>
      <span>{ghost.kind}: {describe(ghost)}</span>
      {(ghost.state === "late" || ghost.state === "failed") && (
        <Button size="compact-sm" onClick={() => void injection.sendAgain(ghost)}>Send again, acts once</Button>
      )}
      {ghost.state === "applied" && isLasting && <Button size="compact-sm" disabled={!canEnd} onClick={() => void injection.end(ghost)}>End it</Button>}
    </li>
  );
}

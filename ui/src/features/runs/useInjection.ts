/** Events on their way into a run: the form of each kind, the burst that is drawn, what was sent and what became of it. */
import { useEffect, useMemo, useState } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import type { Json } from "@/lib/json";
import { findErrors, type FormAction, type FormState, reduceForm, type Schema, startForm } from "@/lib/schema";
import { drawnBurst, type EventKind, kindOf, makeEvent, readBurst, type Scene, toFormField } from "./events";
import { cellAt } from "./geometry";
import { change, type Ghost, LATE_MS, settle, SHOWN_MS } from "./ghosts";
import { endEvent, sendEvent } from "./queries";
import type { LiveEvent } from "./timeline";

const MOST_KEPT = 20;

/** One form: of a kind, and of what its law or region is. */
export interface InjectionForm {
  readonly kind: EventKind;
  readonly variant: string;
  readonly schema: Schema;
  readonly state: FormState;
}

/** What a field needs of it: what is drawn there, and what a drag and its keys do. */
export interface Bursts {
  /** All that was sent lately, and the burst that is drawn. */
  readonly ghosts: readonly Ghost[];
  /** Draw a burst at a cell of the body; a radius of 0 keeps the one of the form. */
  readonly draw: (at: readonly number[], radius: number) => void;
  readonly drop: () => void;
  readonly send: () => Promise<void>;
}

export interface Injection extends Bursts {
  readonly form: InjectionForm;
  /** Whether a burst is drawn on the field and not sent yet. */
  readonly isDrawn: boolean;
  readonly choose: (kind: string, variant?: string) => void;
  readonly dispatch: (action: FormAction) => void;
  readonly sendAgain: (ghost: Ghost) => Promise<void>;
  readonly end: (ghost: Ghost) => Promise<void>;
}

const keyOf = (kind: string, variant: string) => `${kind} ${variant}`;

export function useInjection(runId: string, scene: Scene, events: readonly LiveEvent[]): Injection {
  const [chosen, setChosen] = useState({ kind: "burst", variant: "" });
  const [forms, setForms] = useState<Readonly<Record<string, FormState>>>({});
  const [drawn, setDrawn] = useState<string | null>(null); // the client id under which it will be sent
  const [sent, setSent] = useState<readonly Ghost[]>([]);
  const settled = useMemo(() => settle(sent, events), [sent, events]);
  useForgetting(settled, setSent);

  const kind = kindOf(chosen.kind);
  const variant = chosen.variant;
  const schema = useMemo(() => kind.makeSchema(scene, variant), [kind, scene, variant]);
  const key = keyOf(chosen.kind, variant);
  const first = useMemo(() => startForm(kind.makeStart(scene, variant)), [kind, scene, variant]);
  const state = forms[key] ?? first;
  const put = (name: string, next: FormState) => setForms((old) => ({ ...old, [name]: next }));
  const dispatch = (action: FormAction) => setForms((old) => ({ ...old, [key]: reduceForm(schema, old[key] ?? first, action) }));
  const value = state.value as Readonly<Record<string, Json>>;

  const choose = (name: string, other = kindOf(name).variants?.[0]?.name ?? "") => {
    setChosen({ kind: name, variant: other });
    if (name !== "burst") setDrawn(null);
  };
  const draw = (at: readonly number[], radius: number) => {
    const burst = kindOf("burst");
    const burstKey = keyOf("burst", "");
    const old = forms[burstKey] ?? startForm(burst.makeStart(scene, ""));
    const before = old.value as Record<string, Json>;
    const known = typeof before["radius_m"] === "number" ? before["radius_m"] : 0;
    put(burstKey, { ...startForm({ ...before, ...drawnBurst(scene.body, at, radius > 0 ? radius : known) }) });
    setChosen({ kind: "burst", variant: "" });
    setDrawn((id) => id ?? crypto.randomUUID());
  };
  const place = drawn === null || kind.kind !== "burst" ? undefined : readBurst(scene, value);
  const draft: Ghost[] = drawn === null || place === undefined ? [] : [
    { clientId: drawn, kind: "burst", at: cellAt(scene.body, place.position), radius: place.radius, event: {}, state: "draft" },
  ];

  const post = async (ghost: Ghost) => {
    const part = (next: Partial<Ghost>) => setSent((old) => change(old, ghost.clientId, next));
    const late = window.setTimeout(() => part({ state: "late" }), LATE_MS);
    try {
      const answer = await sendEvent(runId, ghost.event, ghost.clientId);
      part({ state: "sent", seq: answer.seq });
      announce(`${kindOf(ghost.kind).title} is accepted as #${answer.seq}.`);
    } finally {
      window.clearTimeout(late);
    }
  };
  const send = async () => {
    if (findErrors(schema, state).length > 0) return dispatch({ type: "asked" });
    const burst = kind.kind === "burst" ? readBurst(scene, value) : undefined;
    const ghost: Ghost = {
      clientId: drawn ?? crypto.randomUUID(), kind: kind.kind, at: burst === undefined ? null : cellAt(scene.body, burst.position), radius: burst?.radius ?? 0,
      event: makeEvent(kind, variant, value), state: "sending",
    };
    setSent((old) => [...old.filter((other) => other.clientId !== ghost.clientId), ghost].slice(-MOST_KEPT));
    setDrawn(null);
    try {
      await post(ghost);
    } catch (failure) {
      const problem = asProblem(failure);
      if (problem.errors.length > 0) {
        // it is not on its way: the form has it again, with what is wrong at its fields
        setSent((old) => old.filter((other) => other.clientId !== ghost.clientId));
        if (burst !== undefined) setDrawn(ghost.clientId);
        dispatch({ type: "refused", errors: problem.errors.map(({ field, message }) => ({ path: toFormField(field), message })) });
      } else {
        setSent((old) => change(old, ghost.clientId, { state: "failed", reason: problem.detail }));
        announce(`${kind.title} was not sent: ${problem.detail}`);
      }
    }
  };
  const sendAgain = async (ghost: Ghost) => {
    setSent((old) => change(old, ghost.clientId, { state: "sending" }));
    await post(ghost).catch((failure: unknown) => setSent((old) => change(old, ghost.clientId, { state: "failed", reason: asProblem(failure).detail })));
  };
  const end = async (ghost: Ghost) => {
    if (ghost.seq === undefined) return;
    try {
      await endEvent(runId, ghost.seq);
      setSent((old) => change(old, ghost.clientId, { state: "ended" }));
      announce(`The end of #${ghost.seq} is accepted.`);
    } catch (failure) {
      announce(`It was not ended: ${asProblem(failure).detail}`);
    }
  };
  return {
    form: { kind, variant, schema, state }, isDrawn: drawn !== null && kind.kind === "burst", ghosts: [...settled, ...draft], choose, dispatch, draw,
    drop: () => setDrawn(null), send, sendAgain, end,
  };
}

function finished(ghost: Ghost, ticks: ReadonlyMap<string, string>): Ghost {
  const tick = ticks.get(ghost.clientId);
  return tick === undefined ? ghost : { ...ghost, state: "done", tick: Number(tick) };
}

/** Bursts that took effect leave the picture after a while; what lasts until it is ended stays. */
function useForgetting(ghosts: readonly Ghost[], setSent: (change: (old: readonly Ghost[]) => readonly Ghost[]) => void): void {
  const over = ghosts
    .filter((ghost) => ghost.state === "applied" && (ghost.event["duration_s"] !== undefined || ghost.kind === "damage"))
    .map((ghost) => `${ghost.clientId} ${ghost.tick ?? ""}`).join();
  useEffect(() => {
    if (over === "") return undefined;
    const gone = new Map(over.split(",").map((one) => one.split(" ") as [string, string]));
    const timer = window.setTimeout(() => setSent((old) => old.map((ghost) => finished(ghost, gone))), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [over, setSent]);
}

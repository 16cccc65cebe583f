import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { parseQuantity, printUnit } from "@/lib/units";
import { EVENT_KINDS, type EventKind, makeEvent } from "./events";
import { AXES } from "./geometry";
import type { Ghost } from "./ghosts";
import classes from "./run.module.css";

interface Props {
  readonly dimension: number;
  readonly temperatureUnit: string;
  readonly draft: Ghost | undefined;
  readonly why: string | undefined;
  readonly onDraft: (part: Partial<Ghost>) => void;
  /** Begin a burst at the centre. */
  readonly onBegin: () => void;
  readonly onSend: () => void;
  readonly onDrop: () => void;
  readonly onEvent: (event: Record<string, unknown>, title: string) => void;
}

/** Events into a run: the burst that is drawn on the field, and the others by a form. */
export function Inject(props: Props) {
  const { draft, why } = props;
  const [kind, setKind] = useState("burst");
  const chosen = EVENT_KINDS.find((item) => item.kind === kind) ?? EVENT_KINDS[0];
  if (chosen === undefined) return null;
  return (
    <div>
      <NativeSelect
        size="sm" aria-label="Kind of event" value={kind} disabled={why !== undefined}
        data={EVENT_KINDS.map((item) => ({ value: item.kind, label: item.title }))}
        onChange={(event) => setKind(event.currentTarget.value)}
      />
      <p style={{ margin: "4px 0" }}>{why ?? chosen.what}</p>
      {chosen.kind === "burst" ? (
        draft === undefined ? (
          <Button size="compact-sm" disabled={why !== undefined} onClick={props.onBegin}>Burst at the centre</Button>
        ) : (
          <DraftForm key={draft.clientId} draft={draft} onDraft={props.onDraft} onSend={props.onSend} onDrop={props.onDrop} />
        )
      ) : (
        <EventForm key={chosen.kind} kind={chosen} {...props} />
      )}
    </div>
  );
}

/** Radius, power and duration of the burst that is drawn; what was typed stays until it is a number. */
function DraftForm({ draft, onDraft, onSend, onDrop }: { draft: Ghost; onDraft: Props["onDraft"]; onSend: () => void; onDrop: () => void }) {
  const rows = [
    { name: "radius", label: "Radius", unit: "m" }, { name: "power", label: "Power", unit: "W" }, { name: "duration", label: "Duration", unit: "s" },
  ] as const;
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const errors = Object.fromEntries(rows.map(({ name, unit }) => [name, faultOf(texts[name], unit, 0)]));
  const isWrong = Object.values(errors).some((error) => error !== undefined);
  return (
    <form
      className={classes["form"]}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isWrong) onSend();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDrop();
      }}
    >
      {rows.map(({ name, label, unit }) => (
        <TextInput
          key={name} size="sm" label={`${label}, ${unit}`} error={errors[name]}
          value={texts[name] ?? String(Number(draft[name].toPrecision(4)))}
          onChange={(event) => {
            const text = event.currentTarget.value;
            setTexts((old) => ({ ...old, [name]: text }));
            const read = parseQuantity(text, unit);
            if (read.ok && read.value > 0) onDraft({ [name]: read.value });
          }}
        />
      ))}
      <span className={classes["steer"]} style={{ alignSelf: "end" }}>
        <Button type="submit" variant="filled" size="sm" disabled={isWrong}>Send</Button>
        <Button size="sm" onClick={onDrop}>Drop</Button>
      </span>
    </form>
  );
}

function EventForm({ kind, dimension, temperatureUnit, why, onEvent }: Props & { kind: EventKind }) {
  const faces = AXES.slice(0, dimension).flatMap((axis) => [`${axis}_min`, `${axis}_max`]);
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>(
    () => Object.fromEntries(kind.fields.map((field) => [field.name, field.value === null ? "" : String(field.value)])),
  );
  const [chosen, setChosen] = useState<readonly string[]>(() => faces.slice(-1));
  const units = Object.fromEntries(kind.fields.map((field) => [field.name, field.name === "law.temperature" ? temperatureUnit : field.unit]));
  const errors = Object.fromEntries(
    kind.fields.map((field) => [
      field.name,
      field.isOptional && (texts[field.name] ?? "").trim() === "" ? undefined : faultOf(texts[field.name], units[field.name] ?? "", field.least, field.most),
    ]),
  );
  const isWrong = Object.values(errors).some((error) => error !== undefined) || (kind.faces !== undefined && chosen.length === 0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isWrong) return;
    const values = Object.fromEntries(
      kind.fields.map((field) => {
        const read = parseQuantity(texts[field.name] ?? "", units[field.name] ?? "");
        return [field.name, read.ok ? read.value : null];
      }),
    );
    onEvent(makeEvent(kind, values, chosen, []), kind.title);
  };
  return (
    <form className={classes["form"]} onSubmit={submit}>
      {kind.faces === "one" && (
        <NativeSelect size="sm" label="Face" data={faces} value={chosen[0] ?? ""} onChange={(event) => setChosen([event.currentTarget.value])} data-wide />
      )}
      {kind.faces === "several" && (
        <div className={classes["tools"]} data-wide role="group" aria-label="Faces">
          {faces.map((face) => (
            <Checkbox
              key={face} size="xs" label={face} checked={chosen.includes(face)}
              onChange={(event) => setChosen((old) => (event.currentTarget.checked ? [...old, face] : old.filter((other) => other !== face)))}
            />
          ))}
        </div>
      )}
      {kind.fields.map((field) => (
        <TextInput
          key={field.name} size="sm" error={errors[field.name]} value={texts[field.name] ?? ""} placeholder={field.isOptional ? "for good" : ""}
          label={[field.label, printUnit(units[field.name])].filter((text) => text !== "").join(", ")}
          onChange={(event) => {
            const text = event.currentTarget.value;
            setTexts((old) => ({ ...old, [field.name]: text }));
          }}
        />
      ))}
      <Button type="submit" size="sm" disabled={isWrong || why !== undefined} style={{ alignSelf: "end" }}>Send</Button>
    </form>
  );
}

function faultOf(text: string | undefined, unit: string, least?: number, most?: number): string | undefined {
  if (text === undefined) return undefined;
  const read = parseQuantity(text, unit);
  if (!read.ok) return read.reason;
  if (least !== undefined && read.value < least) return `must be at least ${least}`;
  if (most !== undefined && read.value > most) return `must be at most ${most}`;
  return undefined;
}

import { Button, Input, Modal, Textarea } from "@mantine/core";
import { useState } from "react";
import { plural } from "@/lib/format";
import type { Draft } from "./draft";
import { type Combination, readTable, type Table } from "./points";
import classes from "./submit.module.css";

interface Props {
  readonly draft: Draft;
  readonly onTable: (table: Table | null) => void;
  readonly onCombination: (combination: Combination) => void;
}

/** How the varied parameters become points: multiplied or side by side, and a table from elsewhere. */
export function SweepBar({ draft, onTable, onCombination }: Props) {
  const [isOpen, setOpen] = useState(false);
  const parts = Object.keys(draft.axes).length + (draft.table === null ? 0 : 1);
  return (
    <div className={classes["bar"]}>
      {parts > 1 && (
        <label className={classes["pair"]}>
          Combine
          <Input component="select" pointer rightSection={<span aria-hidden="true">▾</span>} rightSectionPointerEvents="none" value={draft.combination} onChange={(event) => onCombination(event.currentTarget.value as Combination)}>
            <option value="product">each with each</option>
            <option value="side">side by side</option>
          </Input>
        </label>
      )}
      {draft.table !== null && (
        <span className={classes["pair"]}>
          Table: {draft.table.names.join(", ")} ({plural(draft.table.rows.length, "row")})
          <Button size="compact-sm" onClick={() => onTable(null)}>Remove</Button>
        </span>
      )}
      <Button size="compact-sm" onClick={() => setOpen(true)}>Paste a table</Button>
      <PasteDialog isOpen={isOpen} onClose={() => setOpen(false)} onTable={onTable} />
    </div>
  );
}

function PasteDialog(props: { isOpen: boolean; onClose: () => void; onTable: (table: Table) => void }) {
  const [text, setText] = useState("");
  const read = text.trim() === "" ? null : readTable(text);
  return (
    <Modal opened={props.isOpen} onClose={props.onClose} title="Paste a table of points" size="lg">
      <Textarea
        label="Names of parameters in the first row, one point in each row below"
        placeholder={"length,diffusivity\n1.0,0.005\n1.0,0.010"}
        rows={10}
        value={text}
        spellCheck={false}
        data-autofocus
        error={read !== null && !read.ok ? read.reason : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div className={classes["foot"]}>
        <Button
          variant="filled"
          disabled={read === null || !read.ok}
          onClick={() => {
            if (read === null || !read.ok) return;
            props.onTable(read.table);
            setText("");
            props.onClose();
          }}
        >
          {read?.ok === true ? `Take ${plural(read.table.rows.length, "point")}` : "Take"}
        </Button>
      </div>
    </Modal>
  );
}

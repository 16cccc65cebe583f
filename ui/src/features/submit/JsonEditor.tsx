import { Textarea } from "@mantine/core";
import { useState } from "react";
import type { Json } from "@/lib/json";
import { jsonFault } from "@/lib/schema";
import { type Draft, fromSubmission } from "./draft";
import type { Derived } from "./useDraft";
import classes from "./submit.module.css";

/** The submission as JSON, to be read and written; what is no JSON yet is kept until it is, or until another tab is opened. */
export function JsonEditor(props: { draft: Draft; derived: Derived; onDraft: (draft: Draft) => void }) {
  const { draft, derived, onDraft } = props;
  const printed = JSON.stringify(derived.submission, null, 2);
  const [typed, setTyped] = useState<string | null>(null);
  const [reason, setReason] = useState<string>();
  const onChange = (text: string) => {
    setTyped(text);
    const fault = jsonFault(text);
    if (fault !== undefined) return setReason(fault);
    const next = fromSubmission(JSON.parse(text) as Json, draft, derived.expansion);
    if (typeof next === "string") return setReason(next);
    setReason(undefined);
    onDraft(next);
  };
  return (
    <Textarea
      aria-label="Submission as JSON"
      classNames={{ input: classes["code"] ?? "" }}
      rows={24}
      spellCheck={false}
      value={typed ?? printed}
      error={reason}
      onChange={(event) => onChange(event.currentTarget.value)}
      onBlur={() => {
        if (reason === undefined) setTyped(null);
      }}
    />
  );
}

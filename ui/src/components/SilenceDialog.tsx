import { Button, Modal, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { announce } from "./announce";
import { Problem } from "./Problem";

const HOURS = [["1", "for 1 hour"], ["4", "for 4 hours"], ["24", "for a day"], ["168", "for 7 days"]] as const;

interface Props {
  readonly alert: { readonly rule: string; readonly run: string };
  readonly onClose: () => void;
}

/** Hide the alerts of a rule of a run until a moment. */
function silence({ rule, run }: Props["alert"], reason: string, hours: number) {
  const until = new Date(Date.now() + hours * 3_600_000).toISOString();
  const matchers = [{ name: "rule", op: "=" as const, value: rule }, { name: "run", op: "=" as const, value: run }];
  return ok(api.POST("/api/v1/silences", { body: { matchers, reason, until } }));
}

/** Hide the alerts of a rule of a run: with a reason and an end, which the server wants as well. */
export function SilenceDialog({ alert, onClose }: Props) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("1");
  const [isTried, setTried] = useState(false);
  const making = useMutation({
    mutationFn: () => silence(alert, reason.trim(), Number(hours)),
    onSuccess: () => {
      announce(`${alert.rule} is silenced.`);
      void client.invalidateQueries({ queryKey: ["alerts"] });
      void client.invalidateQueries({ queryKey: ["silences"] });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Silence ${alert.rule} of this run`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (reason.trim() !== "") making.mutate();
        }}
      >
        <TextInput label="Reason" value={reason} onChange={(event) => setReason(event.currentTarget.value)} data-autofocus
          error={isTried && reason.trim() === "" ? "Say why, for whoever comes next." : undefined} />
        <NativeSelect label="Ends" mt={8} data={HOURS.map(([value, label]) => ({ value, label }))} value={hours} onChange={(event) => setHours(event.currentTarget.value)} />
        {making.isError && <Problem error={making.error} />}
        <Button type="submit" variant="filled" mt={12} loading={making.isPending}>Silence</Button>
      </form>
    </Modal>
  );
}

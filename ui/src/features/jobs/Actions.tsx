import { Button, Menu, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { announce } from "@/components/announce";
import { useKeys } from "@/components/keyboard";
import { Problem } from "@/components/Problem";
import { isFinal } from "@/components/states";
import { shortId } from "@/lib/format";
import classes from "./jobs.module.css";
import { cancelJob, type Job, purgeJob } from "./queries";

/** What can be done about a job: stop it, or remove it for good; both ask first. */
export function JobActions({ job }: { job: Job }) {
  const [asks, setAsks] = useState<"cancel" | "purge" | null>(null);
  useKeys([{ keys: "C", does: "Cancel the job", run: () => !isFinal(job.status) && setAsks("cancel") }]);
  const copyLink = () => void navigator.clipboard.writeText(location.href).then(() => announce("The address is copied."));
  return (
    <>
      {!isFinal(job.status) && <Button disabled={job.status === "cancelling"} onClick={() => setAsks("cancel")}>Cancel…</Button>}
      <Menu position="bottom-end">
        <Menu.Target><Button aria-label="More actions">More ▾</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={copyLink}>Copy the address of this view</Menu.Item>
          <Menu.Item disabled={!isFinal(job.status)} onClick={() => setAsks("purge")}>Remove it with all its files…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <CancelDialog jobId={job.id} isOpen={asks === "cancel"} onClose={() => setAsks(null)} />
      <PurgeDialog key={String(asks === "purge")} job={job} isOpen={asks === "purge"} onClose={() => setAsks(null)} />
    </>
  );
}

interface DialogProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

export function CancelDialog({ jobId, isOpen, onClose }: DialogProps & { readonly jobId: string }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelJob(queries, jobId),
    onSuccess: (answer) => {
      announce(`Job ${shortId(jobId)} is ${answer.status.replace("_", " ")}.`);
      onClose();
    },
  });
  return (
    <Modal opened={isOpen} onClose={onClose} title="Cancel this job?" closeButtonProps={{ "aria-label": "Close" }}>
      <div className={classes["stack"]}>
        <p className={classes["note"]}>It stops for good, and leaves its log but no result.</p>
        {cancel.isError && <Problem error={cancel.error} />}
        <div className={classes["buttons"]}>
          <Button variant="filled" data-autofocus loading={cancel.isPending} onClick={() => cancel.mutate()}>Cancel the job</Button>
          <Button onClick={onClose}>Let it run</Button>
        </div>
      </div>
    </Modal>
  );
}

function PurgeDialog({ job, isOpen, onClose }: DialogProps & { readonly job: Job }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const purge = useMutation({
    mutationFn: () => purgeJob(queries, job.id),
    onSuccess: () => {
      announce(`Job ${shortId(job.id)} is removed.`);
      void navigate({ to: "/jobs", replace: true });
    },
  });
  return (
    <Modal opened={isOpen} onClose={onClose} title="Remove this job with its log and files?" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        className={classes["stack"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.trim() === job.id) purge.mutate();
        }}
      >
        <p className={classes["note"]}>This cannot be undone. The identifier is <code>{job.id}</code></p>
        <TextInput label="Type the identifier" autoComplete="off" spellCheck={false} data-autofocus value={typed} onChange={(event) => setTyped(event.target.value)} />
        {purge.isError && <Problem error={purge.error} />}
        <div className={classes["buttons"]}>
          <Button type="submit" variant="filled" disabled={typed.trim() !== job.id} loading={purge.isPending}>Remove it</Button>
          <Button onClick={onClose}>Keep it</Button>
        </div>
      </form>
    </Modal>
  );
}

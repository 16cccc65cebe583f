import { Modal } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { session } from "@/api/browser";
import { LoginForm } from "./LoginForm";

/** Over the page that is open, where the session has ended: what was typed stays, and requests wait. */
export function LoginDialog({ username }: { username: string | undefined }) {
  const state = useSyncExternalStore(session.subscribe, session.getState);
  return (
    <Modal
      opened={state === "expired"}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session has ended. Log in to go on."
      size="sm"
    >
      <LoginForm username={username} />
    </Modal>
  );
}

import { Modal, Switch } from "@mantine/core";
import { useState } from "react";
import { areSingleKeysOn, switchSingleKeys, useShownKeys } from "@/components/keyboard";
import classes from "./shell.module.css";

/** The keys that act on the page that is open. */
export function Help({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const keys = useShownKeys();
  const [areOn, setOn] = useState(areSingleKeysOn);
  return (
    <Modal opened={isOpen} onClose={onClose} title="Keyboard" closeButtonProps={{ "aria-label": "Close" }}>
      <dl className={classes["keys"]}>
        {keys.map((key) => (
          <div key={key.keys}>
            <dt>{(key.keys === " " ? ["Space"] : key.keys.split(" ")).map((part, index) => <kbd key={index}>{part}</kbd>)}</dt>
            <dd>{key.does}</dd>
          </div>
        ))}
      </dl>
      <Switch
        label="Single letters act"
        description="Never inside fields. Off: for speech input and screen readers."
        checked={areOn}
        onChange={(event) => {
          switchSingleKeys(event.currentTarget.checked);
          setOn(event.currentTarget.checked);
        }}
      />
    </Modal>
  );
}

import { PasswordInput, type PasswordInputProps } from "@mantine/core";

/** A password's field that tells assistive technology when it is wrong, as Mantine's other fields do by themselves. */
export function PasswordField(props: PasswordInputProps) {
  return <PasswordInput {...props} aria-invalid={props.error !== undefined && props.error !== null && props.error !== false ? true : undefined} />;
}

import { Button } from "@mantine/core";
import { EmptyState } from "./EmptyState";
import { Page } from "./Page";
import { PageSentence } from "./PageSentence";

/** An unknown address and a thing of somebody else look the same, so that nobody learns what there is. */
export function NothingHere() {
  return (
    <Page>
      <PageSentence title="Nothing here">There is nothing here, or it is not yours.</PageSentence>
      <EmptyState title="The address may be mistyped, or what stood here was deleted." action={
        <Button onClick={() => window.history.back()}>Go back</Button>
      } />
    </Page>
  );
}

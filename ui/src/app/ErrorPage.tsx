import { Button } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import { isNotFound } from "@/api/problems";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Problem } from "@/components/Problem";

/** A page that failed while it was drawn: what happened, and the ways on. The rail and the strip stay. */
export function ErrorPage({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter();
  if (isNotFound(error)) return <NothingHere />;
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Page>
      <PageSentence title="Error" actions={<Button onClick={() => location.reload()}>Reload the page</Button>}>
        This page could not be shown.
      </PageSentence>
      <Problem error={error} onRetry={retry} />
    </Page>
  );
}

import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { announce } from "@/components/announce";
import { EmptyState } from "@/components/EmptyState";
import { download } from "@/components/files";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { formatBytes } from "@/lib/format";
import classes from "./jobs.module.css";
import { filesQuery, type Job } from "./queries";

/** Files of a job: each is handed to the browser by a link for one use, so that its size does not matter to the page. */
export function FilesTab({ job }: { job: Job }) {
  const files = useQuery(filesQuery(job.id));
  const fetching = useMutation({
    mutationFn: ({ path }: { path: string; name: string }) => download(path),
    onSuccess: (_, { name }) => announce(`${name} is being downloaded.`),
  });
  const items = files.data?.items ?? [];
  const get = (path: string, name: string) => fetching.mutate({ path, name });
  return (
    <Panel
      title="Files"
      actions={job.status === "success" && <Button size="compact-sm" loading={fetching.isPending} onClick={() => get(job.links.result, "The zip")}>Download all (zip)</Button>}
    >
      {files.isError && <Problem error={files.error} onRetry={() => void files.refetch()} />}
      {fetching.isError && <Problem error={fetching.error} />}
      {files.data !== undefined && items.length === 0 && (
        <EmptyState title="No file">A run that ends well leaves files. What this one wrote to its log is under Log.</EmptyState>
      )}
      {items.length > 0 && (
        <table className={classes["files"]}>
          <thead><tr><th>Name</th><th>Kind</th><th>Size</th><th>SHA-256</th><th /></tr></thead>
          <tbody>
            {items.map((file) => (
              <tr key={file.name}>
                <td>{file.name}</td>
                <td className={classes["muted"]}>{file.media_type.split(";")[0]}</td>
                <td>{file.size === null ? <span className={classes["muted"]} title="It is made from the record when it is asked for, and the same each time.">made when asked for</span> : formatBytes(file.size)}</td>
                <td><code title={file.sha256 ?? "Known once it has been made."}>{file.sha256?.slice(0, 12) ?? "–"}</code></td>
                <td><Button size="compact-sm" aria-label={`Download ${file.name}`} onClick={() => get(file.link, file.name)}>Download</Button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
